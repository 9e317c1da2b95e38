"""The path at which a program reports its health: a route whose whole path is made of literals.

    r.PathPrefix("/api").Subrouter()         gorilla/mux
    r.Route("/api", func(r chi.Router) …)    chi, fiber; r.Mount("/api", sub); http.StripPrefix("/api", mux)
    r.Group("/api")                          gin, echo, fiber

A route's receiver is followed back to where its router was made: through variables, parameters, fields and results, in
all packages that the program reaches. Where that ends, or a part of the path is not a literal, the path is a guess.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from goferry.config._gocall import (
    NEAR,
    assigned,
    call_around,
    closing,
    closure,
    expression_at,
    mounts,
    parameter,
    receiver,
)
from goferry.config._paths import Route, joined, takes_all, text_of
from goferry.config.gocode import LONG, STRING, Declaration, GoProgram, arguments, literal, spans

_WORDS = tuple(
    re.findall(
        r"\S+",
        """healthz health healthcheck health-check health_check livez alive live liveness readyz ready readiness healthy
        heartbeat lbheartbeat ping status up""",
    )
)
"""The last parts of health paths, the likelier first."""
_ANY = "|".join(sorted(_WORDS, key=len, reverse=True))
_HEALTH = re.compile(rf"(?:(?:GET|HEAD) )?(/?(?:[A-Za-z0-9_.-]+/){{0,5}}_{{0,2}}(?:{_ANY})(?:__)?/?)(?:\{{\$\}})?")
_STRINGS = re.compile(STRING)
_NAMED = re.compile(r"\b(?:\w++\.)?(\w++)")
_URL_PATH = re.compile(r"\.URL\.Path")
_CASE = re.compile(r"\bcase\s+(?:\"[^\"\n]*\",\s*)*$|\.URL\.Path\s*==\s*$")
_RETURN = re.compile(r"\breturn\s+([^\n,]+)")
_SET_BY_CALL = re.compile(r"\b([\w.]++)(?:\s*,\s*\w+)?\s*:?=\s*(?:[\w.]++(?<=\.))?$")
_STEP = re.compile(r"\s*\.\s*(\w+)")
_REGISTERS = frozenset(
    re.findall(
        r"\S+",
        """Handle HandleFunc HandlerFunc Handler Path PathPrefix Get GET Head HEAD Any ANY All ALL Add Match Method
        MethodFunc Map""",
    )
)
"""Methods that register a route."""
_ALONE = frozenset({"Path", "PathPrefix"})
"""Those that take the path alone, without its handler."""
_PREFIXES = frozenset({"PathPrefix", "Path", "Group", "Route", "Party", "With", "Prefix"})
_NEUTRAL = frozenset(
    {"Subrouter", "StrictSlash", "Methods", "Name", "Use", "Schemes", "Headers", "NewRoute", "Queries"}
)
_MAKES = frozenset({"NewRouter", "NewMux", "New", "Default", "NewServeMux", "Classic"})
_NOT_OURS = re.compile(r"\s*+(?:\.Methods\(\s*(?:http\.MethodP|http\.MethodD|\"P|\"D)|\.Subrouter)")
_MANY = 40
"""So many routes that look like one of health are looked at."""
_DEEP, _STEPS = 12, 500
"""How far one router is followed, and how often anything is looked up for one program: what is deeper stays a guess."""


@dataclass(frozen=True)
class _Unknown:
    """Why a router's prefix is not known."""

    why: str


def health(program: GoProgram) -> Route | None:
    """Return the route that reports the program's health: a plain one before a guess, then by its name."""
    found = list(itertools.islice(_candidates(program), _MANY))
    return min(found, key=lambda each: (bool(each.doubt), _rank(each.path)), default=None)


def root(program: GoProgram) -> Route | None:
    """Return a plain route of the path `/`, one that takes that path alone before a catch-all."""
    prefixes = _Prefixes(program)
    places = (
        (declaration, match)
        for declaration in program.reached
        for match in _STRINGS.finditer(declaration.text)
        if re.fullmatch(r"(?:GET )?/(?:\{\$\})?", literal(match.group()) or "")
    )
    found = []
    for declaration, match in itertools.islice(places, _MANY):
        route = _route(prefixes, declaration, match.start(), "/")
        if route and not route.doubt and route.path == "/":
            found.append(replace(route, all=takes_all(declaration, match)))
    return min(found, key=lambda each: each.all, default=None)


def _rank(path: str) -> int:
    return _WORDS.index(path.rstrip("/").rpartition("/")[2].strip("_"))


