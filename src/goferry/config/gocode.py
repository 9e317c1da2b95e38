"""Go source as text: the imports of a file and its top-level declarations, and which of them a program reaches.

A scanner, not a parser, for what is asked before there is a toolchain. It follows the Go specification's "Source file
organization": comments are blanked, so that places stay where they were, and brackets are counted outside of literals.

`reached` follows calls by name: an identifier of the same package, `alias.Name` of an imported package of the
repository, and `.Name` to every method of that name in the packages that the program imports. That is more than Go
would run, and never less, but for what is found by reflection.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache

from msgspec import Struct

LEXEME = r"""(?s)//[^\n]*|/\*.*?(?:\*/|\Z)|`[^`]*`?|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|[{}()\[\]]"""
"""Comments, literals and brackets. One that nothing closes goes as far as it could: no character is looked at twice."""
SPAN = 50_000
"""Most characters of one call that are looked at: source of others may be of any size."""
LONG = 2_000
"""Most characters of one argument or expression: a longer one is nothing that could be shown."""
STRING = r'(?:"(?:\\.|[^"\\\n])*"|`[^`\n]*`)'

_KEYWORD = rf"(?m){LEXEME}|^(?:package|import|func|var|const|type)\b"
_FUNC = r"func\s+(?:\(\s*(?:\w+\s+)?\*?\s*(\w+)(?:\[[^\]]*\])?\s*\)\s*)?(\w+)"
_NAMES = r"(?:var|const|type)?\s*(\w+(?:\s*,\s*\w+)*)"
_IMPORT = r'(?:([\w.]+)\s+)?"([^"\s]+)"'
_REFERENCE = r"(\.\s*)?\b([A-Za-z_]\w*)(?:\s*\.\s*([A-Za-z_]\w*))?"
_CLOSED = r"""(?s)`[^`]*`|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
_MARK = LEXEME + "|,"
_MAJOR = r"v[0-9]+"
_IMPLICIT = frozenset({"ServeHTTP", "Execute", "Run"})
"""Methods that libraries call of a value that they are given."""

Key = tuple[str | tuple[str, str] | None, str]
"""By what a declaration is found: (package, name), (None, method) or ((package, type), method)."""


class Declaration(Struct, frozen=True, eq=False, dict=True):
    """One top-level declaration; each spec of a group is one.

    Attributes:
        kind: `func`, `var`, `const` or `type`. names: what it declares. receiver: the type of a method, or empty.
        text: from its first word on, without comments. line: the number of its first line. file: its path.
        package: the import path. imports: name → import path, of its file.
    """

    kind: str
    names: tuple[str, ...]
    text: str
    file: str
    line: int
    package: str
    imports: Mapping[str, str]
    receiver: str = ""

    def where(self, position: int) -> str:
        """Return `file:line` of a position in the text."""
        return f"{self.file}:{self.line + self.text.count(chr(10), 0, position)}"

    @cached_property
    def references(self) -> tuple[tuple[bool, str, str], ...]:
        """(after a dot, name, selected name or empty) of what the text names outside of literals."""
        return tuple(dict.fromkeys(reference for _, reference in self.referring()))

    def referring(self) -> Iterator[tuple[int, tuple[bool, str, str]]]:
        """Yield each place outside of literals where something is named, and what, as `references` has it."""
        bare = re.sub(STRING, lambda match: f'"{" " * (len(match.group()) - 2)}"', self.text)
        for match in re.finditer(_REFERENCE, bare):
            yield match.start(), (bool(match[1]), match[2], match[3] or "")

    @cached_property
    def _matches(self) -> dict[re.Pattern[str], list[re.Match[str]]]:
        return {}

    def all(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Return the matches of a pattern in the text, which is searched once for all."""
        if pattern not in self._matches:
            self._matches[pattern] = list(pattern.finditer(self.text))
        return self._matches[pattern]

    def first(self, pattern: re.Pattern[str], start: int, end: int) -> re.Match[str] | None:
        """Return the first match of a pattern that begins in a range of the text."""
        found = self.all(pattern)
        index = bisect_left(found, start, key=lambda match: match.start())
        return found[index] if index < len(found) and found[index].start() < end else None


