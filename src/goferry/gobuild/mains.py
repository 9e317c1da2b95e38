"""Main packages: which there are for each target, what their programs are called, what a build can stamp into them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from goferry.artifacts import Toolchain
from goferry.config import model
from goferry.gobuild import (
    _compiler as compiler,
    _golist as golist,
    _gosource as gosource,
    _listed as listed,
    _platforms as platforms,
    _variables as variables,
)
from goferry.gobuild._golist import GoPackage
from goferry.gobuild._positions import Places
from goferry.gobuild.environment import UNINDEXED, GoFailed, tag_flags
from goferry.gobuild.targets import BuildTarget
from goferry.kernel.errors import GoferryError, Misuse
from goferry.system import process

_MAJOR = r"v[0-9]+"
_PROGRAM = r"[A-Za-z0-9_](?:\.?[A-Za-z0-9_+-]){0,99}"
_FIELDS = "Dir,ImportPath,Name,GoFiles,CgoFiles,IgnoredGoFiles,Error"


class MainMissing(Misuse):
    """There is no main package to build for a target.

    Usual causes: the module is a library, or `//go:build` lines or file names (`main_linux.go`) exclude the target.
    """

    name = "main-missing"


class MainUnknown(Misuse):
    """The configuration names a package that is not a main package.

    Usual causes: a typing error in the path (`./cmd/api`), or a package without `func main`.
    """

    name = "main-unknown"


class ProgramNameInvalid(Misuse):
    """A program's name can't be the name of a released file: GitHub would store it under a different name.

    The name is the last element of the package's import path. It may have letters, digits, `_`, `-`, `+` and single
    dots.
    """

    name = "program-name-invalid"


class ProgramCollision(Misuse):
    """Two programs or archives would have the same name.

    Usual causes: folders such as `a/cmd/server` and `b/cmd/server`, or a `builds.binary-name` without `{program}` or
    `{platform}`.
    """

    name = "program-collision"


class MainPackage(Struct, frozen=True):
    """A main package.

    Attributes:
        path: relative to the project's folder, `./cmd/api` or `.`.
        package: its import path. program: the name that go gives its program, without `.exe`.
        targets: the targets that it builds for, spelled `linux/amd64`.
        stamps: which of the variables for version, commit and date (gosource.ROLES) the linker can set.
        variables: variables of other packages that it sets, `example.com/shop/internal/build.Version`, with their role.
        other: which of them exist with another type or a computed value, so that the linker must not be asked.
    """

    path: str
    package: str
    program: str
    targets: tuple[str, ...]
    stamps: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


def find(
    directory: Path,
    toolchain: Toolchain,
    environ: Mapping[str, str],
    *,
    builds: model.Builds,
    targets: Sequence[BuildTarget],
    patterns: Sequence[str],
    found: Mapping[str, Path],
    cache: Path | None = None,
) -> tuple[MainPackage, ...]:
    """Return the main packages to build, by path.

    Args:
        directory: the project's folder.
        toolchain: the go that answers.
        environ: what go commands start from, with `builds.env`.
        builds: the configuration.
        targets: the platforms.
        patterns: the packages to look at.
        found: module path → folder of the project's modules.
        cache: where answers are kept (gobuild.listed); None asks Go each time.

    Raises:
        GoFailed: the go command failed when it was asked about the repository.
        MainMissing: there is no main package to build for a target.
        MainUnknown: the configuration names a package that is not a main package.
        ProgramNameInvalid: a program's name can't be the name of a released file: GitHub would store it under
            a different name.
        ProgramCollision: two programs or archives would have the same name.
    """
    sources = listed.sources(environ, found.values()) if cache else ""

    def ask(target: BuildTarget, patterns: Sequence[str]) -> list[GoPackage]:
        tags = tag_flags(builds)
        words = [str(toolchain.go), "list", "-e", "-find", f"-json={_FIELDS}", *tags, *patterns]
        env = {"CGO_ENABLED": "0", **UNINDEXED, **environ, **target.env}
        key = listed.key(sources, words, env, directory)
        place = listed.place(cache or directory, directory, str(target), words)
        kept = listed.read(place, key)
        if kept is not None:
            return kept
        done = process.run(words, environ=env, cwd=directory)
        if done.code:
            raise _refused(done, directory)
        packages = golist.objects(done.text, GoPackage)
        listed.keep(place, key, packages)
        return packages

    lists = _for_each(targets, ask, patterns, found=found, directory=directory)
    packages: dict[str, MainPackage] = {}
    broken: dict[str, None] = {}
    for target, answer in zip(targets, lists, strict=True):
        for package in answer:
            _note(packages, package, directory, str(target))
            broken |= dict.fromkeys(_complaints(package))
    unread = _unread(broken, directory) if broken else None
    if unread and not builds.mains:
        raise unread
    try:
        chosen = _chosen(packages, builds.mains, directory)
    except MainUnknown as error:
        raise unread or error from None
    _refuse_collisions(chosen)
    for target in targets:
        if not any(str(target) in main.targets for main in chosen):
            raise _missing(target, chosen, list(packages.values()), found)
    symbols = variables.find(lists[0], found)
    return tuple(replace(main, variables=symbols) for main in chosen)


def _complaints(package: GoPackage) -> list[str]:
    """Return what Go says against a package that may be a program; of one that it reads as a library, nothing.

    A package that can't be read has no name, and neither has a pattern that matches nothing.
    """
    error = package.error
    if not error or package.name not in ("", "main"):
        return []
    stderr = error.err.strip()
    return [f"{error.pos}: {stderr}" if error.pos else stderr]


def _unread(broken: Iterable[str], directory: Path) -> GoferryError:
    """Return the error for packages that go can't read: they may be programs, and none is left out in silence."""
    error = _refused(process.Completed(("go", "list"), 1, b"", "\n".join(broken).encode()), directory)
    error.advice += ("if they are not programs, name those that are in goferry.yml:  builds: {mains: [./cmd/NAME]}",)
    return error


