"""A value of goferry.yml and where it stands. Reading YAML is `document.parse`, loaded only where there is a file."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from goferry.config.errors import Problem


class DocumentError(Exception):
    """The text is not the YAML that is read here; `problem` says where."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Node(Struct, frozen=True):
    """A value and where it stands.

    Attributes:
        value: `dict[str, Node]`, `list[Node]`, str, int, float, bool or None.
        line, column: of its first character, counted from 1.
        source: a scalar's text as written. keys: of a mapping, where each key stands.
    """

    value: Any
    line: int
    column: int
    source: str = ""
    keys: dict[str, tuple[int, int]] | None = None

    def child(self, name: str) -> Node | None:
        """Return what a mapping has under a key; None where it has none, or this is not a mapping."""
        return self.value.get(name) if isinstance(self.value, dict) else None

    def plain(self) -> object:
        """Return the value without positions."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value
