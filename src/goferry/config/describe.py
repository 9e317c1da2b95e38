"""The model as people and editors read it: its documentation, and the JSON Schema of goferry.yml."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any

import msgspec

from goferry.config import model

_ATTRIBUTE = re.compile(r"([a-z][a-z-]*): (.*)")


@cache
def documentation(section: type) -> tuple[str, dict[str, str]]:
    """Return what a section's docstring says: the section's text, and key → text."""
    head, _, tail = inspect.cleandoc(section.__doc__ or "").partition("Attributes:")
    keys: dict[str, str] = {}
    current = ""
    for line in map(str.strip, tail.splitlines()):
        found = _ATTRIBUTE.match(line)
        if found:
            current = found[1]
            keys[current] = found[2]
        elif current and line:
            keys[current] += " " + line
    return " ".join(head.split()), keys


def schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of goferry.yml, with a description for every section and key."""
    (root,), sections = msgspec.json.schema_components([model.Repository])
    for name, section in sections.items():
        text, keys = documentation(getattr(model, name))
        if name == "Repository":
            keys = {**documentation(model.Project)[1], **keys}
        section["description"] = text
        properties = section["properties"]
        for key, value in properties.items():
            properties[key] = _described(value, keys[key])
            if key in ("services", "environments", "projects"):
                properties[key]["propertyNames"] = {"pattern": "^[a-z][a-z0-9-]{0,62}$"}
    sections["Listen"]["oneOf"] = [{"required": [key]} for key in ("env", "port-env", "flag", "socket")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "goferry.yml",
        **root,
        "$defs": _moved(sections),
    } | {"$ref": "#/$defs/Repository"}


def _described(value: dict[str, Any], text: str) -> dict[str, Any]:
    """Return it with a description, beside `$ref` too (draft 2020-12 allows it).

    An empty choice is only the model's default.
    """
    plain = {key: [each for each in inner if each != ""] if key == "enum" else inner for key, inner in value.items()}
    return {**plain, "description": text}


def _moved(value: Any) -> Any:
    """Return the sections with the default `{}` of nested ones left out: it says nothing to a reader."""
    if isinstance(value, dict):
        return {key: _moved(item) for key, item in value.items() if not (key == "default" and item in ({}, [], ""))}
    return [_moved(item) for item in value] if isinstance(value, list) else value
