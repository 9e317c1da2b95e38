"""Reading a JSON object that somebody else wrote: each field is judged by its type as it is taken.

An error names the field. Types are exact: `true` does not count as a number, though Python's bool is an int.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar, cast

T = TypeVar("T")


def typed(value: object, kind: type[T], what: str) -> T:
    """Return a value of exactly that type; `what` names it in the error.

    Raises:
        TypeError: when it is of another.
    """
    if type(value) is not kind:
        raise TypeError(f"{what} is not of type {kind.__name__}")
    return value


class Fields:
    """The fields of an object; `what` names it in errors.

    A field that is missing is a ValueError, unless the caller gives a default; one of another type is a TypeError.
    """

    __slots__ = ("_record", "_what")

    def __init__(self, record: object, what: str) -> None:
        """Take an object.

        Raises:
            TypeError: when it is none.
        """
        self._record = cast("dict[str, object]", typed(record, dict, what))
        self._what = what

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._record)

    def __contains__(self, name: str) -> bool:
        """Whether there is such a field."""
        return name in self._record

    @property
    def record(self) -> Mapping[str, object]:
        """The object itself."""
        return self._record

    def only(self, required: Collection[str], optional: Collection[str] = ()) -> None:
        """Refuse an object that lacks a required field, or has one that is neither.

        Raises:
            ValueError: with their names.
        """
        odd = sorted((set(required) - set(self._record)) | (set(self._record) - set(required) - set(optional)))
        if odd:
            raise ValueError(f"{self._what} lacks or has an unknown field: {', '.join(odd[:3])[:200]}")

    def value(self, name: str) -> object:
        """Return what is there, not yet judged; None when nothing is."""
        return self._record.get(name)

    def maybe(self, name: str, kind: type[T], default: T | None = None) -> T | None:
        """Return a value, or None when it is of another type: for a reader that has an error of its own for that."""
        value = self._record.get(name, default)
        return value if type(value) is kind else None

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text."""
        return self._typed(name, str, default)

    def number(self, name: str, default: int | None = None) -> int:
        """Return a whole number."""
        return self._typed(name, int, default)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """Return true or false."""
        return self._typed(name, bool, default)

    def items(self, name: str, default: list[object] | None = None) -> list[object]:
        """Return a list."""
        return cast("list[object]", self._typed(name, list, default))

    def texts(self, name: str, default: list[object] | None = None) -> list[str]:
        """Return a list of texts."""
        return [typed(item, str, name) for item in self.items(name, default)]

    def mapping(self, name: str, default: dict[str, object] | None = None) -> dict[str, object]:
        """Return an object as it is."""
        return cast("dict[str, object]", self._typed(name, dict, default))

    def fields(self, name: str) -> Fields:
        """Return an object whose fields are to be read."""
        return Fields(self.mapping(name), name)

    def _typed(self, name: str, kind: type[T], default: T | None) -> T:
        if name in self._record:
            return typed(self._record[name], kind, name)
        if default is None:
            raise ValueError(f"{self._what} lacks {name}")
        return default
