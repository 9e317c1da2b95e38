"""Programs with commands: which of them has to be named so that the program serves, and whose a flag is.

cobra        serve := &cobra.Command{Use: "serve", Run: run}; root.AddCommand(serve)
urfave/cli   Commands: []*cli.Command{{Name: "serve", Action: run}}
kingpin      serve := app.Command("serve", "")
kong         Serve ServeCmd `cmd:""`
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from goferry.config._gocall import NEAR, receiver
from goferry.config.gocode import STRING, Declaration, GoProgram, asked, brackets, spans

SERVES = re.compile(r"\.(?:ListenAndServe(?:TLS)?|Serve(?:TLS)?)\(")
"""The calls by which net/http listens."""
_FRAMEWORKS = {
    "gin": re.compile(r"\.Run(?:TLS)?\(\s*[^)\s]"),
    "echo": re.compile(r"\.Start(?:TLS|Server|AutoTLS)?\(\s*[^)\s]"),
    "fiber": re.compile(r"\.Listen(?:TLS)?\(\s*[^)\s]"),
}
_LIBRARIES = {
    "gin": re.compile(r"gin-gonic/gin$"),
    "echo": re.compile(r"labstack/echo(/v[0-9]+)?$"),
    "fiber": re.compile(r"gofiber/fiber(/v[0-9]+)?$"),
}
_COBRA = re.compile(r"\bcobra\.Command\s*\{")
_USE = re.compile(rf"\bUse:\s*({STRING})")
_RUNS = re.compile(r"\b(?:RunE|Run|Action):\s*")
_NAME = re.compile(rf"\bName:\s*({STRING})")
_ADDS = re.compile(r"\.AddCommand\(")
_KINGPIN = re.compile(rf"\b(\w+)\s*:?=\s*[\w.]{1, 100}\.Command\(\s*({STRING})")
_KONG = re.compile(r"^[ \t]*(\w+)[ \t]+\*?([\w.]+)[ \t]*`([^`\n]*)`", re.MULTILINE)
_IS_COMMAND = re.compile(r'\bcmd:"')
_KEY = re.compile(r"(\w+)\s*:")
_GIVEN = re.compile(r"(?:\w+\.)?(\w+)")
_BECOMES = re.compile(r"\b(\w++)(?:\s++\*?[\w.]++)?\s*+:?=\s*&?\s*$")
_LEVELS = 100
"""How many brackets around a flag are looked at for the command that it belongs to."""


def serves(declaration: Declaration, program: GoProgram) -> bool:
    """Whether a declaration makes the program listen for HTTP."""
    if SERVES.search(declaration.text):
        paths = set(declaration.imports.values())
        if "net/http" in paths and ("ListenAndServe" in declaration.text or not any("grpc" in path for path in paths)):
            return True
    return any(
        pattern.search(declaration.text) and any(map(_LIBRARIES[name].search, program.libraries))
        for name, pattern in _FRAMEWORKS.items()
        if not (name == "gin" and _COBRA.search(declaration.text))
    )


@dataclass(frozen=True, eq=False)
class _Command:
    """One command: its name, by which names of variables and functions it is known, and whether it serves."""

    name: str
    known: frozenset[str]
    serves: bool
    declaration: Declaration
    opening: int
    root: bool = False


class _Serving:
    """Where something is named that serves, itself or by what it calls: for all places of a program at once."""

    def __init__(self, program: GoProgram) -> None:
        self._program = program
        self._found: dict[Declaration, tuple[list[int], list[int], list[int]]] = {}

    @cached_property
    def _leading(self) -> frozenset[tuple[str | tuple[str, str] | None, str]]:
        return self._program.leading(each for each in self._program.reached if serves(each, self._program))

    def within(self, declaration: Declaration, start: int, end: int) -> bool:
        """Whether what stands in a range of a declaration's text serves."""
        if declaration not in self._found:
            self._found[declaration] = self._places(declaration)

        def any_of(places: list[int]) -> bool:
            index = bisect_left(places, start)
            return index < len(places) and places[index] < end

        plain, gin, cobra = self._found[declaration]
        return any_of(plain) or (any_of(gin) and not any_of(cobra))

    def _places(self, declaration: Declaration) -> tuple[list[int], list[int], list[int]]:
        """Return where it serves, where gin's `Run` is called, and where a command of cobra is, which has a Run too."""
        text, paths = declaration.text, set(declaration.imports.values())
        plain = [
            place
            for place, reference in declaration.referring()
            if any(key in self._leading for key in asked(declaration, reference))
        ]
        grpc = any("grpc" in path for path in paths)
        for match in SERVES.finditer(text) if "net/http" in paths else ():
            plain += [match.start()] if not grpc or "ListenAndServe" in match.group() else []
        frameworks = {
            name: [match.start() for match in pattern.finditer(text)]
            for name, pattern in _FRAMEWORKS.items()
            if any(map(_LIBRARIES[name].search, self._program.libraries))
        }
        gin = frameworks.pop("gin", [])
        plain += [place for places in frameworks.values() for place in places]
        return sorted(plain), gin, [match.start() for match in _COBRA.finditer(text)] if gin else []


