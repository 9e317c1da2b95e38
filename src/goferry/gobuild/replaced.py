"""What stands in place of committed code without a trace in the commit: a release is refused for it.

A release says which commit it was built of, and whoever reads that commit should read what runs. Files that are only
added, such as a front end that another tool generated, are listed instead (gobuild.uncommitted).
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote

import msgspec
from msgspec import Struct

from goferry.gobuild import _index as indexes, _ldflags as ldflags
from goferry.gobuild._index import PackageIndex
from goferry.kernel.errors import Refused, printable

_SHOWN = 10
_VENDORED, _WORK_VENDORED = 14, 22
"""The minor version of Go from which a `go` line on a vendor folder counts unasked: of a go.mod, of a go.work."""
_LOOKED_AT = 10_000
"""Entries of a folder outside of the repository that are looked at for source files."""
_WORD = (
    r"""(?P<comment>//.*)|"(?P<quoted>(?:\\.|[^"\\])*)"|`(?P<raw>[^`]*)`|"""
    r"""(?P<plain>[(){}\[\],]|(?:(?!//)[^\s(){}\[\],"`])+)"""
)


class CodeReplaced(Refused):
    """The build would use code that is not in the commit in place of code that is, and the release would not show it.

    Usual causes: a go.work or a vendor folder that git ignores, a `replace` or a link that leads out of the repository,
    files of `-overlay`, `-modfile`, `-toolexec` or `-pgo` in GOFLAGS, a submodule that is not checked out and holds
    files, files at which git was told not to look, line ends that `core.autocrlf` changed, or content of Git LFS
    that was not fetched (`lfs: true` of actions/checkout).
    """

    name = "code-replaced"


class Replacement(Struct, frozen=True):
    """One such thing: `what` it is with its path, and the `remedy`, a command where there is one."""

    what: str
    remedy: str


def demand(found: Sequence[Replacement], *, snapshot: bool) -> None:
    """Refuse a release for replacements; a snapshot may have them.

    Raises:
        CodeReplaced: naming each and its remedy.
    """
    if snapshot or not found:
        return
    shown = [printable(each.what, 300) for each in found[:_SHOWN]]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    raise CodeReplaced(
        "\n".join(["the commit does not show what would be built:", *(f"  {line}" for line in shown + more)]),
        state="Nothing was built.",
        advice=[
            *dict.fromkeys(printable(each.remedy, 300) for each in found),
            "or build a snapshot: off the tag's commit",
        ],
        files=[each.what for each in found],
    )


