"""Whether a toolchain that is there is still the one that was proven, without hashing it where that can be known.

    a file of it is written to            its size, or its times, or its inode differ: no program sets the inode's time
    root alone can write to it            and we are not root: then nobody here has
    this very job hashed it               and nothing that could write to it ran since, which tests could

What was seen when the files were hashed is noted in Goferry's own cache, which is its user's alone: a tool cache may be
shared by several users, and whoever may change a file there could change a note beside it as well. A program of the
same user can still forge the note: so a release in CI believes the last two lines alone, and hashes it all otherwise.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from goferry.artifacts.toolchain import Toolchain
from goferry.caches import ci_job
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.golang import _tree as tree
from goferry.kernel.errors import Refused
from goferry.kernel.files import write_atomically

_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_MOST = 1 << 16


class ToolchainModified(Refused):
    """The toolchain's files have changed since it was verified and installed.

    Usual causes: a self-hosted machine, where something that ran earlier has written to them.
    """

    name = "toolchain-modified"


class TreeWatch(Struct, frozen=True):
    """Notes of toolchains in Goferry's own cache.

    Attributes:
        cache: that folder. environ: the surroundings, which say what job this is.
    """

    cache: Path
    environ: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings) -> TreeWatch:
        """Return the one of these surroundings."""
        return cls(settings.cache, settings.environ)

    def untouched(self, root: Path, h1: str) -> bool:
        """Whether nothing in `root` was touched since it was hashed to h1, as far as that shows.

        Raises:
            OSError: it can't be looked at.
        """
        seen = tree.survey(root)
        return (seen.roots and _roots(root)) or self._read(root) == _note(root, h1, seen.files)

    def settled(self, root: Path, h1: str) -> bool:
        """Whether that is known without believing what an earlier job could have written.

        Raises:
            OSError: it can't be looked at.
        """
        seen = tree.survey(root)
        return (seen.roots and _roots(root)) or ci_job.claimed(self.cache, self.environ, _note(root, h1, seen.files))

    def keep(self, root: Path, h1: str) -> None:
        """Note that the files were hashed just now and are what h1 says.

        Raises:
            OSError: it can't be noted.
        """
        note = _note(root, h1, tree.survey(root).files)
        path = self._path(root)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.chmod(0o700)
        write_atomically(path, json.dumps(note).encode(), mode=0o600)
        ci_job.claim(self.cache, self.environ, note)

    def _path(self, root: Path) -> Path:
        return self.cache / "seen" / f"{hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:32]}.json"

    def _read(self, root: Path) -> Any:
        """Return what was noted; a note that others could have written is none."""
        path = self._path(root)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                states = path.parent.lstat(), os.fstat(file.fileno())
                if any(state.st_uid != os.geteuid() or state.st_mode & _OTHERS for state in states):
                    return None
                return json.loads(file.read(_MOST))
        except (OSError, ValueError, RecursionError):
            return None


def hold(ctx: Context, toolchain: Toolchain) -> None:
    """Hold a proven toolchain to its proof before a release is compiled with it: every file of it is hashed again.

    Raises:
        ToolchainModified: its files are not what was proven.
    """
    if toolchain.proof != "checksum-database":
        return
    root, watch = toolchain.goroot, TreeWatch.of(ctx.settings)
    module, h1 = str(toolchain.evidence["module"]), str(toolchain.evidence["h1"])
    with ctx.stream.span("toolchain-verify") as span:
        try:
            if watch.settled(root, h1):
                span.skip("hashed by this job, or written by root alone")
                return
            found = tree.hash_folder(root, f"{module}/")
        except OSError as error:
            found = str(error)
        if found != h1:
            raise ToolchainModified(
                f"Go {toolchain.version} in {root} is not as it was proven",
                state="Nothing was built.",
                advice=["remove that folder, and set it up again:  goferry setup-go"],
            )


def _note(root: Path, h1: str, files: str) -> dict[str, str]:
    return {"root": str(root.absolute()), "h1": h1, "files": files}


def _roots(root: Path) -> bool:
    """Whether root alone can write to the folder and put another in its place, and we are not root."""
    folders = (root.absolute(), *root.absolute().parents)
    return os.geteuid() != 0 and all(tree.of_root(folder.lstat()) for folder in folders)