class Commands:
    """A program's commands; without any, all is empty.

    Attributes:
        args: what stands first on the command line of the process that serves.
        doubt: why that may be wrong, in a few words; empty when it is plain.
    """

    def __init__(self, program: GoProgram) -> None:
        self._program = program
        self._parents: dict[str, str] = {}
        self._serving = _Serving(program)
        self._all = [*self._cobra(), *self._urfave()]
        self._at = {(each.declaration, each.opening): each for each in self._all}
        named: dict[tuple[Declaration | str, str], set[str]] = {}
        for each in self._all:
            for name in () if each.root else each.known:
                for where in (each.declaration, each.declaration.package):
                    named.setdefault((where, name), set()).add(each.name)
        self._named = {key: frozenset(names) for key, names in named.items()}
        serving = [each for each in self._all if each.serves]
        self._types = {kind: name for name, kind in self._kong()}
        self._variables = dict(self._kingpin())
        self._chain: tuple[_Command, ...] = ()
        self.args: tuple[str, ...] = ()
        self.doubt = ""
        roots = [each for each in serving if each.root]
        if roots:
            self._chain = (roots[0],)
        elif serving:
            self._chain = tuple(self._upwards(serving[0]))
            self.args = tuple(each.name for each in reversed(self._chain) if not each.root)
            self.doubt = "several commands serve: " + _some([each.name for each in serving]) if serving[1:] else ""
        elif self._types or self._variables:
            names = [*self._types.values(), *self._variables.values()]
            likely = [name for name in names if re.fullmatch("serve|server|start|run|web|api|daemon|listen|http", name)]
            if len(likely) == 1:
                self.args = (likely[0],)
            self.doubt = f"the program has commands ({_some(names)}), and the source does not show which one serves"

    def serving(self, command: frozenset[str] | None) -> bool:
        """Whether a flag of these commands (None: of all) is one of the command that serves."""
        if command is None or not (self._chain or self.args):
            return True
        chain = {each.name for each in self._chain} | set(self.args)
        return not chain.isdisjoint(command)

    def of_flags(self, declaration: Declaration, receiver: str) -> frozenset[str] | None:
        """Return whose a flag is that is declared as `receiver.String(…)`; None where it is nobody's in particular."""
        name = receiver.partition(".")[0]
        if name in self._variables:
            return frozenset({self._variables[name]})
        return self._named.get((declaration, name)) or self._named.get((declaration.package, name))

    def of_position(self, declaration: Declaration, position: int) -> frozenset[str] | None:
        """Return whose a flag is that stands in the command's own literal."""
        inside = brackets(declaration.text)
        opening = inside.around(position)
        for _ in range(_LEVELS):
            command = self._at.get((declaration, opening))
            if command or opening < 0:
                return None if command is None or command.root else frozenset({command.name})
            opening = inside.outer[opening]
        return None

    def of_type(self, name: str) -> frozenset[str] | None:
        """Return whose a struct's fields are."""
        return frozenset({self._types[name]}) if name in self._types else None

    def _upwards(self, command: _Command) -> list[_Command]:
        chain = [command]
        while len(chain) < 5:
            above = {self._parents[name] for name in chain[-1].known if name in self._parents}
            next_ = next((each for each in self._all if each.known & above and each not in chain), None)
            if next_ is None:
                break
            chain.append(next_)
        return chain

    def _cobra(self) -> list[_Command]:
        found = []
        for declaration in self._program.reached:
            text = declaration.text
            for match in _ADDS.finditer(text):
                _, parent = receiver(text, match.start())
                for start, end in spans(text, match.end() - 1):
                    child = _GIVEN.match(text, start, end)
                    if child:
                        self._parents[child[1]] = parent.removesuffix("()")
            for match in _COBRA.finditer(text):
                parts = spans(text, match.end() - 1)
                end = parts[-1][1] if parts else match.end()
                use = declaration.first(_USE, match.end(), end)
                before = _BECOMES.search(text, max(0, match.start() - NEAR), match.start())
                known = {before[1]} if before else set()
                known |= {declaration.names[0]} if declaration.kind == "func" else set(declaration.names)
                name = use[1][1:-1].split(" ")[0] if use else ""
                run = self._runs(declaration, parts)
                found.append(_Command(name, frozenset(known), run, declaration, match.end() - 1))
        return [each if each.known & self._parents.keys() else replace(each, root=True) for each in found]

    def _urfave(self) -> list[_Command]:
        if not any("urfave/cli" in path for path in self._program.libraries):
            return []
        found = []
        for declaration in self._program.reached:
            text = declaration.text
            for match in re.finditer(r"\{", text) if "Action:" in text else ():
                parts = spans(text, match.start())
                keys = {key[1]: span for span in parts if (key := _KEY.match(text, *span))}
                name = _NAME.match(text, *keys["Name"]) if "Name" in keys else None
                if name and "Action" in keys:
                    head = text[max(0, match.start() - NEAR) : match.start()].rstrip()
                    listed = head.endswith(("{", ",")) or "[]*cli.Command" in head[-20:]
                    named = re.search(r"(\w+)\s*:?=\s*&?cli\.\w+$", head)
                    within = named is not None and named[1] in self._listed
                    root = "Commands" in keys or head.endswith("cli.App") or not (listed or within)
                    known = frozenset({named[1]} if named else ())
                    run = self._runs(declaration, [keys["Action"]])
                    found.append(_Command(name[1][1:-1], known, run, declaration, match.start(), root))
        return found

    @cached_property
    def _listed(self) -> frozenset[str]:
        """What is named behind `Commands:` of urfave/cli, before the next semicolon."""
        statements = "\n".join(each.text for each in self._program.reached).split(";")
        return frozenset(word for each in statements for word in re.findall(r"\w+", each.partition("Commands:")[2]))

    def _runs(self, declaration: Declaration, parts: Iterable[tuple[int, int]]) -> bool:
        """Whether what a command's literal names as its function serves."""
        for start, end in parts:
            head = _RUNS.match(declaration.text, start, end)
            if head:
                return self._serving.within(declaration, head.end(), end)
        return False

    def _kingpin(self) -> list[tuple[str, str]]:
        if not any("kingpin" in path for path in self._program.libraries):
            return []
        return [(name, tag[1:-1]) for each in self._program.reached for name, tag in _KINGPIN.findall(each.text)]

    def _kong(self) -> list[tuple[str, str]]:
        """Return name and type of each command that a struct's field is."""
        if not any(path.endswith("alecthomas/kong") for path in self._program.libraries):
            return []
        found = []
        for each in self._program.reached:
            for name, kind, tags in _KONG.findall(each.text) if each.kind in ("type", "var") else ():
                if not _IS_COMMAND.search(tags):
                    continue
                tag = re.search(r'\bname:"([^"]+)"', tags)
                plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
                found.append((tag[1] if tag else plain, kind.rpartition(".")[2]))
        return found


def _some(names: list[str]) -> str:
    """Return the first few names, for a person."""
    return ", ".join(names[:5]) + (" and others" if names[5:] else "")
