"""Look at a repository without a Go toolchain: modules, main packages, what listens, which tools it uses already.

A cheap scan of source text for `goferry init`; what is built is decided by `go list`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from goferry.config import _listening as listening, _option as option, _routes as routes, gocode
from goferry.config._listening import ListenOption
from goferry.config._paths import Route
from goferry.config._subcommands import Commands, serves
from goferry.config.gocode import Code, Declaration

MAX_FILES = 20_000
MAX_SOURCE = 1 << 20
_SKIPPED = {"vendor", "testdata", "node_modules", "dist"}
_COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_MODULE = re.compile(r'^module\s+"?([^\s"]+)"?', re.MULTILINE)
_PACKAGE_MAIN = re.compile(r"^\s*package\s+main\b", re.MULTILINE)
_FUNC_MAIN = re.compile(r"^func\s+main\s*\(\s*\)", re.MULTILINE)
_OTHER_SYSTEMS = re.compile(
    r"_(?:windows|darwin|freebsd|openbsd|netbsd|dragonfly|plan9|solaris|illumos|aix|js|wasip1|android|ios)(?:_\w+)?\.go"
)
"""Files of systems that services don't run on."""
_CONTRACT = ('"LISTEN_FDS"', '"GOFERRY_CONTROL"')
"""What a service of the app contract asks its environment for, wherever in the code that it reaches."""


@dataclass(frozen=True)
class Main:
    """A main package: its module's and its own folder (`./cmd/api`), and how it listens, when it serves HTTP.

    Attributes:
        socket: it takes its listening socket, which is best: it needs no port, so nobody can take it.
        listen_options: plain ones first. health: its health route; None when none was found.
        root: its route of `/`, as far as it was looked for.
    """

    module: str
    path: str
    serves: bool = False
    socket: bool = False
    listen_options: tuple[ListenOption, ...] = ()
    health: Route | None = None
    root: Route | None = None

    @property
    def listen_option(self) -> ListenOption | None:
        """Return the option that is taken, or None when nothing plain was recognised."""
        return next((each for each in self.listen_options[:1] if not each.doubt), None)

    @property
    def guess(self) -> ListenOption | None:
        """Return the likeliest option where none is plain."""
        if self.socket:
            return None
        return next((each for each in self.listen_options[:1] if each.doubt), None)

    @property
    def listen(self) -> dict[str, str]:
        """Return the service's `listen`, or an empty mapping when nothing was recognised."""
        return {"socket": "true"} if self.socket else listen(self.listen_option)

    @property
    def args(self) -> list[str]:
        """Return the service's `args`: the command that serves, and a flag for the port alone."""
        return [] if self.socket else args(self.listen_option)


def listen(found: ListenOption | None) -> dict[str, str]:
    """Return the `listen` of an option; empty for a flag of the port alone, which is an argument."""
    if found is None or found.kind == listening.PORT_FLAG:
        return {}
    return {found.kind: f"--{found.name}" if found.kind == option.FLAG else found.name}


def args(found: ListenOption | None) -> list[str]:
    """Return the `args` of an option."""
    if found is None:
        return []
    return [*found.args, *([f"--{found.name}={{port}}"] if found.kind == listening.PORT_FLAG else [])]


@dataclass(frozen=True)
class Survey:
    """What lies in a repository; paths are relative to it.

    Attributes:
        modules: folder → module path. mains: sorted by folder. tests: number of `_test.go` files.
        tools: Dockerfile, .goreleaser.yml, Makefile, … that were found. configured: goferry.yml is there.
    """

    modules: dict[str, str]
    mains: tuple[Main, ...]
    tests: int
    tools: tuple[str, ...]
    configured: bool


