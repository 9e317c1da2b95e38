"""Templates in goferry.yml: `{version}` and the like in flags, environment, file names and labels.

    -X example.com/shop/config.Release={version}      a field
    {{version}}                                       the text {version}

Anything else in braces stays as it is, so that JSON in a value needs no care.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from goferry.kernel.errors import Misuse, printable

FIELDS = {
    "project": "the project's name",
    "module": "the module path",
    "version": "the version, `v1.4.0`",
    "number": "the version without a `v` before it, `1.4.0`",
    "commit": "the commit in hex, empty outside git",
    "short-commit": "its first 12 digits",
    "date": "the commit's time, `2026-11-26T10:00:00Z`",
    "timestamp": "the same in seconds since 1970",
    "go": "the version of Go, `1.27.3`",
}
"""Field → what it is."""
OF_PLATFORM = {
    "target": "the platform, `linux/amd64`",
    "platform": "the same for file names, `linux_amd64`",
    "os": "its GOOS",
    "arch": "its GOARCH",
}
"""Fields of what is made for each platform: everything but the image's labels."""
OF_PROGRAM = {"program": "the program's name"}
"""Fields of what is made for each program: `builds.binary-name`."""

_FIELD = re.compile(r"\{\{\s*\.[^{}]*\}\}|\{\{([a-z][a-z-]*)\}\}|\{([a-z][a-z-]*)\}")


class TemplateInvalid(Misuse):
    """A template in goferry.yml names a field that there is not, or makes no name of a file.

    Usual causes: a slip in its name, or a template of another tool, such as `{{ .Version }}`.
    """

    name = "template-invalid"


def of_release(
    *, project: str, module: str, version: str, commit: str, date: str, epoch: int, go: str
) -> dict[str, str]:
    """Return the values of the fields that are the same for every platform."""
    return {
        "project": project,
        "module": module,
        "version": version,
        "number": version[1:] if re.match("v[0-9]", version) else version,
        "commit": commit,
        "short-commit": commit[:12],
        "date": date,
        "timestamp": str(epoch),
        "go": go,
    }


def expand(text: str, values: Mapping[str, str], where: str) -> str:
    """Return the text with its fields filled in, field → value; `where` names the key in an error.

    Raises:
        TemplateInvalid: for a field that there is not.
    """

    def value(match: re.Match[str]) -> str:
        literal, field = match.groups()
        if literal:
            return f"{{{literal}}}"
        if field not in values:
            raise _unknown(match.group(), values, where)
        return values[field]

    return _FIELD.sub(value, text)


def _unknown(found: str, values: Mapping[str, str], where: str) -> TemplateInvalid:
    import difflib

    word = found.strip("{} .").lower()
    near = difflib.get_close_matches(word, values, 1, 0.5)
    hint = [f"did you mean {{{near[0]}}}?"] if near else []
    return TemplateInvalid(
        f"{where}: {printable(found, 80)} is no field",
        state="Nothing was built.",
        advice=[*hint, f"fields are: {', '.join(values)}", "for the braces themselves write them twice: {{name}}"],
    )