def declarations(source: str, file: str, package: str) -> Iterator[Declaration]:
    """Yield the declarations of a file."""
    text = _without_comments(source)
    starts, depth = [], 0
    for match in re.finditer(_KEYWORD, text):
        word = match.group()
        depth += (word in "([{") - (word in ")]}" and depth > 0)
        if depth == 0 and word[0].isalpha():
            starts.append(match.start())
    pieces = [(start, text[start:end]) for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    imports: dict[str, str] = {}
    for _, piece in pieces:
        if piece.startswith("import"):
            imports.update(_imported(piece))
    for start, piece in pieces:
        kind = piece.split(None, 1)[0].partition("(")[0]
        for offset, part in [(0, piece)] if kind == "func" else _specs(piece):
            line = 1 + text.count("\n", 0, start + offset)
            if kind == "func" and (head := re.match(_FUNC, part)):
                yield Declaration(kind, (head[2],), part, file, line, package, imports, head[1] or "")
            elif kind in ("var", "const", "type") and (spec := re.match(_NAMES, part)):
                names = tuple(name.strip() for name in spec[1].split(","))
                yield Declaration(kind, names, part, file, line, package, imports)


def _without_comments(source: str) -> str:
    """Return a source with blanks for comments, and for literals that nothing closes or that no reader asks about.

    A rune, and a raw string of several lines, become `#`, so that an argument is still one: a quote in it would open a
    string for whoever looks at a part of the text.
    """

    def blanked(match: re.Match[str]) -> str:
        lexeme = match.group()
        closed = re.fullmatch(_CLOSED, lexeme)
        if lexeme in "{}()[]" or (closed and lexeme[0] != "'" and "\n" not in lexeme):
            return lexeme
        blank = re.sub(r"[^\n]", " ", lexeme)
        return f"#{blank[1:]}" if closed else blank

    return re.sub(LEXEME, blanked, source)


def _specs(piece: str) -> Iterator[tuple[int, str]]:
    """Yield each spec of a group with its place, or the whole where it is none."""
    opening = re.match(r"(?:var|const|type)\s*\(", piece)
    if not opening:
        yield 0, piece
        return
    starts, depth = [opening.end()], 0
    for match in re.finditer(LEXEME + r"|\n", piece[opening.end() :]):
        word = match.group()
        depth += (word in "([{") - (word in ")]}")
        if depth < 0:
            break
        if depth == 0 and word == "\n":
            starts.append(opening.end() + match.end())
    for start, end in zip(starts, [*starts[1:], len(piece)], strict=True):
        part = piece[start:end]
        if re.match(r"\s*\w", part):
            lead = len(part) - len(part.lstrip())
            yield start + lead, part[lead:]


def _imported(piece: str) -> Iterator[tuple[str, str]]:
    for name, path in re.findall(_IMPORT, piece):
        last = [part for part in path.split("/") if not re.fullmatch(_MAJOR, part)][-1:] or [path]
        plain = re.sub(r"^go-|[.-]go$|\.v[0-9]+$", "", last[0])
        known = name if name not in ("", "import") else re.sub(r"\W", "", plain)
        yield (f"{name} {path}" if known in ("_", ".") else known), path


class Brackets(Struct, frozen=True):
    """The brackets of a text that stand outside of literals; one that nothing closes ends where the text does.

    Attributes:
        parts: opening → where its commas are, and its end. closed: closing → opening. end: the text's end.
        marks: each place from which on another bracket is the innermost, with that one's opening, or -1.
        outer: opening → the opening of the bracket around it, or -1.
    """

    parts: dict[int, list[int]]
    closed: dict[int, int]
    marks: list[tuple[int, int]]
    outer: dict[int, int]
    end: int

    def around(self, position: int) -> int:
        """Return where the innermost bracket around a position is opened, or -1."""
        index = bisect_left(self.marks, (position,)) - 1
        return self.marks[index][1] if index >= 0 else -1


@lru_cache(maxsize=1024)
def brackets(text: str) -> Brackets:
    """Read a text's brackets once for all: those in others would else be read once for each that is around."""
    found = Brackets({}, {}, [], {}, len(text.rstrip()))
    around = [-1]
    for match in re.finditer(_MARK, text):
        word, at = match.group(), match.start()
        if word in "([{":
            found.parts[at], found.outer[at] = [], around[-1]
            around.append(at)
            found.marks.append((at, at))
        elif around[1:] and word == ",":
            found.parts[around[-1]].append(at)
        elif around[1:] and word in ")]}":
            found.closed[at] = around.pop()
            found.parts[found.closed[at]].append(at)
            found.marks.append((at, around[-1]))
    for unclosed in around[1:]:
        found.parts[unclosed].append(found.end)
    return found


@lru_cache(maxsize=1024)
def spans(text: str, opening: int) -> tuple[tuple[int, int], ...]:
    """Return start and end of each argument of the bracket at `opening`; up to SPAN where none closes it."""
    found = brackets(text)
    last = min(found.end, opening + SPAN)
    result, start = [], opening + 1
    for at in found.parts.get(opening, ()):
        close = min(at, last)
        while start < close and text[start].isspace():
            start += 1
        while start < close and text[close - 1].isspace():
            close -= 1
        if start < close:
            result.append((start, close))
        start = at + 1
        if start > last:
            break
    return tuple(result)


def arguments(text: str, opening: int) -> list[str]:
    """Return the text of each argument of the bracket at `opening`, LONG characters of it at most."""
    return [text[start : min(end, start + LONG)] for start, end in spans(text, opening)]


def literal(text: str) -> str | None:
    """Return what a string literal says, or None."""
    if not re.fullmatch(STRING, text):
        return None
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] == '"' else text[1:-1]