def _refused(done: process.Completed, directory: Path) -> GoferryError:
    """Return the named error for a `go list` that failed, in Go's words."""
    places = Places.of(directory)
    error = compiler.failure(done, "", places)
    if not isinstance(error, compiler.CompileFailed):
        return error
    advice = [f"see:  go list {places.chdir}./..."]
    return GoFailed(error.what, state="Nothing was built.", advice=advice, problems=error.facts["problems"])


def _for_each(
    targets: Sequence[BuildTarget],
    listed: Callable[[BuildTarget, Sequence[str]], list[GoPackage]],
    patterns: Sequence[str],
    *,
    found: Mapping[str, Path],
    directory: Path,
) -> list[list[GoPackage]]:
    """Return the packages of each target; of all but the first only those are asked for that may differ."""
    whole, rest = listed(targets[0], patterns), targets[1:]
    odd = platforms.suspects(whole, found) if rest else frozenset[Path]()
    if odd is not None and not odd:
        return [whole] * len(targets)
    if odd is not None:
        patterns = sorted("./" + os.path.relpath(place, directory).replace(os.sep, "/") for place in odd)
    alike = [package for package in whole if odd is not None and Path(package.dir) not in odd]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda target: listed(target, patterns), rest)
        return [whole, *([*alike, *(each for each in answer if not _excluded(each))] for answer in answers)]


def _excluded(package: GoPackage) -> bool:
    """Tell whether all files of a folder that was named are for other platforms."""
    return not package.name and bool(package.ignored_go_files)


def program_of(package: str) -> str:
    """Return the program's name as go chooses it: the import path's last element, or the one before `/vN`."""
    *above, last = package.split("/")
    return above[-1] if above and re.fullmatch(_MAJOR, last) and last not in ("v0", "v1") else last


def nearest(path: str, known: Sequence[str]) -> list[str]:
    """Return advice that names the main package that was probably meant."""
    import difflib

    near = difflib.get_close_matches(path, known, 1, 0.4)
    return [f"did you mean {near[0]}?"] if near else [f"main packages are: {', '.join(known) or 'none'}"]


def spelled(path: str) -> str:
    """Return a package path as `Main.path` spells it: `cmd/api/` is `./cmd/api`, the folder itself `.`."""
    plain = os.path.normpath(path).replace(os.sep, "/")
    return plain if plain == "." or plain.startswith(("/", "../")) else f"./{plain}"


def _note(packages: dict[str, MainPackage], package: GoPackage, directory: Path, target: str) -> None:
    files = package.sources
    if package.name != "main" or not files:
        return
    folder = Path(package.dir)
    path = spelled(os.path.relpath(folder, directory))
    sources = [(folder / file).read_text("utf-8", "replace") for file in files]
    if not gosource.has_main(sources):
        return
    stamps, other = gosource.stamps(sources)
    known = packages.get(path)
    packages[path] = MainPackage(
        path=path,
        package=package.import_path,
        program=program_of(package.import_path),
        targets=(*(known.targets if known else ()), target),
        stamps=tuple(n for n in gosource.STAMPS if n in stamps or (known and n in known.stamps)),
        other=tuple(n for n in gosource.STAMPS if n in other or (known and n in known.other)),
    )


def _chosen(packages: Mapping[str, MainPackage], wanted: Sequence[str], directory: Path) -> list[MainPackage]:
    if not wanted:
        return [packages[path] for path in sorted(packages)]
    by_name = {main.package: path for path, main in packages.items()}
    chosen = []
    for text in wanted:
        path = by_name.get(text, spelled(text))
        if path not in packages:
            raise MainUnknown(
                f"builds.mains names {text!r}, which is not a main package in {directory}",
                state="Nothing was built.",
                advice=nearest(path, sorted(packages)),
            )
        chosen.append(packages[path])
    return list(dict.fromkeys(chosen))


def _refuse_collisions(chosen: Sequence[MainPackage]) -> None:
    seen: dict[str, MainPackage] = {}
    for main in chosen:
        if not re.fullmatch(_PROGRAM, main.program):
            raise ProgramNameInvalid(
                f"{main.path} builds a program named {main.program[:100]!a}, and GitHub would rename its files",
                state="Nothing was built.",
                advice=["rename the folder, with letters, digits, dots, dashes and underscores"],
            )
        first = seen.setdefault(main.program.lower(), main)
        if first is not main:
            raise ProgramCollision(
                f"{first.path} and {main.path} would both build a program named {main.program}",
                state="Nothing was built.",
                advice=[f"choose in goferry.yml:  builds: {{mains: [{first.path}]}}", "or rename one of the folders"],
            )


def _missing(
    target: BuildTarget, chosen: Sequence[MainPackage], all_mains: Sequence[MainPackage], found: Mapping[str, Path]
) -> MainMissing:
    if not all_mains:
        return MainMissing(
            f"no main package in {', '.join(found)}: it is a library",
            state="Nothing was built.",
            advice=["a program needs a folder with `package main` and `func main()`, for example ./cmd/NAME"],
        )
    others = sorted({name for main in chosen for name in main.targets})
    return MainMissing(
        f"no main package builds for {target}",
        state="Nothing was built.",
        advice=[f"they build for {', '.join(others)}", "change builds.targets or --targets"],
    )
