"""Write the first goferry.yml, as short as it can be: nothing at all where nothing is needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from goferry.config.survey import Main, Survey
from goferry.kernel.errors import Misuse


class NoModule(Misuse):
    """The folder holds no Go module: there is no go.mod in it or below.

    It usually is another folder than the one meant, or a project that `go mod init` was not run in.
    """

    name = "no-module"


def proposal(survey: Survey) -> str:
    """Return the file's text, or an empty string when none is needed; pure.

    A service is named only where a main package serves HTTP and the variable or flag of its address was recognised.

    Raises:
        NoModule: when there is no go.mod.
    """
    if not survey.modules:
        raise NoModule("there is no go.mod in this folder or below", advice=["make one:  go mod init example.com/name"])
    served = [main for main in survey.mains if main.serves and (main.listen or main.args)]
    if survey.configured or not served:
        return ""
    if {main.module for main in served} == {"."}:
        return _services(served, survey, "")
    homes = sorted({main.module for main in survey.mains})
    lines = ["projects:\n"]
    for home in homes:
        inner = [main for main in served if main.module == home]
        lines += [f"  {service_name(survey.modules[home])}:\n", f"    dir: {home}\n"]
        lines += [_services(inner, survey, "    ")] if inner else []
    return "".join(lines)


def _services(mains: list[Main], survey: Survey, indent: str) -> str:
    return f"{indent}services:\n" + "".join(f"{indent}  {_service(main, survey)}\n" for main in mains)


def _service(main: Main, survey: Survey) -> str:
    name = service_name(survey.modules[main.module] if main.path == "." else main.path)
    ways = [f"listen: {{{kind}: {value}}}" for kind, value in main.listen.items()]
    told = ways[0] if ways else f'args: ["{main.args[0]}"]'
    health = f", health: {main.health}" if main.health not in {"", "/healthz"} else ""
    return f"{name}: {{main: {main.path}, {told}{health}}}"


def service_name(path: str) -> str:
    """Return a name that goferry.yml accepts: the last element that is not a major version."""
    parts = [part for part in path.split("/") if not re.fullmatch(r"v[0-9]+|\.", part)] or ["service"]
    plain = re.sub(r"[^a-z0-9-]+", "-", parts[-1].lower()).strip("-")
    return (plain if plain[:1].isalpha() else f"service-{plain}".rstrip("-"))[:63]


def example(survey: Survey) -> list[str]:
    """Return what a person writes to deploy a main whose address was not recognised; empty where nothing is to be said.

    A main of the module at the top stands in it before those of other modules, then one that serves HTTP.
    """
    main = _shown(survey)
    if main is None or survey.configured or proposal(survey):
        return []
    name = service_name(survey.modules[main.module] if main.path == "." else main.path)
    line = f"services: {{{name}: {{main: {main.path}, listen: {{env: ADDR}}}}}}"
    return [f"{line}   # or {{port-env: PORT}}, or {{flag: --listen}}"]


def _shown(survey: Survey) -> Main | None:
    return min(survey.mains, key=lambda main: (main.module != ".", not main.serves), default=None)


def home(survey: Survey) -> str:
    """Return the folder that `--dir` names where the top can't be built: that of a main, else of the first module.

    Empty where the top can be built: it has a go.mod, a go.work, or a goferry.yml that names projects.
    """
    if "." in survey.modules or "go.work" in survey.tools or survey.configured or proposal(survey):
        return ""
    main = _shown(survey)
    return main.module if main else next(iter(survey.modules))


def write(directory: Path, text: str) -> Path:
    """Write goferry.yml; never over one that is there.

    Raises:
        FileExistsError: when it is there.
    """
    path = directory / "goferry.yml"
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return path


def ignore(directory: Path, *, dry_run: bool = False) -> bool:
    """Add `/dist/` to the .gitignore of a git work tree unless a line there says so already; return whether it did."""
    if not any((folder / ".git").exists() for folder in (directory.resolve(), *directory.resolve().parents)):
        return False
    path = directory / ".gitignore"
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return False
    text = path.read_text("utf-8", "surrogateescape") if path.exists() else ""
    if {"dist", "dist/", "/dist", "/dist/"} & set(text.split()):
        return False
    if not dry_run:
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if text and not text.endswith("\n") else "") + "/dist/\n")
    return True


def found(survey: Survey) -> list[str]:
    """Return what was found, a line each, for a person."""
    lines = [f"module {name or '(unnamed)'} in {folder}" for folder, name in survey.modules.items()]
    lines += [f"main {main.path} in {main.module}{_how(main)}" for main in survey.mains]
    lines.append(f"{survey.tests} test files" if survey.tests != 1 else "1 test file")
    return [*lines, *(f"{tool} is left as it is" for tool in survey.tools)]


def _how(main: Main) -> str:
    if not main.serves:
        return ""
    ways = {
        "env": f"address from {main.env}",
        "flag": f"address from --{main.flag}",
        "port-env": f"port from {main.port_env}",
        "args": f"port from --{main.port_flag}",
        "socket": "takes its listening socket, so it needs no port",
    }
    health = (
        f"health at {main.health}" if main.health else "no health path recognised: /healthz is asked, else say health:"
    )
    return (
        ", serves HTTP, "
        + ways.get(next(iter(main.listen), "args" if main.args else ""), "address not recognised")
        + f", {health}"
    )


def as_json(survey: Survey, text: str) -> dict[str, Any]:
    """Return the record of `--json`."""
    return {
        "modules": survey.modules,
        "mains": [
            {"module": main.module, "path": main.path, "serves": main.serves, "listen": main.listen, "args": main.args}
            for main in survey.mains
        ],
        "tests": survey.tests,
        "tools": list(survey.tools),
        "configured": survey.configured,
        "text": text,
    }