def survey(directory: Path) -> Survey:
    """Look at the repository in `directory`; reads at most MAX_FILES names and MAX_SOURCE bytes of a file."""
    files = sorted(_files(directory))
    modules = {_folder(name): module(directory / name) for name in files if Path(name).name == "go.mod"}
    packages: dict[str, dict[str, str]] = {}
    for name in files:
        if name.endswith(".go") and not name.endswith("_test.go"):
            packages.setdefault(_folder(name), {})[name] = _source(directory / name)
    folders = {_import_path(folder, modules): folder for folder in packages if _module_of(folder, modules) is not None}
    code = Code(lambda path: _declared(path, packages[folders[path]]), folders)
    mains = (_main(folder, sources, modules, code) for folder, sources in packages.items())
    return Survey(
        modules=modules,
        mains=tuple(sorted((main for main in mains if main), key=lambda main: (main.module, main.path))),
        tests=sum(name.endswith("_test.go") for name in files),
        tools=tuple(name for name in files if _is_tool(name)),
        configured=(directory / "goferry.yml").exists(),
    )


def _files(directory: Path) -> Iterator[str]:
    count = 0
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(each for each in folders if each not in _SKIPPED and not each.startswith((".", "_")))
        for name in names:
            count += 1
            if count > MAX_FILES:
                return
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(directory).as_posix()


def _folder(name: str) -> str:
    return Path(name).parent.as_posix()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SOURCE).decode("utf-8", "replace")
    except OSError:
        return ""


def module(path: Path) -> str:
    """Return the module path that a go.mod says; empty where it can't be read or says none."""
    found = _MODULE.search(_COMMENTS.sub("", _read(path)))
    return found[1] if found else ""


def _source(path: Path) -> str:
    text = _read(path)
    if re.search(r"^//go:build\s+ignore\b", text, re.MULTILINE):
        return ""
    return text


def _main(folder: str, sources: Mapping[str, str], modules: Mapping[str, str], code: Code) -> Main | None:
    text = "\n".join(source for source in sources.values() if _PACKAGE_MAIN.search(source))
    home = _module_of(folder, modules) if _FUNC_MAIN.search(text) else None
    if home is None:
        return None
    inner = Path(folder).relative_to(home).as_posix()
    path = "." if inner == "." else f"./{inner}"
    program = code.program(_import_path(folder, modules))
    socket = all(any(name in each.text for each in program.reached) for name in _CONTRACT)
    if not socket and not any(serves(each, program) for each in program.reached):
        return Main(home, path)
    health = routes.health(program)
    return Main(
        home,
        path,
        serves=True,
        socket=socket,
        listen_options=listening.listen_options(program, Commands(program), _own_words(modules[home], inner)),
        health=health,
        root=None if health else routes.root(program),
    )


def _own_words(module: str, folder: str) -> frozenset[str]:
    """Return the words that mean the program itself: those of its folder's and its module's name."""
    names = [part for part in (*module.split("/")[-2:], folder.rpartition("/")[2]) if part != "."]
    return frozenset(word for name in names for word in (*listening.words(name), re.sub(r"\W", "", name).lower()))


def _declared(package: str, sources: Mapping[str, str]) -> Iterator[Declaration]:
    """Yield what a package declares for Linux; of a folder with a main package, what that one does."""
    main = any(_FUNC_MAIN.search(source) and _PACKAGE_MAIN.search(source) for source in sources.values())
    for name, source in sources.items():
        if not _OTHER_SYSTEMS.search(name) and (not main or _PACKAGE_MAIN.search(source)):
            yield from gocode.declarations(source, name, package)


def _import_path(folder: str, modules: Mapping[str, str]) -> str:
    """Return the path by which a package of a folder is imported; empty where no module holds it."""
    home = _module_of(folder, modules)
    inside = "" if home is None else Path(folder).relative_to(home).as_posix()
    return "" if home is None else "/".join(part for part in (modules[home], inside) if part not in ("", "."))


def _module_of(folder: str, modules: Mapping[str, str]) -> str | None:
    """Return the innermost module's folder that holds `folder`."""
    holding = [home for home in modules if home == "." or Path(folder).is_relative_to(home)]
    return max(holding, key=lambda home: 0 if home == "." else len(Path(home).parts), default=None)


def _is_tool(name: str) -> bool:
    return name in {"Dockerfile", "Makefile", "go.work"} or bool(re.fullmatch(r"\.?goreleaser\.ya?ml", name))
