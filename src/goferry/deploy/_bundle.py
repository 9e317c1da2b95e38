"""The host agent as one file: a zip application of `goferry.kernel` and `goferry.host`, the same bytes each time.

The sources are those that run here, so a host verifies and decides with the very code of its client.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

SHEBANG = b"#!/usr/bin/python3 -IS\n"
"""-S, since nothing but the standard library is loaded: looking for what else is installed costs milliseconds."""
ROOMS = ("kernel", "host")
_MAIN = """import sys

# The same modules, compiled by this host's Python (goferry.host.compiled); without that file these sources count.
if sys.argv[1:2] != ["compile"]:
    sys.path.insert(0, "%s.d/IDENTITY.%s.zip" % (sys.path[0], sys.implementation.cache_tag))
from goferry.host.__main__ import main

sys.exit(main())
"""
# The earliest time that a zip file can say.
_TIME = (1980, 1, 1, 0, 0, 0)


def bundle() -> bytes:
    """Return the agent: an executable zip application for Python 3.9 and later; pure but for reading the sources."""
    source = Path(__file__).resolve().parents[1]
    files = {"goferry/__init__.py": b""}
    for room in ROOMS:
        for path in (source / room).glob("*.py"):
            files[f"goferry/{room}/{path.name}"] = path.read_bytes()
    identity = hashlib.sha256(_zipped(files)).hexdigest()[:32]
    files |= {"identity": identity.encode(), "__main__.py": _MAIN.replace("IDENTITY", identity).encode()}
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
