"""Write the first goferry.yml, as short as it can be: nothing at all where nothing is needed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from goferry.config import _listening as listening, _option as option, aside, model
from goferry.config._modulepath import last_name
from goferry.config._paths import Route
from goferry.config.survey import Main, Survey, args, listen
from goferry.kernel.errors import Misuse, printable

DEFAULT = model.Service(main=".").health
"""The health path that is asked where none is named."""


class NoModule(Misuse):
    """The folder has no Go module: there is no go.mod in it or below.

    Usual causes: the wrong folder, or a project in which `go mod init` was not run.
    """

    name = "no-module"


def proposal(survey: Survey, versions: Mapping[str, str] | None = None, outer: str = "") -> str:
    """Return the file's text, or an empty string when none is needed; pure.

    A service is named only where a main package serves HTTP and the variable or flag of its address was recognised.
    What is a guess stands there as a comment, with its reason.

    Args:
        survey: what was found.
        versions: folder of a module → the lines about its tags.
        outer: the folder above whose module this one is a part of, as a person types it.

    Raises:
        NoModule: when there is no go.mod.
    """
    if not survey.modules and outer:
        raise NoModule(
            f"this folder is a part of the module in {outer}",
            advice=[f"look at the whole module:  goferry init --dir {shlex.quote(outer)}"],
        )
    if not survey.modules:
        raise NoModule("there is no go.mod in this folder or below", advice=["make one:  go mod init example.com/name"])
    if survey.configured:
        return ""
    versions = versions or {}
    served = [main for main in survey.mains if main.serves and (main.listen or main.args or main.guess)]
    if not names_services(survey):
        place = home(survey) or "."
        guesses = _services([main for main in served if main.module == place], survey, "")
        return versions.get(place, "") + "".join(f"# {line}\n" for line in guesses.splitlines())
    if {main.module for main in served} == {"."}:
        return versions.get(".", "") + _services(served, survey, "")
    lines = ["projects:\n"]
    for folder in sorted({main.module for main in survey.mains}):
        inner = [main for main in served if main.module == folder]
        lines += [f"  {service_name(survey.modules[folder])}:\n", f"    dir: {_scalar(folder)}\n"]
        lines += [f"    {line}\n" for line in versions.get(folder, "").splitlines()]
        lines += [_services(inner, survey, "    ")]
    return "".join(lines)


def names_services(survey: Survey) -> bool:
    """Whether there is a main package of which it is plain how to say where it listens."""
    return any(main.serves and (main.listen or main.args) for main in survey.mains)


def _services(mains: list[Main], survey: Survey, indent: str) -> str:
    """Return the lines of `services:`; those of guesses are comments where others are not."""
    if not mains:
        return ""
    guesses = all(main.guess for main in mains)
    lines = [f"{indent}{'# ' if guesses and indent else ''}services:\n"]
    for main, name in zip(mains, _names(mains, survey), strict=True):
        before = f"{indent}  " if not main.guess or (guesses and not indent) else f"{indent}  # "
        lines += [f"{before}{line}\n" for line in _service(main, name)]
    return "".join(lines)


def _service(main: Main, name: str) -> list[str]:
    """Return the lines of a service: one, and more where something about it is not plain."""
    guess = main.guess
    pairs = [f"main: {_scalar(main.path)}"]
    pairs += [f"listen: {{{kind}: {value}}}" for kind, value in (listen(guess) if guess else main.listen).items()]
    words = args(guess) if guess else main.args
    pairs += [f"args: [{', '.join(json.dumps(word) for word in words)}]"] if words else []
    reason = f"   # a guess: {_comment(guess.doubt)} ({_comment(guess.where)})" if guess else ""
    health = main.health
    if health and health.doubt:
        why = f"a guess, so {DEFAULT} is asked: {_comment(health.doubt)} ({_comment(health.where)})"
        return [f"{name}:{reason}", *(f"  {pair}" for pair in pairs), f"  # health: {health.path}   # {why}"]
    if health:
        pairs += [f"health: {health.path}"] if health.path != DEFAULT else []
        return [f"{name}: {{{', '.join(pairs)}}}{reason}"]
    if main.socket:  # its contract says where it reports its health
        return [f"{name}: {{{', '.join(pairs)}}}"]
    found = f"# no health path was recognised, so {DEFAULT} is asked; else add  {_other(main.root)}"
    return [f"{name}: {{{', '.join(pairs)}}}{reason}", found]


def _other(root: Route | None) -> str:
    """Return what a person writes where no health path was recognised; a catch-all says nothing of health."""
    if root is None:
        return "health: /PATH"
    if root.all:
        return f"health: /PATH   # not / ({_comment(root.where)}): it takes every path that no other route does"
    return f"health: /   # a route ({_comment(root.where)})"


def _scalar(text: str) -> str:
    """Return a path as YAML takes it."""
    return text if re.fullmatch(r"[A-Za-z0-9_./-]+", text) else json.dumps(text)


def _comment(text: str) -> str:
    """Return text of the repository's source as a part of a comment: one line."""
    return " ".join(printable(text, 200).split())


