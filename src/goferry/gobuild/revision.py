"""Where the source stands: commit, tags, time and changes, asked of git without trusting or changing its settings.

Nothing of a repository becomes a word of a command line: tags and branches are read from output only. git's refusal to
work in another user's folder (`safe.directory`) is answered for this one repository through GIT_CONFIG_* variables of
the child process; no configuration file is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from goferry.kernel.errors import Failed, printable
from goferry.system import process

_HASH = r"[0-9a-f]{40}(?:[0-9a-f]{24})?"


class GitFailed(Failed):
    """git could not read the repository.

    Usual causes: the repository is damaged, belongs to a newer git, or was copied without the files of its `.git`
    folder.
    """

    name = "git-failed"


class Lack(NamedTuple):
    """Why there is no commit, and what to do about it: at a machine, and in a job of a runner."""

    why: str
    machine: str
    job: str


NO_REPOSITORY = Lack(
    "the folder is in no git repository",
    "begin one:  git init && git add . && git commit -m first",
    "actions/checkout leaves .git out where the job's container has no git; install it before that step:  "
    "apt-get update && apt-get install -y git",
)
NO_GIT = Lack(
    "the folder is in a git repository, and git is not on PATH",
    "install it:  apt-get install git",
    "install it before this step:  apt-get update && apt-get install -y git",
)
NO_COMMIT = Lack(
    "the git repository has no commit yet",
    "commit what is here:  git add . && git commit -m first",
    "check out a branch that has one:  - uses: actions/checkout@REF",
)


class Revision(Struct, frozen=True):
    """What git says of a work tree.

    Attributes:
        root: the work tree's top, or None outside git.
        commit: 40 (SHA-1) or 64 (SHA-256) hex digits; empty outside git and before the first commit.
        time: of the commit (committer's), seconds since the epoch; 0 without a commit.
        here: tags on the commit. before: tags on it and on its ancestors.
        changes: lines of `git status --porcelain`; empty means clean.
        shallow: the history was cut off, so that tags may be missing.
        lack: why there is no commit; None where there is one.
    """

    root: Path | None = None
    commit: str = ""
    time: int = 0
    here: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    shallow: bool = False
    lack: Lack | None = None


def read(directory: Path, environ: Mapping[str, str]) -> Revision:
    """Ask git about the work tree that holds `directory`.

    Raises:
        GitFailed: when there is a repository and git can't read it.
    """
    root = work_tree(directory)
    if root is None:
        return Revision(lack=NO_REPOSITORY)
    git = _Git(root, environ)
    try:
        shallow, *top = git.lines("rev-parse", "--is-shallow-repository", "--show-toplevel")
    except process.ToolMissing:
        return Revision(root, lack=NO_GIT)
    if os.path.realpath("\n".join(top)) != os.path.realpath(root):
        raise _elsewhere(root, "\n".join(top))
    head = git.ask("log", "-1", "--no-show-signature", "--format=%H %ct", "HEAD", "--")
    if head.code and "does not have any commits" not in head.errors and not git.unborn():
        raise _failed(head)
    words = head.text.split()
    changes = tuple(git.changes())
    if head.code or len(words) != 2 or not re.fullmatch(_HASH, words[0]):
        return Revision(root, changes=changes, lack=NO_COMMIT)
    here, before = git.tags(words[0])
    return Revision(
        root,
        commit=words[0],
        time=int(words[1]),
        here=tuple(here),
        before=tuple(before),
        changes=changes,
        shallow=shallow == "true",
    )


def newest_tags(directory: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the repository's tags, newest first; none outside git, or where git is missing or can't tell."""
    root = work_tree(directory)
    if root is None:
        return ()
    try:
        return tuple(_Git(root, environ).newest_tags())
    except (process.ToolMissing, GitFailed):
        return ()


def work_tree(directory: Path) -> Path | None:
    """Return the nearest folder at or above `directory` that has a `.git`, or None."""
    resolved = directory.resolve()
    for folder in (resolved, *resolved.parents):
        if (folder / ".git").exists():
            return folder
    return None


def git_environ(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for git in `root`: the caller's without its GIT_* variables, and settings for one run.

    What makes git look less closely is set back: a file of another case is another file, of one with its time put
    back the content counts, and folders are looked through. The history is the commits' own, without replacements and
    grafts.
    """
    settings = {
        "safe.directory": str(root),
        "core.checkStat": "default",
        "core.fsmonitor": "false",
        "core.ignoreCase": "false",
        "core.quotePath": "false",
        "core.trustctime": "true",
        "core.untrackedCache": "false",
        "log.showSignature": "false",
        "status.showUntrackedFiles": "normal",
        "status.relativePaths": "false",
        "submodule.recurse": "false",
    }
    result = {key: value for key, value in environ.items() if not key.startswith("GIT_")}
    result.update(
        LC_ALL="C",
        GIT_GRAFT_FILE=os.devnull,
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_OPTIONAL_LOCKS="0",
        GIT_TERMINAL_PROMPT="0",
        GIT_CONFIG_COUNT=str(len(settings)),
    )
    for number, (key, value) in enumerate(settings.items()):
        result[f"GIT_CONFIG_KEY_{number}"] = key
        result[f"GIT_CONFIG_VALUE_{number}"] = value
    return result


class _Git:
    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self.environ = git_environ(root, environ)

    def ask(self, *words: str) -> process.Completed:
        return process.run(["git", *words], environ=self.environ, cwd=self.root)

    def lines(self, *words: str) -> list[str]:
        done = self.ask(*words)
        if done.code:
            raise _failed(done)
        return done.text.split("\n")[:-1]  # a tag's name may hold what else `splitlines` takes for a line's end

    def newest_tags(self) -> list[str]:
        order = ("--sort=-version:refname", "--sort=-creatordate")
        return self.lines("for-each-ref", *order, "--format=%(refname:lstrip=2)", "refs/tags")

    def tags(self, head: str) -> tuple[list[str], list[str]]:
        """Return the tags on the commit `head`, and those on it and on its ancestors, sorted.

        git before 2.45 looks through one tag object alone: of a tag of a tag it is asked once more.
        """
        form = "--format=%(*objecttype) %(objectname) %(*objectname) %(refname:lstrip=2)"
        found = [line.split(" ", 3) for line in self.lines("for-each-ref", f"--merged={head}", form, "refs/tags")]
        here = [name for kind, *named, name in found if head in named or (kind == "tag" and self.names(name, head))]
        return here, [name for *_, name in found]

    def names(self, tag: str, commit: str) -> bool:
        """Whether a tag, through however many tag objects, names the commit."""
        return self.ask("rev-parse", "-q", "--verify", f"refs/tags/{tag}^{{commit}}").text.strip() == commit

    def changes(self) -> list[str]:
        done = self.ask("status", "--porcelain=v1", "-z", "--ignore-submodules=none")
        if done.code:
            raise _failed(done)
        return _status(done.text)

    def unborn(self) -> bool:
        """Whether HEAD names a branch without a commit."""
        return (
            self.ask("symbolic-ref", "-q", "HEAD").code == 0
            and self.ask("rev-parse", "-q", "--verify", "HEAD").code != 0
        )


def _status(text: str) -> list[str]:
    """Return `XY path` lines of `git status --porcelain=v1 -z`; a rename's old name is an entry of its own there."""
    lines: list[str] = []
    entries = iter(text.split("\0"))
    for entry in entries:
        if len(entry) > 3:
            lines.append(entry)
            if entry[0] in "RC":
                next(entries, "")
    return lines


def _elsewhere(root: Path, top: str) -> GitFailed:
    """Return the error for a work tree that git does not look at, so that its answer is about other files."""
    return GitFailed(
        f"git looks at {printable(top, 300)} for the repository in {root}",
        state="Nothing was built.",
        advice=[
            "if core.worktree is set, take it out:  git config --unset core.worktree",
            "if .git is not a repository, move it away and ask again:  git status",
        ],
    )


def _failed(done: process.Completed) -> GitFailed:
    stderr = done.errors.strip() or f"git ended with {done.code}"
    return GitFailed(stderr, state="Nothing was built.", advice=["look at it yourself:  git status"])
