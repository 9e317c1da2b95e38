"""Hold a document against the model: types, known keys, required keys, rules. Collects every problem with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from msgspec import inspect

from goferry.config import rules
from goferry.config._document import parse
from goferry.config._node import DocumentError, Node
from goferry.config.errors import Problem, nearest

Path = tuple[str, ...]
_KINDS = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
_WORDS_FOR_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@cache
def shape(model: type) -> inspect.StructType:
    """Return what msgspec knows about a section's class."""
    info = inspect.type_info(model)
    assert isinstance(info, inspect.StructType)
    return info


def problems(node: Node, model: type, prefix: Path = ()) -> list[Problem]:
    """Return everything wrong with `node` as a `model`; `prefix` is put before the keys in messages."""
    return list(_check(node, shape(model), (), prefix))


def _check(node: Node, kind: Any, path: Path, prefix: Path) -> Iterator[Problem]:
    found = list(_by_type(node, kind, path, prefix))
    yield from found
    rule = rules.rule(path)
    if rule and not found:
        wrong = rule(node)
        if wrong:
            yield _problem(node, (*prefix, *path), wrong)


def _by_type(node: Node, kind: Any, path: Path, prefix: Path) -> Iterator[Problem]:
    value = node.value
    if isinstance(kind, inspect.StructType):
        yield from _struct(node, kind, path, prefix) if isinstance(value, dict) else [_wrong(node, path, prefix, dict)]
    elif isinstance(kind, inspect.DictType):
        yield from _dict(node, kind, path, prefix) if isinstance(value, dict) else [_wrong(node, path, prefix, dict)]
    elif isinstance(kind, inspect.ListType):
        if not isinstance(value, list):
            yield _wrong(node, path, prefix, list)
            return
        for number, item in enumerate(value):
            yield from _check(item, kind.item_type, (*path, str(number)), prefix)
    else:
        yield from _scalar(node, kind, path, prefix)


def _struct(node: Node, kind: inspect.StructType, path: Path, prefix: Path) -> Iterator[Problem]:
    fields = {field.encode_name: field for field in kind.fields}
    for key, value in node.value.items():
        if key in fields:
            yield from _check(value, fields[key].type, (*path, key), prefix)
        else:
            line, column = (node.keys or {})[key]
            where = ".".join((*prefix, *path)) or "the file"
            yield Problem(
                line, column, ".".join((*prefix, *path, key)), f"{key} is not a key of {where}", nearest(key, fields)
            )
    for name, field in fields.items():
        if field.required and name not in node.value:
            yield _problem(node, (*prefix, *path), f"{'.'.join((*prefix, *path))} lacks the key {name}")


def _dict(node: Node, kind: inspect.DictType, path: Path, prefix: Path) -> Iterator[Problem]:
    for key, value in node.value.items():
        line, column = (node.keys or {})[key]
        if path in {(name,) for name in rules.NAMED} and (wrong := rules.name(key)):
            yield Problem(line, column, ".".join((*prefix, *path, key)), wrong)
        yield from _check(value, kind.value_type, (*path, key), prefix)


def _scalar(node: Node, kind: Any, path: Path, prefix: Path) -> Iterator[Problem]:
    value = node.value
    if isinstance(kind, inspect.StrType):
        if not isinstance(value, str):
            yield _wrong(node, path, prefix, str)
    elif isinstance(kind, inspect.LiteralType):
        choices = [choice for choice in kind.values if choice]
        if value not in kind.values or value == "":
            message = f"{node.source or _kind(node)!r} is not one of {', '.join(map(str, choices))}"
            yield _problem(node, (*prefix, *path), message, nearest(node.source, map(str, choices)))
    elif isinstance(kind, inspect.BoolType):
        if not isinstance(value, bool):
            yield _wrong(node, path, prefix, bool)
    elif isinstance(kind, inspect.IntType):
        if isinstance(value, bool) or not isinstance(value, int):
            yield _wrong(node, path, prefix, int)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        yield _wrong(node, path, prefix, float)


def _wrong(node: Node, path: Path, prefix: Path, wanted: type) -> Problem:
    """Say which type is wanted, and what a person who wrote this probably meant."""
    key = ".".join((*prefix, *path))
    hint = ""
    if wanted is str and isinstance(node.value, bool | int | float):
        hint = f'write it in quotes:  {path[-1] if path else ""}: "{node.source}"'
    elif wanted is bool and node.source.lower() in _WORDS_FOR_BOOLEANS:
        hint = f"write {_WORDS_FOR_BOOLEANS[node.source.lower()]}"
    elif wanted is list and isinstance(node.value, str):
        hint = f"write a list:  [{_quoted(node.source)}]"
    shown = f" ({node.source})" if node.source else ""
    problem = f"{key or 'the file'} must be {'an integer' if wanted is int else _KINDS[wanted]}"
    return _problem(node, (*prefix, *path), f"{problem}, not {_kind(node)}{shown}", hint)


def _quoted(source: str) -> str:
    """Return a text as an entry of a list in brackets, in quotes where it would be read as something else."""
    try:
        plain = parse(f"[{source}]".encode()).plain() == [source]
    except DocumentError:
        plain = False
    return source if plain else json.dumps(source, ensure_ascii=False)


def _kind(node: Node) -> str:
    return "nothing" if node.value is None else _KINDS[type(node.value)]


def _problem(node: Node, path: Path, message: str, hint: str = "") -> Problem:
    return Problem(node.line, node.column, ".".join(path), message, hint)