def _name(main: Main, survey: Survey) -> str:
    """Return a service's name: its folder's, or the module's where that says nothing."""
    plain = main.path == "." or main.path.removeprefix("./") in aside.PLAIN
    return service_name(survey.modules[main.module] if plain else main.path)


def _names(mains: list[Main], survey: Survey) -> list[str]:
    """Return the services' names, each once: where two are alike, with the folder before that says more."""
    plain = [_name(main, survey) for main in mains]
    names: list[str] = []
    for main, name in zip(mains, plain, strict=True):
        above = [part for part in main.path.split("/")[:-1] if part not in (".", *aside.PLAIN)]
        wanted = service_name(f"{above[-1]}-{name}") if plain.count(name) > 1 and above else name
        numbers = (f"{wanted[:60]}-{number}" for number in range(2, len(mains) + 2))
        names.append(wanted if wanted not in names else next(each for each in numbers if each not in names))
    return names


def service_name(path: str) -> str:
    """Return a name that goferry.yml accepts: the last element that is not a major version."""
    plain = re.sub(r"[^a-z0-9-]+", "-", (last_name(path) or "service").lower()).strip("-")
    return (plain if plain[:1].isalpha() else f"service-{plain}".rstrip("-"))[:63]


def example(survey: Survey) -> list[str]:
    """Return what a person writes to deploy a main whose address was not recognised; empty where nothing is to be said.

    A main of the module at the top stands in it before those of other modules, then one that serves HTTP.
    """
    main = _shown(survey)
    if main is None or survey.configured or names_services(survey):
        return []
    name = _name(main, survey)
    line = f"services: {{{name}: {{main: {_scalar(main.path)}, listen: {{env: ADDR}}}}}}"
    return [f"{line}   # or {{port-env: PORT}}, or {{flag: --listen}}"]


def _shown(survey: Survey) -> Main | None:
    return min(survey.mains, key=lambda main: (main.module != ".", not main.serves), default=None)


def home(survey: Survey) -> str:
    """Return the folder that `--dir` names where the top can't be built: that of a main, else of the first module.

    Empty where the top can be built: it has a go.mod, a go.work, or a goferry.yml that names projects.
    """
    if "." in survey.modules or "go.work" in survey.tools or survey.configured or names_services(survey):
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


def found(survey: Survey) -> list[str]:
    """Return what was found, a line each, for a person."""
    lines = [f"module {name or '(unnamed)'} in {folder}" for folder, name in survey.modules.items()]
    lines += [f"main {main.path} in {main.module}{_how(main)}" for main in survey.mains]
    lines.append(f"{survey.tests} test files" if survey.tests != 1 else "1 test file")
    return [*lines, *(f"{tool} is left as it is" for tool in survey.tools)]


def notes(survey: Survey) -> list[str]:
    """Return what to say of the main packages that a build takes where goferry.yml is not there to choose."""
    if survey.configured:
        return []
    several = len({main.module for main in survey.mains if main.serves}) > 1
    built = list(survey.modules) if several else [home(survey) or "."]
    return [
        note
        for folder in built
        for note in aside.notes(
            [main.path for main in survey.mains if main.module == folder], survey.modules.get(folder, "")
        )
    ]


def _how(main: Main) -> str:
    return f", serves HTTP{how_it_listens(main)}" if main.serves else ""


def how_it_listens(main: Main) -> str:
    """Return how a main that serves is told where to listen, and where it reports its health."""
    texts = {
        option.ENV: "address from {name}",
        option.FLAG: "address from --{name}",
        listening.PORT_ENV: "port from {name}",
        listening.PORT_FLAG: "port from --{name}",
    }
    found = main.listen_option or main.guess
    place = texts[found.kind].format(name=found.name) if found else "address not recognised"
    place += f" (a guess: {_comment(found.doubt)})" if found and found.doubt else ""
    place = "takes its listening socket, so it needs no port" if main.socket else place
    contract = main.socket and main.health is None
    return f", {place}, {f'health at {DEFAULT} by its contract' if contract else _health(main.health)}"


def _health(health: Route | None) -> str:
    if health is None:
        return f"no health path recognised: {DEFAULT} is asked, else say health:"
    guess = f" (a guess: {_comment(health.doubt)}, {_comment(health.where)})" if health.doubt else ""
    return f"health at {health.path}{guess}"


def as_json(survey: Survey, text: str) -> dict[str, object]:
    """Return the record of `--json`."""
    return {
        "modules": survey.modules,
        "mains": [
            {
                "module": main.module,
                "path": main.path,
                "serves": main.serves,
                "listen": main.listen,
                "args": main.args,
                "guess": {} if main.guess is None else asdict(main.guess),
                "health": None if main.health is None else asdict(main.health),
            }
            for main in survey.mains
        ],
        "tests": survey.tests,
        "tools": list(survey.tools),
        "configured": survey.configured,
        "text": text,
    }
