"""Templates in goferry.yml: `{version}` and the like in flags, environment, file names and labels.

    -X example.com/shop/config.Release={version}      a field
    {{version}}                                       the text {version}

Anything else in braces stays as it is, so that JSON in a value needs no care.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from goferry.kernel.errors import Misuse, printable
from goferry.kernel.times import parse_time

T = TypeVar("T")


class Release(Protocol):
    """What is the same for every platform: the facts of a build, or a ledger."""

    @property
    def project(self) -> str: ...  # noqa: D102
    @property
    def module(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def commit(self) -> str: ...  # noqa: D102
    @property
    def date(self) -> str: ...  # noqa: D102
    @property
    def go(self) -> str: ...  # noqa: D102


class Platform(Protocol):
    """What something is built for; as text `linux/amd64`."""

    @property
    def suffix(self) -> str: ...  # noqa: D102
    @property
    def goos(self) -> str: ...  # noqa: D102
    @property
    def goarch(self) -> str: ...  # noqa: D102


class Program(Protocol):
    """A program that is built."""

    @property
    def program(self) -> str: ...  # noqa: D102


class Field(Struct, Generic[T], frozen=True):
    """A field: what it is, for the documentation, and its value for what is being made."""

    meaning: str
    of: Callable[[T], str]


FIELDS: Mapping[str, Field[Release]] = {
    "project": Field("the project's name", lambda made: made.project),
    "module": Field("the module path", lambda made: made.module),
    "version": Field("the version, `v1.4.0`", lambda made: made.version),
    "number": Field("the version without a `v` before it, `1.4.0`", lambda made: _number(made.version)),
    "commit": Field("the commit in hex, empty outside git", lambda made: made.commit),
    "short-commit": Field("its first 12 digits", lambda made: made.commit[:12]),
    "date": Field("the commit's time, `2026-11-26T10:00:00Z`", lambda made: made.date),
    "timestamp": Field("the same in seconds since 1970", lambda made: str(parse_time(made.date) if made.date else 0)),
    "go": Field("the version of Go, `1.27.3`", lambda made: made.go),
}
"""The fields of every template."""
OF_PLATFORM: Mapping[str, Field[Platform]] = {
    "target": Field("the platform, `linux/amd64`", str),
    "platform": Field("the same for file names, `linux_amd64`", lambda target: target.suffix),
    "os": Field("its GOOS", lambda target: target.goos),
    "arch": Field("its GOARCH", lambda target: target.goarch),
}
"""Fields of what is made for each platform: everything but the image's labels."""
OF_PROGRAM: Mapping[str, Field[Program]] = {"program": Field("the program's name", lambda main: main.program)}
"""Fields of what is made for each program: `builds.binary-name`."""

_FIELD = r"\{\{\s*\.[^{}]*\}\}|\{\{([a-z][a-z-]*)\}\}|\{([a-z][a-z-]*)\}"


class TemplateInvalid(Misuse):
    """A template in goferry.yml names an unknown field, or its result is not a valid file name.

    Usual causes: a typing error in the field's name, or a template of another tool, such as `{{ .Version }}`.
    """

    name = "template-invalid"


def _number(version: str) -> str:
    return version[1:] if re.match("v[0-9]", version) else version


def values(fields: Mapping[str, Field[T]], made: T) -> dict[str, str]:
    """Return the fields' values for what is being made."""
    return {name: field.of(made) for name, field in fields.items()}


def expand(text: str, given: Mapping[str, str], where: str) -> str:
    """Return the text with its fields filled in, field → value; `where` names the key in an error.

    Raises:
        TemplateInvalid: for a field that there is not.
    """

    def value(match: re.Match[str]) -> str:
        literal, field = match.groups()
        if literal:
            return f"{{{literal}}}"
        if field not in given:
            raise _unknown(match.group(), given, where)
        return given[field]

    return re.sub(_FIELD, value, text)


def _unknown(found: str, values: Mapping[str, str], where: str) -> TemplateInvalid:
    import difflib

    word = found.strip("{} .").lower()
    near = difflib.get_close_matches(word, values, 1, 0.5)
    hint = [f"did you mean {{{near[0]}}}?"] if near else []
    return TemplateInvalid(
        f"{where}: {printable(found, 80)} is not a field",
        state="Nothing was built.",
        advice=[*hint, f"fields are: {', '.join(values)}", "for the braces themselves write them twice: {{name}}"],
    )
