"""The host agent as one file: a zip application of `goferry.kernel` and `goferry.host`, the same bytes each time.

The sources are those that run here, so a host verifies and decides with the very code of its client.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

SHEBANG = b"#!/usr/bin/python3 -I\n"
ROOMS = ("kernel", "host")
_MAIN = b"import sys\n\nfrom goferry.host.__main__ import main\n\nsys.exit(main())\n"
# The earliest time that a zip file can say.
_TIME = (1980, 1, 1, 0, 0, 0)


def bundle() -> bytes:
    """Return the agent: an executable zip application for Python 3.9 and later; pure but for reading the sources."""
    source = Path(__file__).resolve().parents[1]
    files = {"__main__.py": _MAIN, "goferry/__init__.py": b""}
    for room in ROOMS:
        for path in (source / room).glob("*.py"):
            files[f"goferry/{room}/{path.name}"] = path.read_bytes()
    return SHEBANG + _zipped(files)


def _zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o644 << 16
            # Unix, also where the client is not: zipfile notes the system that it runs on.
            entry.create_system = 3
            archive.writestr(entry, files[name])  # stored: the interpreter needs no zlib, and starts faster
    return made.getvalue()
