"""Go source as text: the imports of a file and its top-level declarations, and which of them a program reaches.

A scanner, not a parser, for what is told before there is a Go toolchain. It follows the Go specification's "Source file
organization": comments are blanked, so that places stay where they were, and brackets are counted outside of literals.

`reached` follows calls by name: an identifier of the same package, `alias.Name` of an imported package of the
repository, and `.Name` to every method of that name in the packages that the program imports. That is more than Go
would run, and never less, but for what is found by reflection.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|`[^`]*`|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[{}()\[\]]""",
    re.DOTALL,
)
"""Comments, literals and brackets."""
SPAN = 50_000
"""Most characters of one call that are looked at: source of others may be of any size."""
STRING = r'(?:"(?:\\.|[^"\\\n])*"|`[^`\n]*`)'

_KEYWORD = re.compile(TOKEN.pattern + r"|^(?:package|import|func|var|const|type)\b", re.DOTALL | re.MULTILINE)
_FUNC = re.compile(r"func\s+(?:\(\s*(?:\w+\s+)?\*?\s*(\w+)(?:\[[^\]]*\])?\s*\)\s*)?(\w+)")
_NAMES = re.compile(r"(?:var|const|type)?\s*(\w+(?:\s*,\s*\w+)*)")
_IMPORT = re.compile(r'(?:([\w.]+)\s+)?"([^"\s]+)"')
_REFERENCE = re.compile(r"(\.\s*)?\b([A-Za-z_]\w*)(?:\s*\.\s*([A-Za-z_]\w*))?")
_MAJOR = re.compile(r"v[0-9]+")
_IMPLICIT = frozenset({"ServeHTTP", "Execute", "Run"})
"""Methods that libraries call of a value that they are given."""


@dataclass(frozen=True, eq=False)
class Declaration:
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
    imports: Mapping[str, str] = field(repr=False)
    receiver: str = ""

    def where(self, position: int) -> str:
        """Return `file:line` of a position in the text."""
        return f"{self.file}:{self.line + self.text.count(chr(10), 0, position)}"

    @cached_property
    def references(self) -> tuple[tuple[bool, str, str], ...]:
        """(after a dot, name, selected name or empty) of what the text names outside of literals."""
        bare = re.sub(STRING, '""', self.text)
        return tuple({(bool(dot), name, chosen) for dot, name, chosen in _REFERENCE.findall(bare)})


def declarations(source: str, file: str, package: str) -> Iterator[Declaration]:
    """Yield the declarations of a file."""
    text = _without_comments(source)
    starts, depth = [], 0
    for match in _KEYWORD.finditer(text):
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
            if kind == "func" and (head := _FUNC.match(part)):
                yield Declaration(kind, (head[2],), part, file, line, package, imports, head[1] or "")
            elif kind in ("var", "const", "type") and (spec := _NAMES.match(part)):
                names = tuple(name.strip() for name in spec[1].split(","))
                yield Declaration(kind, names, part, file, line, package, imports)


def _without_comments(source: str) -> str:
    def blanked(match: re.Match[str]) -> str:
        lexeme = match.group()
        return re.sub(r"[^\n]", " ", lexeme) if lexeme.startswith(("//", "/*")) else lexeme

    return TOKEN.sub(blanked, source)


def _specs(piece: str) -> Iterator[tuple[int, str]]:
    """Yield each spec of a group with its place, or the whole where it is none."""
    opening = re.match(r"(?:var|const|type)\s*\(", piece)
    if not opening:
        yield 0, piece
        return
    starts, depth = [opening.end()], 0
    for match in re.finditer(TOKEN.pattern + r"|\n", piece[opening.end() :], re.DOTALL):
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
    for name, path in _IMPORT.findall(piece):
        last = [part for part in path.split("/") if not _MAJOR.fullmatch(part)][-1:] or [path]
        plain = re.sub(r"^go-|[.-]go$|\.v[0-9]+$", "", last[0])
        known = name if name not in ("", "import") else re.sub(r"\W", "", plain)
        yield (f"{name} {path}" if known in ("_", ".") else known), path


def arguments(text: str, opening: int) -> list[tuple[int, str]]:
    """Return place and text of each argument of the bracket at `opening`; up to SPAN where none closes it."""
    text = text[: opening + SPAN]
    found, depth, start = [], 0, opening + 1
    end = len(text)
    for match in re.finditer(TOKEN.pattern + "|,", text[opening:], re.DOTALL):
        word, at = match.group(), opening + match.start()
        depth += (word in "([{") - (word in ")]}")
        if (word == "," and depth == 1) or depth == 0:
            found.append((start, text[start:at]))
            start = at + 1
        if depth == 0:
            end = at
            break
    if not found or found[-1][0] + len(found[-1][1]) < end:
        found.append((start, text[start:end]))
    return [(at + len(part) - len(part.lstrip()), part.strip()) for at, part in found if part.strip()]


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

    def program(self, path: str) -> Program:
        """Return the program that a main package makes."""
        return Program(self, path)


class Program:
    """A main package with what it imports of the repository, and the declarations that it reaches."""

    def __init__(self, code: Code, path: str) -> None:
        self.packages = code.imported(path)
        self.own = {each: code.package(each) for each in self.packages}
        self._names: dict[tuple[str, str], list[Declaration]] = {}
        self._methods: dict[str, list[Declaration]] = {}
        for package, declared in self.own.items():
            for each in declared:
                if each.receiver:
                    self._methods.setdefault(each.names[0], []).append(each)
                for name in () if each.receiver else each.names:
                    self._names.setdefault((package, name), []).append(each)
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
        return self._names.get((package, name), [])

    def methods(self, name: str) -> list[Declaration]:
        """Return the methods of a name, whatever their type."""
        return self._methods.get(name, [])

    def follow(self, start: Iterable[Declaration]) -> tuple[Declaration, ...]:
        """Return what these declarations reach, themselves first."""
        found: dict[Declaration, None] = {}
        waiting = deque(start)
        while waiting:
            each = waiting.popleft()
            if each not in found:
                found[each] = None
                waiting.extend(other for other in self.referred(each) if other not in found)
        return tuple(found)

    def referred(self, declaration: Declaration) -> Iterator[Declaration]:
        """Yield what a declaration names."""
        if declaration.kind == "type":
            for name in _IMPLICIT:
                yield from (each for each in self.methods(name) if self._of(each, declaration))
        for dotted, name, chosen in declaration.references:
            if dotted:
                yield from self.methods(name)
            else:
                yield from self.named(declaration.package, name)
            if chosen:
                yield from self.named(declaration.imports.get(name, "") if not dotted else "", chosen)
                yield from self.methods(chosen)

    @staticmethod
    def _of(method: Declaration, declared: Declaration) -> bool:
        return method.package == declared.package and method.receiver in declared.names

    def text(self, declaration: Declaration, expression: str) -> str | None:
        """Return the text that an expression of a declaration has: a literal, or a constant's or variable's literal."""
        said = literal(expression)
        if said is not None:
            return said
        parts = re.fullmatch(r"(?:(\w+)\.)?(\w+)", expression)
        if not parts:
            return None
        package = declaration.imports.get(parts[1], "") if parts[1] else declaration.package
        for each in self.named(package, parts[2]):
            value = re.search(rf"=\s*({STRING})\s*$", each.text)
            if each.kind == "const" and value and len(each.names) == 1:
                return literal(value[1])
        return None
