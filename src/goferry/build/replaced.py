"""What stands in place of committed code without a trace in the commit: a release is refused for it.

A release says which commit it was built of, and whoever reads that commit should read what runs. Files that are only
added, such as a front end that another tool generated, are listed instead (build.uncommitted).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from goferry.build import index as indexes
from goferry.build import ldflags
from goferry.build.index import Index
from goferry.kernel.errors import Refused, printable

_SHOWN = 10
_TOKEN = re.compile(
    r"""(?P<comment>//.*)|"(?P<quoted>(?:\\.|[^"\\])*)"|`(?P<raw>[^`]*)`|(?P<plain>[(){}\[\],]|(?:(?!//)[^\s(){}\[\],"`])+)"""
)


class CodeReplaced(Refused):
    """Code that is not in the commit would stand in place of code that is, and nothing of the release would tell.

    Usual causes: a go.work or a vendor folder that git ignores, a `replace` that leads out of the repository, an
    overlay, or files at which git was told not to look.
    """

    name = "code-replaced"


class Replacement(Struct, frozen=True):
    """One such thing: `what` it is with its path, and the `way` out of it, a command where there is one."""

    what: str
    way: str


def demand(found: Sequence[Replacement], *, snapshot: bool) -> None:
    """Refuse a release for replacements; a snapshot may have them.

    Raises:
        CodeReplaced: naming each and the way out.
    """
    if snapshot or not found:
        return
    shown = [printable(each.what, 300) for each in found[:_SHOWN]]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    raise CodeReplaced(
        "\n".join(["the commit does not tell of what would be built:", *(f"  {line}" for line in shown + more)]),
        state="Nothing was built.",
        advice=[
            *dict.fromkeys(printable(each.way, 300) for each in found),
            "or build a snapshot: off the tag's commit",
        ],
        files=[each.what for each in found],
    )


def find(
    index: Index, directory: Path, modules: Sequence[Path], environ: Mapping[str, str], flags: str = ""
) -> tuple[Replacement, ...]:
    """Return everything that replaces committed code.

    Args:
        index: what git keeps.
        directory: the project's folder.
        modules: the folders of its modules.
        environ: git's surroundings, and GOWORK as the build has it.
        flags: GOFLAGS of `builds.env`.

    Raises:
        GitFailed: when git can't tell.
    """
    work = _workspace(directory, environ)
    found = [*_unseen(index, environ), *_flags(index, directory, flags)]
    files = [folder / "go.mod" for folder in modules]
    if work:
        files.append(work)
    vendored = [work.parent] if work else list(modules)
    for file in files:
        found += _module_file(index, file)
    for folder in vendored:
        found += _vendored(index, folder / "vendor")
    return tuple(dict.fromkeys([*found, *_links(index)]))


def _workspace(directory: Path, environ: Mapping[str, str]) -> Path | None:
    named = environ.get("GOWORK", "")
    if named not in ("", "auto"):
        return Path(named) if named != "off" else None
    return next((up / "go.work" for up in (directory, *directory.parents) if (up / "go.work").is_file()), None)


def _unseen(index: Index, environ: Mapping[str, str]) -> Iterator[Replacement]:
    for name, how in sorted(indexes.altered(index, environ).items()):
        yield Replacement(
            f"{name} is {how}, and git was told not to look at it (assume-unchanged or skip-worktree)",
            "let git look again:  git update-index --really-refresh --no-assume-unchanged --no-skip-worktree FILE",
        )


def _flags(index: Index, directory: Path, flags: str) -> Iterator[Replacement]:
    words = ldflags.split(flags)
    for place, word in enumerate(words):
        name, equals, value = word.lstrip("-").partition("=")
        value = value if equals else "".join(words[place + 1 : place + 2])
        if name == "overlay":
            yield Replacement(f"-overlay={value} replaces files", "take -overlay out of GOFLAGS in builds.env")
        if name == "modfile" and not index.holds(directory / value):
            yield Replacement(f"-modfile={value} is not committed", f"commit it:  git add -f {value}")


def _module_file(index: Index, file: Path) -> Iterator[Replacement]:
    """Yield what a go.mod or go.work replaces."""
    name = index.name(file)
    if not index.holds(file):
        way = "build without it: remove it, or set GOWORK to off in builds.env"
        yield Replacement(f"{name} is not committed", f"commit it:  git add -f {file.name}" if _in(name) else way)
    for path in targets(_text(file)):
        folder = file.parent / path
        inner = index.name(folder)
        if not _in(inner):
            yield Replacement(
                f"{name}: {path} leads out of the repository",
                "require the module by a version, or move it into the repository",
            )
        elif (folder / "go.mod").is_file() and not index.holds(folder / "go.mod"):
            yield Replacement(f"{name}: {path} is not committed", f"commit the folder:  git add -f {inner}")


def _vendored(index: Index, folder: Path) -> Iterator[Replacement]:
    """Yield what a vendor folder holds that git does not keep; without modules.txt Go does not look at it."""
    if not (folder / "modules.txt").is_file():
        return
    way = "build without it, by the checksums of go.sum:  rm -r vendor  (or commit it whole:  git add -f vendor)"
    if not index.holds(folder / "modules.txt"):
        yield Replacement(f"{index.name(folder)}/ is not committed and stands in place of the modules in go.sum", way)
        return
    for base, _folders, files in os.walk(folder):
        for name in sorted(files):
            path = Path(base, name)
            if indexes.source(name) and not index.holds(path):
                yield Replacement(f"{index.name(path)} is not committed", way)


def _links(index: Index) -> Iterator[Replacement]:
    for name, entry in sorted(index.entries.items()):
        if entry.is_link and indexes.source(name) and not _in(index.name(index.root / name)):
            yield Replacement(f"{name} is a link out of the repository", f"put the file in its place:  git add {name}")


def _in(name: str) -> bool:
    return name != ".." and not name.startswith("../")


def targets(text: str) -> list[str]:
    """Return the local folders that a go.mod or go.work names: of `replace` and of `use` (go.dev/ref/mod)."""
    found: list[str] = []
    block = ""
    for line in text.splitlines():
        words = _words(line)
        if not words:
            continue
        if block:
            block, words = ("", []) if words == [")"] else (block, [block, *words])
        elif words[1:] == ["("]:
            block, words = words[0], []
        if words[:1] == ["use"]:
            found += words[1:2]
        if words[:1] == ["replace"] and "=>" in words:
            (path, *version) = words[words.index("=>") + 1 :] or [""]
            if not version and (path.startswith(("./", "../", "/")) or path in (".", "..")):
                found.append(path)
    return found


def _words(line: str) -> list[str]:
    """Split a line of a module file (golang.org/x/mod/modfile, its lexer)."""
    words: list[str] = []
    for match in _TOKEN.finditer(line):
        if match.group("comment"):
            break
        words.append(match.group("plain") or match.group("quoted") or match.group("raw") or "")
    return words


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