def _candidates(program: GoProgram) -> Iterator[Route]:
    prefixes = _Prefixes(program)
    uses: dict[str, list[tuple[Declaration, int]]] | None = None
    for declaration in program.reached:
        for match in _STRINGS.finditer(declaration.text):
            said = _HEALTH.fullmatch(literal(match.group()) or "")
            if not said:
                continue
            places = [(declaration, match.start())]
            if declaration.kind == "const":
                uses = _uses(program) if uses is None else uses
                places = uses.pop(declaration.names[0], [])
            for where, position in places:
                route = _route(prefixes, where, position, said[1])
                if route:
                    yield route


def _uses(program: GoProgram) -> dict[str, list[tuple[Declaration, int]]]:
    """Return where each constant is named: as `name`, or `package.name`."""
    found: dict[str, list[tuple[Declaration, int]]] = {
        name: [] for each in program.reached if each.kind == "const" for name in each.names
    }
    for declaration in program.reached:
        for match in _NAMED.finditer(declaration.text) if declaration.kind != "const" else ():
            if match[1] in found:
                found[match[1]].append((declaration, match.start()))
    return found


def _route(prefixes: _Prefixes, declaration: Declaration, position: int, path: str) -> Route | None:
    """Return the route that a path at a position of the text is part of; None where it is not a route."""
    text, where = declaration.text, declaration.where(position)
    call = call_around(text, position)
    rooted = path if path.startswith("/") else f"/{path}"
    if call is None or call.method not in _REGISTERS:
        if not path.startswith("/"):
            return None
        near = text[max(0, position - NEAR) : position]
        if _CASE.search(near) and declaration.all(_URL_PATH):
            return Route(rooted, where)
        listed = call is None and re.search(r"[{,:]\s*$", near)
        return Route(rooted, where, "it is named there, in no route that was understood") if listed else None
    if call.count < 2 and call.method not in _ALONE:
        return None
    if call.place > 1 or (call.place == 1 and not re.search(r'^"[A-Z]+"$|\.Method[A-Z]\w+$|^\[\]string', call.before)):
        return None
    if call.place == 1 and re.search("P(?:ost|OST|ut|UT|atch|ATCH)|D(?:elete|ELETE)", call.before):
        return None
    if _NOT_OURS.match(text, call.end) or not call.receiver:
        return None
    if declaration.imports.get(call.receiver) == "net/http" and call.method not in ("Handle", "HandleFunc"):
        return None  # http.Get: a client
    if not path.startswith("/") and call.method in ("Handle", "HandleFunc", "Path", "PathPrefix"):
        return None
    above = text_of(prefixes.program, declaration, call.joined) if call.joined else ""
    if above is None:
        return Route(rooted, where, f"{call.joined[-60:]} stands before it and is not a literal")
    path = f"{above.rstrip('/')}{rooted}" if above else path
    before = prefixes.of(declaration, call.receiver, call.start)
    if isinstance(before, _Unknown):
        return Route(rooted, where, before.why)
    return Route(joined(before, path), where)


