"""Look at a repository without a Go toolchain: modules, main packages, what listens, which tools it uses already.

A cheap scan of source text for `goferry init`; what is built is decided by `go list`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_FILES = 20_000
MAX_SOURCE = 1 << 20
_SKIPPED = {"vendor", "testdata", "node_modules", "dist"}
_COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_MODULE = re.compile(r'^module\s+"?([^\s"]+)"?', re.MULTILINE)
_PACKAGE_MAIN = re.compile(r"^\s*package\s+main\b", re.MULTILINE)
_FUNC_MAIN = re.compile(r"^func\s+main\s*\(\s*\)", re.MULTILINE)
_SERVES = re.compile(r"\.(?:ListenAndServe(?:TLS)?|Serve(?:TLS)?)\(")
_ENV = re.compile(r'\bos\.(?:Getenv|LookupEnv)\(\s*"([A-Z][A-Z0-9_]*)"')
_FLAG = re.compile(r'\bflag\.String(?:Var)?\(\s*(?:&[\w.]+\s*,\s*)?"([A-Za-z][A-Za-z0-9._-]*)"')
_ADDRESS = re.compile(
    r"(?:^|[_.-])(?:addr|address|listen|bind)(?:$|[_.-])|^(?:listen_?addr|http_?addr|bind_?addr)$", re.IGNORECASE
)
_FLAG_OF_PORT = re.compile(r'\bflag\.(?:Int|Uint|String)(?:Var)?\(\s*(?:&[\w.]+\s*,\s*)?"([A-Za-z][A-Za-z0-9._-]*)"')
_PORT = re.compile(r"(?:(?:http|server|app|web|api|listen|service|bind)[_.-]?)?port", re.IGNORECASE)
"""Whole names: those of other services' ports (DB_PORT, SMTP_PORT) are not ours."""
_HEALTH = re.compile(
    r'"(?:[A-Z]+ )?((?:/[a-z0-9_-]+)?/_?'
    r'(?:health(?:z|y|-?check)?|alive|live(?:z|ness)?|ready(?:z|ness)?|ping|status|up))"'
)


_IMPORT = re.compile(r'^\s*(?:import\s+)?(?:[\w.]+\s+)?"([^"\s]+)"\s*$', re.MULTILINE)
_CONTRACT = ('"LISTEN_FDS"', '"GOFERRY_CONTROL"')
"""What a service of the app contract asks its environment for, in its main package or in one that this imports."""


@dataclass(frozen=True)
class Main:
    """A main package: its module's and its own folder (`./cmd/api`), and how it listens, when it serves HTTP.

    `socket` says that it takes its listening socket, which is best: it needs no port, so nobody can take it.
    """

    module: str
    path: str
    serves: bool = False
    env: str = ""
    flag: str = ""
    health: str = ""
    socket: bool = False
    port_env: str = ""
    port_flag: str = ""

    @property
    def listen(self) -> dict[str, str]:
        """Return the service's `listen`, or an empty mapping when nothing was recognised."""
        if self.socket:
            return {"socket": "true"}
        ways = {"env": self.env, "flag": self.flag and f"--{self.flag}", "port-env": self.port_env}
        return next(({key: value} for key, value in ways.items() if value), {})

    @property
    def args(self) -> list[str]:
        """Return the service's `args` where a flag for the port alone is all that was recognised."""
        return [f"--{self.port_flag}={{port}}"] if self.port_flag and not self.listen else []


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
    modules = {_folder(name): _module(directory / name) for name in files if Path(name).name == "go.mod"}
    packages: dict[str, list[str]] = {}
    for name in files:
        if name.endswith(".go") and not name.endswith("_test.go"):
            packages.setdefault(_folder(name), []).append(_source(directory / name))
    imports = {_import_path(folder, modules): "\n".join(sources) for folder, sources in packages.items()}
    mains = (_main(folder, sources, modules, imports) for folder, sources in packages.items())
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


def _module(path: Path) -> str:
    found = _MODULE.search(_COMMENTS.sub("", _read(path)))
    return found[1] if found else ""


def _source(path: Path) -> str:
    text = _read(path)
    if re.search(r"^//go:build\s+ignore\b", text, re.MULTILINE):
        return ""
    return re.sub(r"^\s*//[^\n]*", "", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL), flags=re.MULTILINE)


def _main(folder: str, sources: list[str], modules: dict[str, str], imports: dict[str, str]) -> Main | None:
    text = "\n".join(source for source in sources if _PACKAGE_MAIN.search(source))
    if not _FUNC_MAIN.search(text):
        return None
    home = _module_of(folder, modules)
    if home is None:
        return None
    inner = Path(folder).relative_to(home).as_posix()
    path = "." if inner == "." else f"./{inner}"
    near = "\n".join((text, *(imports.get(name, "") for name in _IMPORT.findall(text))))
    socket = all(name in near for name in _CONTRACT)
    if not socket and ('"net/http"' not in text or not _SERVES.search(text)):
        return Main(home, path)
    health = _HEALTH.search(near if socket else text)
    ways = {
        "env": _first(_ENV, text, _ADDRESS.search),
        "flag": _first(_FLAG, text, _ADDRESS.search),
        "port_env": _first(_ENV, text, _PORT.fullmatch),
        "port_flag": _first(_FLAG_OF_PORT, text, _PORT.fullmatch),
    }
    return Main(home, path, serves=True, **ways, health=health[1] if health else "", socket=socket)


def _import_path(folder: str, modules: dict[str, str]) -> str:
    """Return the path by which a package of a folder is imported; empty where no module holds it."""
    home = _module_of(folder, modules)
    inside = "" if home is None else Path(folder).relative_to(home).as_posix()
    return "" if home is None else "/".join(part for part in (modules[home], inside) if part not in ("", "."))


def _module_of(folder: str, modules: dict[str, str]) -> str | None:
    """Return the innermost module's folder that holds `folder`."""
    holding = [home for home in modules if home == "." or Path(folder).is_relative_to(home)]
    return max(holding, key=lambda home: 0 if home == "." else len(Path(home).parts), default=None)


def _first(pattern: re.Pattern[str], text: str, wanted: Callable[[str], object]) -> str:
    """Return the first name that looks like that of an address, or of a port."""
    return next((name for name in pattern.findall(text) if wanted(name)), "")


def _is_tool(name: str) -> bool:
    return name in {"Dockerfile", "Makefile", "go.work"} or bool(re.fullmatch(r"\.?goreleaser\.ya?ml", name))
