"""The agent compiled for this host's Python, in a file beside it: each start spends half as long on loading it.

The agent is sent as sources, since a host's Python may be any from 3.9 on and changes with the system's upgrades.
`provision` has the agent compile itself as root, into `goferry-host.d/IDENTITY.PYTHON.zip`. The identity is the digest
of the sources, and Python's tag stands beside it, so an agent never loads what was made of other sources or for another
Python; where there is no such file it loads its sources.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import marshal
import sys
import zipfile
from pathlib import Path

from goferry.kernel.files import write_atomically

IDENTITY = "identity"
"""The name in the agent's archive."""
_UNCHECKED = (1).to_bytes(4, "little")
KEPT = 2
"""Files: an agent that started before an upgrade may load more of its own later."""


def path(agent: Path) -> Path:
    """Return where the agent at `agent` finds itself compiled.

    Raises:
        OSError, zipfile.BadZipFile, KeyError: when the file there can't be read as an agent.
    """
    with zipfile.ZipFile(str(agent)) as archive:
        identity = archive.read(IDENTITY).decode("ascii")
    return agent.with_name(agent.name + ".d") / f"{identity}.{sys.implementation.cache_tag}.zip"


def write(agent: Path) -> None:
    """Compile the agent at `agent`, and remove what was compiled of others but for the newest.

    Raises:
        OSError: when it can't be written. zipfile.BadZipFile, KeyError: as `path` does.
    """
    target, made = path(agent), io.BytesIO()
    with zipfile.ZipFile(str(agent)) as sources, zipfile.ZipFile(made, "w") as compiled:
        for name in sorted(each for each in sources.namelist() if each.startswith("goferry/")):
            text = sources.read(name)
            code = compile(text, f"{agent}/{name}", "exec", dont_inherit=True)
            # Unchecked (PEP 552): the file's name says what it was made of, and has no source beside it.
            head = importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(text)
            compiled.writestr(zipfile.ZipInfo(name + "c", (1980, 1, 1, 0, 0, 0)), head + marshal.dumps(code))
    write_atomically(target, made.getvalue(), 0o644)
    others = sorted(target.parent.glob("*.zip"), key=lambda each: each.stat().st_mtime)
    for each in others[:-KEPT]:
        with contextlib.suppress(OSError):
            each.unlink()


def command(words: list[str], agent: Path) -> int:
    """Compile the agent, or with `--check` say by the exit code whether that was done; return the exit code."""
    try:
        if words == ["--check"]:
            # Each byte: whoever loads it does not look at the checksums, and could not start with a damaged one.
            with zipfile.ZipFile(str(path(agent))) as archive:
                return 0 if archive.testzip() is None else 1
        write(agent)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        sys.stderr.write(f"goferry-host: {agent} can't be compiled: {error}\n")
        return 1
    return 0
