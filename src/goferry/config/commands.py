"""Programs with commands: which of them has to be named so that the program serves, and whose a flag is.

cobra        serve := &cobra.Command{Use: "serve", Run: run}; root.AddCommand(serve)
urfave/cli   Commands: []*cli.Command{{Name: "serve", Action: run}}
kingpin      serve := app.Command("serve", "")
kong         Serve ServeCmd `cmd:""`
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from goferry.config.gocode import STRING, Declaration, Program, arguments

SERVES = re.compile(r"\.(?:ListenAndServe(?:TLS)?|Serve(?:TLS)?)\(")
"""What net/http is told to listen with."""
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
_ADDS = re.compile(r"([\w.]{1,100})(?:\(\))?\.AddCommand\(")
_KINGPIN = re.compile(rf"\b(\w+)\s*:?=\s*[\w.]{1, 100}\.Command\(\s*({STRING})")
_KONG = re.compile(r'^[ \t]*(\w+)[ \t]+\*?([\w.]+)[ \t]*`([^`\n]*\bcmd:"[^`\n]*)`', re.MULTILINE)


def serves(declaration: Declaration, program: Program) -> bool:
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
    start: int
    end: int
    root: bool = False


class Commands:
    """A program's commands; without any, all is empty.

    Attributes:
        args: what stands first on the command line of the process that serves.
        doubt: why that may be wrong, in a few words; empty when it is plain.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._parents: dict[str, str] = {}
        self._all = [*self._cobra(), *self._urfave()]
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
            self.doubt = "several commands serve: " + ", ".join(each.name for each in serving) if serving[1:] else ""
        elif self._types or self._variables:
            names = [*self._types.values(), *self._variables.values()]
            likely = [name for name in names if re.fullmatch("serve|server|start|run|web|api|daemon|listen|http", name)]
            if len(likely) == 1:
                self.args = (likely[0],)
            self.doubt = f"the program has commands ({', '.join(names)}), and which serves was not told from the source"

    def serving(self, command: tuple[str, ...] | None) -> bool:
        """Whether a flag of these commands (None: of all) is one of the command that serves."""
        if command is None or not (self._chain or self.args):
            return True
        chain = {each.name for each in self._chain} | set(self.args)
        return bool(chain & set(command))

    def of_flags(self, declaration: Declaration, receiver: str) -> tuple[str, ...] | None:
        """Return whose a flag is that is declared as `receiver.String(…)`; None where it is nobody's in particular."""
        name = receiver.partition(".")[0]
        if name in self._variables:
            return (self._variables[name],)
        found = [
            each
            for each in self._all
            if name in each.known and (each.declaration.package == declaration.package) and not each.root
        ]
        inner = [each for each in found if each.declaration is declaration]
        return tuple(each.name for each in inner or found) or None

    def of_position(self, declaration: Declaration, position: int) -> tuple[str, ...] | None:
        """Return whose a flag is that stands in the command's own literal."""
        around = [each for each in self._all if each.declaration is declaration and each.start < position < each.end]
        inner = max(around, key=lambda each: each.start, default=None)
        return None if inner is None or inner.root else (inner.name,)

    def of_type(self, name: str) -> tuple[str, ...] | None:
        """Return whose a struct's fields are."""
        return (self._types[name],) if name in self._types else None

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
                for _, given in arguments(text, match.end() - 1):
                    child = re.match(r"(?:\w+\.)?(\w+)", given)
                    if child:
                        self._parents[child[1]] = match[1]
            for match in _COBRA.finditer(text):
                parts = arguments(text, match.end() - 1)
                use = _USE.search(",".join(part for _, part in parts))
                before = re.search(r"(\w+)(?:\s+\*?[\w.]+)?\s*:?=\s*&?\s*$", text[: match.start()])
                known = {before[1]} if before else set()
                known |= {declaration.names[0]} if declaration.kind == "func" else set(declaration.names)
                name = use[1][1:-1].split(" ")[0] if use else ""
                end = parts[-1][0] + len(parts[-1][1]) if parts else match.end()
                run = self._runs(declaration, parts)
                found.append(_Command(name, frozenset(known), run, declaration, match.start(), end))
        return [
            each if each.known & self._parents.keys() else _Command(**{**vars(each), "root": True}) for each in found
        ]

    def _urfave(self) -> list[_Command]:
        if not any("urfave/cli" in path for path in self._program.libraries):
            return []
        found = []
        for declaration in self._program.reached:
            text = declaration.text
            for match in re.finditer(r"\{", text) if "Action:" in text else ():
                parts = arguments(text, match.start())
                keys = {part.partition(":")[0].strip(): part for _, part in parts}
                name = _NAME.match(keys.get("Name", ""))
                if name and "Action" in keys:
                    head = text[: match.start()].rstrip()
                    listed = (
                        head.endswith(("{", ","))
                        or "[]*cli.Command" in text[max(0, match.start() - 20) : match.start()]
                    )
                    named = re.search(r"(\w+)\s*:?=\s*&?cli\.\w+$", head)
                    within = bool(named) and bool(re.search(rf"Commands:[^;]*\b{named[1]}\b", self._text()))  # type: ignore[index]
                    root = "Commands" in keys or head.endswith("cli.App") or not (listed or within)
                    known = frozenset({named[1]} if named else ())
                    end = parts[-1][0] + len(parts[-1][1])
                    run = self._runs(declaration, [(at, part) for at, part in parts if part.startswith("Action")])
                    found.append(_Command(name[1][1:-1], known, run, declaration, match.start(), end, root))
        return found

    def _text(self) -> str:
        return "\n".join(each.text for each in self._program.reached)

    def _runs(self, declaration: Declaration, parts: list[tuple[int, str]]) -> bool:
        """Whether what a command's literal names as its function serves."""
        for _, part in parts:
            head = _RUNS.match(part)
            if head:
                body = Declaration(
                    "var", (), part[head.end() :], declaration.file, declaration.line, declaration.package,
                    declaration.imports,
                )  # fmt: skip
                return any(serves(each, self._program) for each in self._program.follow([body]))
        return False

    def _kingpin(self) -> list[tuple[str, str]]:
        if not any("kingpin" in path for path in self._program.libraries):
            return []
        return [(name, said[1:-1]) for each in self._program.reached for name, said in _KINGPIN.findall(each.text)]

    def _kong(self) -> list[tuple[str, str]]:
        """Return name and type of each command that a struct's field is."""
        if not any(path.endswith("alecthomas/kong") for path in self._program.libraries):
            return []
        found = []
        for each in self._program.reached:
            for name, kind, tags in _KONG.findall(each.text) if each.kind in ("type", "var") else ():
                said = re.search(r'\bname:"([^"]+)"', tags)
                plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
                found.append((said[1] if said else plain, kind.rpartition(".")[2]))
        return found