def find(
    index: PackageIndex, directory: Path, modules: Sequence[Path], environ: Mapping[str, str], flags: str = ""
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
    given = options(flags)
    found = [*_unseen(index, environ), *_submodules(index), *_flags(index, directory, given)]
    if work:
        used = (work.parent / path / "go.mod" for path in targets(_text(work), ("use",)))
        files = [work, *(file for file in used if file.is_file() and _in(index.name(file)))]
        vendored = [work.parent]
    else:
        files, vendored = [folder / "go.mod" for folder in modules], list(modules)
    copied = _copied(work or files[0], given.mod or "") if work or files else False
    for file in files:
        found += _module_file(index, file, copied=copied)
    if not work and given.modfile and not copied:
        found += _targets(index, directory / given.modfile, directory)
    if given.mod in (None, "vendor"):  # without the flag Go decides, and may take the vendor folder
        for folder in vendored:
            found += _vendored(index, folder / "vendor")
    return tuple(dict.fromkeys([*found, *_links(index)]))


class GoFlags(Struct, frozen=True):
    """The flags of GOFLAGS by which Go reads other files (`go help build`); None where one is not there."""

    mod: str | None = None
    modfile: str = ""
    overlay: str | None = None
    toolexec: str = ""
    pgo: str = "auto"

    @property
    def profile(self) -> str:
        """The profile that is named, if any; by itself Go takes the default.pgo beside a main package."""
        return "" if self.pgo in ("", "auto", "off") else self.pgo


def options(flags: str) -> GoFlags:
    """Return what GOFLAGS says of them."""
    words = ldflags.split(flags)
    found: dict[str, str] = {}
    for place, word in enumerate(words):
        name, equals, value = word.lstrip("-").partition("=")
        found[name] = value if equals else "".join(words[place + 1 : place + 2])
    return msgspec.convert(found, GoFlags)


def _copied(file: Path, mode: str) -> bool:
    """Tell whether Go takes modules from the vendor folder beside a go.mod or go.work, and replaced ones too."""
    if mode or not (file.parent / "vendor" / "modules.txt").is_file():
        return mode == "vendor"
    go_line = re.search(r"(?m)^go\s+1\.(\d+)", _text(file))
    return go_line is not None and int(go_line[1]) >= (_WORK_VENDORED if file.name == "go.work" else _VENDORED)


def _workspace(directory: Path, environ: Mapping[str, str]) -> Path | None:
    named = environ.get("GOWORK", "")
    if named not in ("", "auto"):
        return Path(named) if named != "off" else None
    return next((up / "go.work" for up in (directory, *directory.parents) if (up / "go.work").is_file()), None)


def _unseen(index: PackageIndex, environ: Mapping[str, str]) -> Iterator[Replacement]:
    for name, how in sorted(indexes.altered(index, environ).items()):
        yield Replacement(
            f"{name} is {how}, and git was told not to look at it (assume-unchanged or skip-worktree)",
            "let git look again:  git update-index --really-refresh --no-assume-unchanged --no-skip-worktree FILE",
        )


def _submodules(index: PackageIndex) -> Iterator[Replacement]:
    for name in indexes.filled(index):
        yield Replacement(
            f"{name}/ is a submodule that is not checked out, and holds files of its own",
            f"check it out:  rm -r {quote(name)} && git submodule update --init {quote(name)}",
        )


def _flags(index: PackageIndex, directory: Path, given: GoFlags) -> Iterator[Replacement]:
    if given.overlay is not None:
        yield Replacement(f"-overlay={given.overlay} replaces files", "take -overlay out of GOFLAGS in builds.env")
    tool = " ".join(ldflags.split(given.toolexec)[:1])
    files = {
        "modfile": given.modfile,
        "toolexec": tool if "/" in tool else "",
        "pgo": _profile(index, directory, given),
    }
    for name, value in files.items():
        if value and not index.holds(directory / value):
            yield Replacement(f"-{name}={value} is not committed", f"commit it:  git add -f {quote(value)}")


def _profile(index: PackageIndex, directory: Path, given: GoFlags) -> str:
    """Return a profile out of the repository; one that is in it and not committed is only added."""
    value = given.profile
    return "" if not value or _in(index.name(directory / value)) else value


def _module_file(index: PackageIndex, file: Path, *, copied: bool) -> Iterator[Replacement]:
    """Yield what a go.mod or go.work replaces; where Go takes `copied` modules, it looks at those in their stead."""
    name = index.name(file)
    if not index.holds(file):
        remedy = "build without it: remove it, or set GOWORK to off in builds.env"
        yield Replacement(f"{name} is not committed", f"commit it:  git add -f {file.name}" if _in(name) else remedy)
    yield from _targets(index, file, file.parent, ("use",) if copied else ("use", "replace"))


def _targets(index: PackageIndex, file: Path, base: Path, kinds: Sequence[str] = ("replace",)) -> Iterator[Replacement]:
    name = index.name(file)
    for path in targets(_text(file), kinds):
        folder = base / path
        inner = index.name(folder)
        if not _in(inner):
            yield Replacement(
                f"{name}: {path} leads out of the repository",
                "require the module by a version, or move it into the repository",
            )
        elif (folder / "go.mod").is_file() and not index.holds(folder / "go.mod"):
            yield Replacement(f"{name}: {path} is not committed", f"commit the folder:  git add -f {quote(inner)}")


def _vendored(index: PackageIndex, folder: Path) -> Iterator[Replacement]:
    """Yield what a vendor folder holds that git does not keep; without modules.txt Go does not look at it."""
    if not (folder / "modules.txt").is_file():
        return
    remedy = "build without it, by the checksums of go.sum:  rm -r vendor  (or commit it whole:  git add -f vendor)"
    if not index.holds(folder / "modules.txt"):
        yield Replacement(
            f"{index.name(folder)}/ is not committed and stands in place of the modules in go.sum", remedy
        )
        return
    for base, _folders, files in os.walk(folder):
        for name in sorted(files):
            path = Path(base, name)
            if indexes.source(name) and not index.holds(path):
                yield Replacement(f"{index.name(path)} is not committed", remedy)


def _links(index: PackageIndex) -> Iterator[Replacement]:
    """Yield links to source outside; `testdata` and what begins with a dot or `_` Go leaves out of its patterns."""
    for name, entry in sorted(index.entries.items()):
        if not entry.is_link or _in(index.name(index.root / name)) or _passed_over(name):
            continue
        kind = "file" if indexes.source(name) else "folder"
        if kind == "file" or _has_source(index.root / name):
            what = "a link" if kind == "file" else "a link to a folder"
            yield Replacement(
                f"{name} is {what} out of the repository", f"put the {kind} in its place:  git add {quote(name)}"
            )


def _passed_over(name: str) -> bool:
    return any(part == "testdata" or part.startswith((".", "_")) for part in name.split("/"))


def _has_source(folder: Path) -> bool:
    """Tell whether a folder holds a file that a build may read; of one too large to look through, that it does."""
    seen = 0
    for _base, folders, files in os.walk(folder):
        seen += len(folders) + len(files)
        if seen > _LOOKED_AT or any(indexes.source(name) for name in files):
            return True
    return False


def _in(name: str) -> bool:
    return name != ".." and not name.startswith("../")


def targets(text: str, kinds: Sequence[str] = ("use", "replace")) -> list[str]:
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
        if words[:1] == ["use"] and "use" in kinds:
            found += words[1:2]
        if words[:1] == ["replace"] and "replace" in kinds and "=>" in words:
            (path, *version) = words[words.index("=>") + 1 :] or [""]
            if not version and (path.startswith(("./", "../", "/")) or path in (".", "..")):
                found.append(path)
    return found


def _words(line: str) -> list[str]:
    """Split a line of a module file (golang.org/x/mod/modfile, its lexer)."""
    words: list[str] = []
    for match in re.finditer(_WORD, line):
        if match.group("comment"):
            break
        words.append(match.group("plain") or _unquoted(match.group("quoted") or "") or match.group("raw") or "")
    return words


def _unquoted(text: str) -> str:
    """Read the escapes of a Go string, which are Python's too; what is not a string is left to Go to refuse."""
    try:
        return str(ast.literal_eval(f'"{text}"')) if "\\" in text else text
    except (SyntaxError, ValueError):
        return text


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
