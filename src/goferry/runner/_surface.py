"""Advice where it is read: on a command line, in a step of a job, or by the caller of a reusable workflow.

Errors are raised where nobody knows who will read them, and say what to type on a command line (decision 25). A reader
of a job's log edits a workflow instead: what an option is there, the tables say; the rest of a line stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from goferry.kernel.errors import Advice, GoferryError


class Surface(Enum):
    """Where a message is read."""

    COMMAND_LINE = "command line"
    STEP = "step"
    CALLER = "caller"


CALLED = "GOFERRY_CALLED"
"""The variable that the reusable workflows set for their jobs; its value is the workflow's name."""


@dataclass(frozen=True)
class Twin:
    """What an option of the command line is elsewhere.

    Attributes:
        step: the actions' input. caller: the reusable workflows' input, or `in goferry.yml:  …` in words.
        secret: the secret that both take instead.
    """

    step: str = ""
    caller: str = ""
    secret: str = ""


_HOSTS = "in goferry.yml:  environments: {NAME: {target: ssh, hosts: [HOST]}}"
TWINS = {
    "--accepts": Twin(),
    "--dir": Twin("working-directory", "working-directory"),
    "--environment": Twin("environment", "environment"),
    "--go-version": Twin("go-version", "go-version"),
    "--host": Twin("hosts", _HOSTS),
    "--identity": Twin(secret="GOFERRY_DEPLOY_KEY"),  # noqa: S106  the secret's name
    "--key": Twin(secret="GOFERRY_CACHE_KEY"),  # noqa: S106
    "--known-hosts": Twin("known-hosts", "in the repository:  .goferry/known_hosts"),
    "--main": Twin("main", "in goferry.yml:  image: {main: PACKAGE}"),
    "--minisign-key": Twin(secret="GOFERRY_MINISIGN_KEY"),  # noqa: S106
    "--on-silence": Twin("on-silence"),
    "--only": Twin("only"),
    "--openpgp-key": Twin(secret="GOFERRY_SIGNING_KEY"),  # noqa: S106
    "--out": Twin("out"),
    "--passphrase-file": Twin(secret="GOFERRY_SIGNING_PASSPHRASE"),  # noqa: S106
    "--project": Twin("project", "project"),
    "--sequence": Twin("sequence"),
    "--service": Twin("services", "services"),
    "--shard": Twin("shard"),
    "--tag": Twin("tag"),
    "--targets": Twin("targets", "targets"),
    "--to": Twin("to", "to"),
    "--trust": Twin("trust", "trust"),
    "--version": Twin("version"),
}
"""Options that a message names; one without a twin leaves its line out of a step's log."""
ACTIONS = {
    "build": "cross-compile", "merge": "cross-compile", "image": "build-image", "sign": "sign", "verify": "verify",
    "release": "release", "deploy": "deploy", "rollback": "rollback", "setup-go": "setup-go",
}  # fmt: skip
"""The action that does what a command does."""
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]+)(?: ((?!--)[^\s,;]+))?")
_AGAIN = re.compile(r"\brun (?:the same command|this|it) again\b(?: with GOFERRY_DEBUG=1)?|\btry again(?: later)?\b")
_ELSEWHERE = re.compile(
    r"\s*(git|go|gh|gpg|ssh|ssh-keygen|ssh-add|apt-get|docker|minisign|goferry|systemctl|journalctl|nginx|sudo"
    r"|/usr/local/libexec/goferry-host)\b"
)


def adapt(error: GoferryError, surface: Surface) -> None:
    """Have an error's advice speak to the reader of `surface`; what happened may be in words of others, and stays."""
    error.advice = tuple(dict.fromkeys(told for line in error.advice for told in lines_of(line, surface)))


def lines_of(line: str, surface: Surface) -> list[str]:
    """Return what a line of advice says on a surface; nothing where it has no meaning there."""
    if surface is Surface.COMMAND_LINE:
        return [str(line)]
    own = (line.step if surface is Surface.STEP else line.caller) if isinstance(line, Advice) else None
    if own is not None:
        return [own] if own else []
    words, mark, typed = line.partition(":  ") if ":  " in line else ("", "", line)
    line = line if mark else _AGAIN.sub("run the job again", line)
    if typed.startswith("goferry "):
        return [_elsewhere(words, typed, surface)]
    if typed.startswith("--"):
        return _options(words, typed, surface)
    if mark and _ELSEWHERE.match(typed):
        return [line]
    plain = _inline(line, surface)
    return [] if _OPTION.search(_BACKTICKED.sub("", plain)) else [plain]


_BACKTICKED = re.compile(r"`[^`]*`")


def _elsewhere(words: str, typed: str, surface: Surface) -> str:
    """Return a command as the step that does the same, or as one for a machine of the reader's."""
    action = ACTIONS.get(typed.split()[1])
    before = f"{words}, " if words else ""
    given = _OPTION.findall(typed)
    known = all(TWINS.get(flag, Twin()).step or TWINS.get(flag, Twin()).secret for flag, _ in given)
    if surface is Surface.COMMAND_LINE or not (surface is Surface.STEP and action and known):
        return f"{before}on a machine of yours:  {typed}"
    inputs = [f"{TWINS[flag].step}: {value or 'true'}" for flag, value in given if TWINS[flag].step]
    return f"{before}in a step:  uses: OWNER/goferry/actions/{action}@REF" + _with(inputs)


def _with(inputs: Sequence[str]) -> str:
    return f"  with: {{{', '.join(inputs)}}}" if inputs else ""


def _options(words: str, typed: str, surface: Surface) -> list[str]:
    """Return a line of options as the `with:`, `env:` or `secrets:` of a step or job."""
    inputs: dict[str, str] = {}
    lines: list[str] = []
    for flag, value in _OPTION.findall(typed):
        twin = TWINS.get(flag, Twin())
        name = twin.step if surface is Surface.STEP else twin.caller
        if twin.secret:
            where = "env" if surface is Surface.STEP else "secrets"
            lines.append(f"{words}:  {where}: {{{twin.secret}: '${{{{ secrets.{twin.secret} }}}}'}}")
            lines.append(f"store it:  gh secret set {twin.secret} < FILE")
        elif name.startswith("in "):
            lines.append(f"{words}, {name}")
        elif name:
            inputs[name] = value or "true"
        else:
            return []
    given = ", ".join(f"{name}: {value}" for name, value in inputs.items())
    return ([f"{words}:  with: {{{given}}}"] if given else []) + lines


def _inline(text: str, surface: Surface) -> str:
    """Return text whose options are named as the reader knows them."""

    def named(match: re.Match[str]) -> str:
        twin = TWINS.get(match[1], Twin())
        name = twin.secret or (twin.step if surface is Surface.STEP else twin.caller)
        if not name or name.startswith("in "):
            return match[0]
        return f"`{name}: {match[2]}`" if match[2] and not twin.secret else f"`{name}`"

    return _OPTION.sub(named, text)
