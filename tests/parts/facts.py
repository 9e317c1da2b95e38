"""A made-up project's fields, as `gobuild.facts.inspect_repository` would find them, but for its programs and targets."""

from pathlib import Path

SHOP = {
    "directory": Path("/src/shop"),
    "root": Path("/src/shop"),
    "folder": ".",
    "module": "example.com/team/shop",
    "modules": {"example.com/team/shop": "."},
    "project": "shop",
    "go": "1.27.3",
    "patterns": ("./...",),
    "version": "v1.2.3",
    "commit": "3f" * 20,
    "date": "2026-11-23T04:03:22Z",
    "epoch": 1795406602,
    "dirty": False,
    "bears": True,
    "snapshot": False,
}
