"""`.goferry/`: what Goferry keeps in a repository beside dist/. git ignores it but for the hosts' keys."""

from __future__ import annotations

from pathlib import Path

from goferry.kernel.files import write_atomically

OWN = ".goferry"
_OLD = b"*\n"
_IGNORED = b"# Goferry's own, keys for trying among it; the hosts' keys alone belong to the source.\n*\n!known_hosts\n"


def make(folder: Path) -> Path:
    """Make the folder where it is missing, and the .gitignore in it; return it. A .gitignore of yours stays."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists() or ignore.read_bytes() == _OLD:
        write_atomically(ignore, _IGNORED)
    return folder
