"""YAML with positions: every value knows its line and column, and every surprise of YAML is an error.

Scalars follow the core schema of YAML 1.2.2 (section 10.3): `yes`, `no`, `on` and `off` are words, `true` and `false`
the only booleans. Refused: duplicate keys (section 3.2.1.3 demands it), tags, merge keys, keys that are not words,
several documents, aliases that expand to more than MAX_NODES values or contain themselves.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from goferry.config._node import DocumentError, Node
from goferry.config.errors import Problem

MAX_BYTES = 128 << 10
MAX_NODES = 10_000
MAX_DEPTH = 24

_DEEP = "nested too deeply"
_CONFLICT = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_PLAIN_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")


class _Loader(yaml.SafeLoader):
    """Resolves no scalar: their meaning is the core schema's, below. Stops where the text is nested too deeply.

    PyYAML's time for nested brackets grows with the square of their number: 128 KiB of them would take minutes.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=_DEEP, problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_Loader.yaml_implicit_resolvers = {}


def parse(data: bytes) -> Node:
    """Read one YAML document; an empty one is an empty mapping.

    Raises:
        DocumentError: see the module.
    """
    if len(data) > MAX_BYTES:
        raise DocumentError(Problem(0, 0, "", f"the file has {len(data)} bytes; at most {MAX_BYTES} are read"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError(Problem(line, 1, "", "the file is not UTF-8")) from None
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise DocumentError(Problem(line, 1, "", "the file holds the marks of a merge conflict:  git diff"))
    try:
        root = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise DocumentError(_marked(error)) from None
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError(Problem(0, 0, "", str(error).splitlines()[0])) from None
    return _Converter().convert(root, 0) if root is not None else Node({}, 1, 1, keys={})


def _marked(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    hint = ""
    if error.problem and "'\\t'" in error.problem:
        hint = "indent with spaces; YAML allows no tabs there"
    return Problem(line, column, "", str(error.problem or error.context or "not YAML"), hint)


class _Converter:
    """Turns PyYAML's nodes into ours, with a budget for what aliases expand to."""

    def __init__(self) -> None:
        self._left = MAX_NODES
        self._open: set[int] = set()

    def convert(self, node: yaml.Node, depth: int) -> Node:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        self._left -= 1
        if self._left < 0:
            raise _error(node, f"the file expands to more than {MAX_NODES} values")
        if id(node) in self._open:
            raise _error(node, "an alias contains itself")
        if depth > MAX_DEPTH:
            raise _error(node, _DEEP)
        if node.tag not in _PLAIN_TAGS:
            raise _error(node, f"the tag {node.tag} means nothing here", "write the plain value")
        if isinstance(node, yaml.ScalarNode):
            return Node(_scalar(node), line, column, node.value)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return Node([self.convert(item, depth + 1) for item in node.value], line, column)
            return self._mapping(node, depth)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, tuple[int, int]] = {}
        for key, value in node.value:
            word = _key(key)
            if word in values:
                raise _error(key, f"the key {word} stands here a second time (first in line {keys[word][0]})")
            keys[word] = (key.start_mark.line + 1, key.start_mark.column + 1)
            values[word] = self.convert(value, depth + 1)
        return Node(values, node.start_mark.line + 1, node.start_mark.column + 1, keys=keys)


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _PLAIN_TAGS:
        raise _error(node, "a key must be a word")
    if node.value == "<<" and node.style is None:
        raise _error(node, "merge keys (<<) are not YAML 1.2", "use projects: or inherits: for shared values")
    return str(node.value)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None:  # quoted, or a block
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text) and len(text) <= 18:
        return int(text)
    if _OTHER_INT.fullmatch(text) and len(text) <= 18:
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _error(node: yaml.Node, message: str, hint: str = "") -> DocumentError:
    return DocumentError(Problem(node.start_mark.line + 1, node.start_mark.column + 1, "", message, hint))