class Code:
    """The repository's packages by import path, read when they are asked for."""

    def __init__(self, read: Callable[[str], Iterable[Declaration]], paths: Iterable[str]) -> None:
        self._read, self._paths = read, frozenset(paths)
        self._packages: dict[str, tuple[Declaration, ...]] = {}

    def package(self, path: str) -> tuple[Declaration, ...]:
        """Return what a package declares; empty for one of somebody else."""
        if path not in self._paths:
            return ()
        if path not in self._packages:
            self._packages[path] = tuple(self._read(path))
        return self._packages[path]

    def imported(self, path: str) -> tuple[str, ...]:
        """Return the package and every one of the repository that it imports, also by others, in that order."""
        found, waiting = dict.fromkeys([path]), deque([path])
        while waiting:
            for each in self.package(waiting.popleft()):
                for other in each.imports.values():
                    if other in self._paths and other not in found:
                        found[other] = None
                        waiting.append(other)
        return tuple(found)

    def program(self, path: str) -> GoProgram:
        """Return the program that a main package makes."""
        return GoProgram(self, path)


def _keys(declaration: Declaration) -> Iterator[Key]:
    """Yield by what a declaration is found."""
    if declaration.receiver:
        yield None, declaration.names[0]
        yield (declaration.package, declaration.receiver), declaration.names[0]
    else:
        yield from ((declaration.package, name) for name in declaration.names)


def _referred(declaration: Declaration) -> Iterator[Key]:
    """Yield by what a declaration finds others."""
    if declaration.kind == "type":
        yield from (((declaration.package, name), method) for name in declaration.names for method in _IMPLICIT)
    for reference in declaration.references:
        yield from asked(declaration, reference)


def asked(declaration: Declaration, reference: tuple[bool, str, str]) -> Iterator[Key]:
    """Yield by what a reference in a declaration finds others."""
    dotted, name, chosen = reference
    yield (None if dotted else declaration.package), name
    if chosen:
        yield (declaration.imports.get(name, "") if not dotted else ""), chosen
        yield None, chosen


class GoProgram:
    """A main package with what it imports of the repository, and the declarations that it reaches."""

    def __init__(self, code: Code, path: str) -> None:
        self.packages = code.imported(path)
        self.own = {each: code.package(each) for each in self.packages}
        self._known: dict[Key, list[Declaration]] = {}
        for each in self._all():
            for key in _keys(each):
                self._known.setdefault(key, []).append(each)
        start = [each for each in self.own[path] if each.kind == "func" and each.names == ("main",)]
        first = [each for each in self._all() if each.names == ("init",) or each.kind == "var"]
        self.reached = self.follow([*start, *first])
        """What runs, nearest to `main` first, then what package initialization reaches."""
        self.libraries = frozenset(path for each in self._all() for path in each.imports.values())
        """Import paths that any of the packages names."""

    def _all(self) -> Iterator[Declaration]:
        return (each for declared in self.own.values() for each in declared)

    def named(self, package: str, name: str) -> list[Declaration]:
        """Return what a package declares under a name at top level."""
        return self._known.get((package, name), [])

    def methods(self, name: str) -> list[Declaration]:
        """Return the methods of a name, whatever their type."""
        return self._known.get((None, name), [])

    def follow(self, start: Iterable[Declaration]) -> tuple[Declaration, ...]:
        """Return what these declarations reach, themselves first."""
        found: dict[Declaration, None] = {}
        met: set[Key] = set()
        waiting = deque(start)
        while waiting:
            each = waiting.popleft()
            if each not in found:
                found[each] = None
                for key in _referred(each):
                    if key not in met:
                        met.add(key)
                        waiting.extend(self._known.get(key, ()))
        return tuple(found)

    def leading(self, goals: Iterable[Declaration]) -> frozenset[Key]:
        """Return by what each reached declaration is found that leads to a goal, or is one."""
        users: dict[Key, list[Declaration]] = {}
        for each in self.reached:
            for key in _referred(each):
                users.setdefault(key, []).append(each)
        found: set[Key] = set()
        seen, waiting = set[Declaration](), deque(goals)
        while waiting:
            each = waiting.popleft()
            if each not in seen:
                seen.add(each)
                for key in _keys(each):
                    waiting.extend(() if key in found else users.get(key, ()))
                    found.add(key)
        return frozenset(found)

    def text(self, declaration: Declaration, expression: str) -> str | None:
        """Return the text that an expression of a declaration has: a literal, or a constant's or variable's literal."""
        text_of_literal = literal(expression)
        if text_of_literal is not None:
            return text_of_literal
        parts = re.fullmatch(r"(?:(\w+)\.)?(\w+)", expression)
        if not parts:
            return None
        package = declaration.imports.get(parts[1], "") if parts[1] else declaration.package
        for each in self.named(package, parts[2]):
            value = re.search(rf"=\s*({STRING})\s*$", each.text)
            if each.kind == "const" and value and len(each.names) == 1:
                return literal(value[1])
        return None
