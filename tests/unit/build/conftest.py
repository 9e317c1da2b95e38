"""A made-up project, as `facts.look` would find it."""

from pathlib import Path

import pytest

from goferry.build.facts import Facts
from goferry.build.mains import Main
from goferry.build.targets import parse

PORTS = ("linux/amd64", "linux/arm64", "linux/arm", "darwin/arm64", "windows/amd64")


@pytest.fixture
def found():
    def make(targets=("linux/amd64", "linux/arm64"), mains=None, **changes):
        chosen = parse(targets, PORTS)
        names = tuple(str(target) for target in chosen)
        fields = {
            "directory": Path("/src/shop"),
            "root": Path("/src/shop"),
            "folder": ".",
            "module": "example.com/team/shop",
            "modules": {"example.com/team/shop": "."},
            "project": "shop",
            "go": "1.27.3",
            "patterns": ("./...",),
            "targets": chosen,
            "mains": mains or (Main("./cmd/api", "example.com/team/shop/cmd/api", "api", names, ("version",)),),
            "version": "v1.2.3",
            "commit": "3f" * 20,
            "date": "2026-11-23T04:03:22Z",
            "epoch": 1795406602,
            "dirty": False,
            "bears": True,
            "snapshot": False,
            "documents": ("LICENSE",),
        }
        return Facts(**{**fields, **changes})

    return make