class _Prefixes:
    """What stands before the routes of a router, followed back to where it was made."""

    def __init__(self, program: GoProgram) -> None:
        self.program = program
        self._steps = _STEPS
        self._mounts: dict[Declaration, dict[str, tuple[int, str, str]]] = {}

    def of(self, declaration: Declaration, expression: str, position: int, deep: int = 0) -> str | _Unknown:
        """Return the prefix of a router expression at a position, or why it is not known."""
        self._steps -= 1
        if deep > _DEEP or self._steps < 0:
            return _Unknown("its router was not followed that far")
        base, calls = _chain(expression, declaration.imports)
        if not base:
            return _Unknown("its router was not understood")
        if base in declaration.imports and calls:
            return self._package(declaration, base, calls, deep)
        if declaration.imports.get(base) == "net/http" or expression.startswith("new("):
            return ""
        if not calls and base.partition(".")[0] in declaration.imports:
            return ""  # &http.ServeMux{}
        *inner, last = base.split(".")
        if calls and not calls[0][0] and inner:  # a method's result: s.router()
            before = self._result(declaration, last, deep)
            calls = calls[1:]
        elif calls and not calls[0][0]:
            before = self._result(declaration, base, deep)
            calls = calls[1:]
        elif inner:
            before = self._field(declaration, base, last, position, deep)
        else:
            before = self._variable(declaration, base, position, deep)
        return self._after(declaration, before, calls)

    def _after(
        self, declaration: Declaration, before: str | _Unknown, calls: list[tuple[str, list[str]]]
    ) -> str | _Unknown:
        """Return a prefix with what the calls of a chain put behind it."""
        for name, given in calls:
            if isinstance(before, _Unknown):
                return before
            if name in _PREFIXES and given and not given[0].startswith("func"):
                said = text_of(self.program, declaration, given[0])
                if said is None and name != "With":
                    return _Unknown(f"its prefix {given[0][:60]} is not a literal")
                if said and re.search(r"[{:*<]", said):
                    return _Unknown(f"its prefix {said} holds a parameter")
                before = joined(before, said).rstrip("/") if said else before
            elif name not in _NEUTRAL and name not in _PREFIXES:
                return _Unknown(f"its router comes from {name}, which was not followed")
        return before

    def _package(
        self, declaration: Declaration, base: str, calls: list[tuple[str, list[str]]], deep: int
    ) -> str | _Unknown:
        """Return the prefix of what a package's function makes: `mux.NewRouter()`, `api.Router()`."""
        (name, _), *rest = calls
        inside = [each for each in self.program.named(declaration.imports[base], name) if each.kind == "func"]
        if inside:
            return self._after(declaration, self._returned(inside[0], deep), rest)
        if name in _MAKES:
            return self._after(declaration, "", rest)
        return _Unknown(f"its router comes from {base}.{name}, which was not followed")

    def _result(self, declaration: Declaration, name: str, deep: int) -> str | _Unknown:
        made = [*self.program.named(declaration.package, name), *self.program.methods(name)]
        made = [each for each in made if each.kind == "func"]
        return (
            self._returned(made[0], deep) if made else _Unknown(f"its router comes from {name}, which was not followed")
        )

    def _returned(self, made: Declaration, deep: int) -> str | _Unknown:
        """Return the prefix of the router that a function returns."""
        said = made.all(_RETURN)
        if not said:
            return _Unknown(f"its router comes from {made.names[0]}, which was not followed")
        return self.of(made, said[-1][1][:LONG].strip(), said[-1].start(), deep + 1)

    def _variable(self, declaration: Declaration, name: str, position: int, deep: int) -> str | _Unknown:
        text = declaration.text
        around = closure(text, name, position)
        given = assigned(declaration, name, position)
        if around is not None and (given is None or around > given[0]):
            return self._closed(declaration, around, deep)
        if given is not None:
            return self._mounted(declaration, name, self.of(declaration, given[1], given[0], deep + 1), deep)
        if declaration.first(re.compile(rf"\bvar\s+{re.escape(name)}\s++[*\w.]++\s*\n"), 0, position):
            return self._mounted(declaration, name, "", deep)
        place = parameter(declaration, name)
        if place is not None:
            return self._called(declaration, place, deep)
        for each in self.program.named(declaration.package, name):
            _, equals, value = each.text.partition("=")
            if each.kind == "var" and equals:
                return self._mounted(each, name, self.of(each, value[:LONG].strip(), 0, deep + 1), deep)
        if declaration.kind == "func" and re.match(rf"func\s*\(\s*{name}\b", text):
            return _Unknown(f"its router is part of {name}, which was not followed")
        return self._set_elsewhere(declaration, name, deep)

    def _set_elsewhere(self, declaration: Declaration, name: str, deep: int) -> str | _Unknown:
        """Return the prefix of a package's variable that another function sets."""
        for each in self.program.reached:
            given = assigned(each, name, len(each.text)) if each.package == declaration.package else None
            if given:
                return self.of(each, given[1], given[0], deep + 1)
        return _Unknown(f"its router {name} was not found")

    def _field(self, declaration: Declaration, path: str, last: str, position: int, deep: int) -> str | _Unknown:
        """Return the prefix of a router that a struct holds, from where it is put there."""
        here = assigned(declaration, path, position)
        if here is not None:
            return self.of(declaration, here[1], here[0], deep + 1)
        found: list[str | _Unknown] = []
        pattern = re.compile(rf"(?:\.{last}\s*=(?!=)|\b{last}:)\s*")
        for each, match in self._all(pattern):
            value = expression_at(each.text, match.end()) if each.package == declaration.package else ""
            if value:
                found.append(self.of(each, value, match.start(), deep + 1))
        known = {each for each in found if isinstance(each, str)}
        if len(known) > 1:
            return _Unknown(f"its router {path} is set to several")
        return next(iter(known), next(iter(found), _Unknown(f"its router {path} was not found")))

    def _closed(self, declaration: Declaration, opening: int, deep: int) -> str | _Unknown:
        """Return the prefix of the router that a function literal gets: of `r.Route("/api", func(r chi.Router) …)`."""
        call = call_around(declaration.text, opening)
        if call is None or call.method not in _PREFIXES:
            return _Unknown("its router is given to a function literal, which was not followed")
        before = self.of(declaration, call.receiver, call.start, deep + 1)
        return self._after(declaration, before, [(call.method, [call.before])] if call.place else [])

    def _called(self, declaration: Declaration, place: int, deep: int) -> str | _Unknown:
        """Return the prefix of a parameter: of what the function is called with, a plain one where there is one."""
        name, found = declaration.names[0], list[str | _Unknown]()
        for each, match in self._all(re.compile(rf"(?:\b(\w++)\s*+)?(\.\s*)?\b{name}\(")):
            if each is declaration and match.start() < each.text.find("{"):
                continue
            package = each.imports.get(match[1] or "", "") if match[2] else each.package
            given = spans(each.text, match.end() - 1)
            if len(given) > place and ((declaration.receiver and match[2]) or package == declaration.package):
                start, end = given[place]
                argument = each.text[start : min(end, start + LONG)].lstrip("&")
                found.append(self.of(each, argument, match.start(), deep + 1))
        if declaration.receiver and len(self.program.methods(name)) > 1 and len(set(found)) > 1:
            return _Unknown(f"{name} is called with several prefixes")
        unknown = next(iter(found), _Unknown(f"where {name} is called was not found"))
        return next((each for each in found if isinstance(each, str)), unknown)

    def _mounted(self, declaration: Declaration, name: str, before: str | _Unknown, deep: int) -> str | _Unknown:
        """Return a prefix with that of the place where the router is mounted, here or by who called the function."""
        if before != "":
            return before
        here = self._mount(declaration, name, deep)
        if here is not None:
            return here
        if declaration.kind != "func" or not re.search(rf"\breturn\b[^\n]*\b{name}\b", declaration.text):
            return before
        made = declaration.names[0]
        called = re.compile(rf"\b{made}\(")
        for each in self.program.reached:
            heads = (
                _SET_BY_CALL.search(each.text, max(0, at - NEAR), at) for at in map(re.Match.start, each.all(called))
            )
            for what in (f"{made}(", *(head[1] for head in heads if head)):
                here = self._mount(each, what, deep)
                if here is not None:
                    return here
        return before

    def _mount(self, declaration: Declaration, what: str, deep: int) -> str | _Unknown | None:
        """Return the prefix of `r.Mount("/api", WHAT)` and the like in a declaration; None where there is none."""
        if declaration not in self._mounts:
            self._mounts[declaration] = mounts(declaration)
        mount = self._mounts[declaration].get(what)
        if mount is None:
            return None
        at, method, prefix = mount
        said = self.program.text(declaration, prefix)
        if said is None:
            return _Unknown(f"its prefix {prefix[:60]} is not a literal")
        _, router = receiver(declaration.text, at)
        above = "" if method == "StripPrefix" else self.of(declaration, router, at, deep + 1)
        return self._after(declaration, above, [("Prefix", [prefix])])

    def _all(self, pattern: re.Pattern[str]) -> Iterator[tuple[Declaration, re.Match[str]]]:
        """Yield each match of a pattern, as long as there are steps to follow it."""
        for each in self.program.reached:
            for match in each.all(pattern):
                if self._steps < 0:
                    return
                yield each, match


def _chain(expression: str, imports: Mapping[str, str]) -> tuple[str, list[tuple[str, list[str]]]]:
    """Split `a.b(x).C(y)` into its first names and its calls; a call of the first name itself has an empty name.

    `r.Group("/x")` is `r` with the call `Group`, `s.mux.Group("/x")` is `s.mux`, `api.Router()` of a package is `api`
    with `Router`, and `router()` or `s.router()` is `router` or `s.router` with an empty name.
    """
    text = expression.strip()
    head = re.match(r"&?([\w.]*\w)", text)
    if not head:
        return "", []
    base, at = head[1], head.end()
    calls: list[tuple[str, list[str]]] = []
    pending: str | None = None
    if text.startswith("(", at):
        before, _, last = base.rpartition(".")
        called = before and (before in imports or last in _PREFIXES | _NEUTRAL)
        base, pending = (before, last) if called else (base, "")
    while True:
        if text.startswith("(", at):
            calls.append((pending or "", arguments(text, at)))
            at, pending = closing(text, at) + 1, None
        elif word := _STEP.match(text, at):
            at, pending = word.end(), word[1]
        else:
            return base, calls
