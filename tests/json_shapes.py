"""What `--json` prints, read from the code that makes it: key paths and JSON types, without running a command.

A shape is `"string"`, `"number"`, `"boolean"`, `"any"` where the code does not say, a list of one shape, or an object of
shapes; `"*"` stands for keys that are names of the user's. A function is read by what it returns: displays of
dictionaries as they are written, calls by what the called function returns, values by their annotations. So a record that
becomes a frozen type has the same shape as the dictionary that it was.
"""

import ast
import collections.abc
import dataclasses
import enum
import functools
import importlib
import inspect
import operator
import pathlib
import textwrap
import types
import typing

import click
import msgspec

from goferry.cli.commands import COMMANDS
from goferry.deploy import destination
from goferry.deploy._overview import FleetLogs, FleetStatus, Logs
from goferry.deploy.contract import ShownLogs, ShownStatus, Target
from goferry.deploy.live import LiveService, Status
from goferry.gobuild import ledger_services
from goferry.host.view import Shown, View
from goferry.kernel.services import Declared

ANY, TEXT, NUMBER, FLAG = "any", "string", "number", "boolean"
PLAIN = {str: TEXT, int: NUMBER, float: NUMBER, bool: FLAG, pathlib.Path: TEXT}
CALLS = {"str": TEXT, "len": NUMBER, "round": NUMBER, "sum": NUMBER, "int": NUMBER, "bool": FLAG}
SEQUENCES = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Iterator)
CONTRACTS = {
    Target: tuple(map(destination.of_name, destination.TARGETS)),
    ShownStatus: (Status, FleetStatus),
    ShownLogs: (Logs, FleetLogs),
}
"""What a contract's methods return is what its classes return."""
MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def merged(one, other):
    """Return the shape of what is either."""
    if one in (None, ANY) or one == other:
        return other if other is not None else one
    if other in (None, ANY):
        return one
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: merged(one.get(key), other.get(key)) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [merged(one[0], other[0])]
    return ANY


def tidied(shape):
    """Return the shape without what is not known beside what is."""
    if isinstance(shape, list):
        return [tidied(shape[0])]
    if not isinstance(shape, dict):
        return shape
    known = {key: tidied(each) for key, each in shape.items() if key != "*" or len(shape) == 1 or not _vague(each)}
    return known or ANY


def of_type(kind, seen=()):
    """Return the shape of a type's values."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return functools.reduce(merged, [of_type(each, seen) for each in inner if each is not type(None)], None)
    if origin is typing.Literal:
        return of_type(type(inner[0]))
    if kind in SEQUENCES or origin in SEQUENCES:
        return [of_type(inner[0], seen) if inner else ANY]
    if kind in MAPPINGS or origin in MAPPINGS:
        return {"*": of_type(inner[1], seen)} if inner else ANY
    if isinstance(kind, type) and kind not in seen:
        if issubclass(kind, enum.Enum):
            return of_type(type(next(iter(kind)).value))
        if dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct) or hasattr(kind, "_fields"):
            names = dict(
                zip(getattr(kind, "__struct_fields__", ()), getattr(kind, "__struct_encode_fields__", ()), strict=True)
            )
            hints = {name: hint for name, hint in _hints(kind).items() if not name.startswith("_")}
            return {names.get(name, name): of_type(hint, (*seen, kind)) for name, hint in hints.items()}
        return next((PLAIN[each] for each in kind.__mro__ if each in PLAIN), ANY)
    return ANY


@functools.cache
def _hints(thing):
    """Return the annotations of a class or function of ours."""
    if not str(getattr(thing, "__module__", "")).startswith("goferry."):
        return {}
    found = typing.get_type_hints(thing, localns=_for_checkers(thing.__module__))
    return {name: hint for name, hint in found.items() if typing.get_origin(hint) is not typing.ClassVar}


@functools.cache
def _for_checkers(module):
    """Return the names that a module imports for annotations alone."""
    source, found = inspect.getsource(importlib.import_module(module)), {}
    for node in ast.parse(source).body if "TYPE_CHECKING" in source else ():
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            for each in node.body:
                found.update(_imported(each) if isinstance(each, ast.ImportFrom) else {})
                found.update(
                    {
                        a.asname or a.name: importlib.import_module(a.name)
                        for a in getattr(each, "names", ())
                        if isinstance(each, ast.Import)
                    }
                )
    return found


def _imported(node):
    found = {}
    module = importlib.import_module(node.module)
    for each in node.names:
        if not hasattr(module, each.name):
            importlib.import_module(f"{node.module}.{each.name}")
        found[each.asname or each.name] = getattr(module, each.name)
    return found


@functools.cache
def returned(function):
    """Return the shape of what a function returns, whatever it is given."""
    return read(function, {})


def read(function, given):
    """Return the shape of what a function returns where its parameters are of the shapes that are `given`."""
    if function in HOSTS:
        return HOSTS[function]()
    hint = _hints(function).get("return", typing.Any)
    by_type = of_type(hint)
    if not _open(by_type):
        return by_type
    scope = Scope(function, given)
    found = None
    for node in scope.own():
        if isinstance(node, ast.Return) and node.value is not None:
            found = merged(found, scope.shape(node.value))
    return by_type if found is None else merged(found, by_type) if _open(found) else found


def _open(shape):
    """Whether the code of a function may say more of a shape than its annotation did."""
    return _vague(shape) or (isinstance(shape, dict) and "*" in shape)


def _vague(shape):
    return (
        shape == ANY
        or (isinstance(shape, dict) and _vague(shape.get("*")))
        or (isinstance(shape, list) and _vague(shape[0]))
    )


class Scope:
    """One function's names: what their values are, as far as the code says."""

    def __init__(self, function, given=types.MappingProxyType({}), *, learn=True):
        function = inspect.unwrap(function)
        self.tree = _tree(function)
        self.space = {**function.__globals__, **_for_checkers(function.__module__)}
        self.types = {name: hint for name, hint in _hints(function).items() if name != "return"}
        if "." in function.__qualname__:
            owner = functools.reduce(
                getattr, function.__qualname__.split(".")[:-1], importlib.import_module(function.__module__)
            )
            self.types.setdefault("self", owner)
        self.values, self.done = {}, dict(given)
        for node in self.own() if learn else ():
            self._learn(node)

    def own(self):
        """Return the nodes of the function in the order of its text, without functions inside of it."""
        waiting = list(self.tree.body)
        while waiting:
            node = waiting.pop(0)
            yield node
            if not isinstance(node, ast.FunctionDef | ast.Lambda):
                waiting[:0] = list(ast.iter_child_nodes(node))

    def _learn(self, node):
        if isinstance(node, ast.ImportFrom):
            self.space.update(_imported(node))
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value is not None:
            self._assign(node.target, node.value)
        elif isinstance(node, ast.With):
            for item in node.items:
                if item.optional_vars is not None:
                    self._type(item.optional_vars, self.kind(item.context_expr))
        elif isinstance(node, ast.For | ast.comprehension):
            self._type(node.target, self._each(self.kind(node.iter)))

    def _assign(self, target, value):
        if isinstance(target, ast.Name):
            self.values.setdefault(target.id, []).append(("", value))
            self._type(target, self.kind(value))
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, each in zip(target.elts, value.elts, strict=False):
                self._assign(one, each)
        elif isinstance(target, ast.Tuple):
            self._type(target, self.kind(value))
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            key = target.slice.value if isinstance(target.slice, ast.Constant) else "*"
            self.values.setdefault(target.value.id, []).append((key, value))

    def _type(self, target, kind):
        if isinstance(target, ast.Name) and kind is not None:
            self.types.setdefault(target.id, kind)
        elif isinstance(target, ast.Tuple):
            for one, each in zip(target.elts, typing.get_args(kind), strict=False):
                self._type(one, each)

    @staticmethod
    def _each(kind):
        inner = typing.get_args(kind)
        return (
            inner[0]
            if inner and (typing.get_origin(kind) in SEQUENCES or typing.get_origin(kind) in MAPPINGS)
            else None
        )

    def found(self, node):
        """Return the object that an expression names, or None."""
        if isinstance(node, ast.Name):
            return self.space.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.found(node.value)
            if owner is None:
                kind = self.kind(node.value)
                owner = typing.get_origin(kind) or kind
            member = getattr(owner, node.attr, None) if owner is not None else None
            return member if callable(member) or inspect.ismodule(member) else None
        return None

    def _member(self, node):
        owner = self.kind(node.value)
        return getattr(owner, node.attr, None) if isinstance(owner, type) else None

    def kind(self, node):
        """Return the type of an expression's value, or None."""
        if isinstance(node, ast.Name):
            return self.types.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.kind(node.value)
            member = self._member(node)
            if isinstance(member, property):
                return _hints(member.fget).get("return")
            if isinstance(member, functools.cached_property):
                return _hints(member.func).get("return")
            if not isinstance(owner, type):
                return None
            return _hints(owner).get(node.attr) or _kept(owner, node.attr)
        if isinstance(node, ast.ListComp):
            self._learn_all(node)
            each = self.kind(node.elt)
            return list[each] if each is not None else None
        if isinstance(node, ast.Call):
            return self._made(node)
        if isinstance(node, ast.IfExp | ast.BoolOp):
            options = [node.body, node.orelse] if isinstance(node, ast.IfExp) else node.values
            return next((kind for kind in map(self.kind, options) if kind not in (None, type(None))), None)
        return None

    def _made(self, node):
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("items", "values", "keys"):
            inner = typing.get_args(self.kind(node.func.value))
            if len(inner) == 2:
                each = {"items": tuple[inner], "values": inner[1], "keys": inner[0]}[node.func.attr]
                return types.GenericAlias(list, each)
        if isinstance(node.func, ast.Name) and node.func.id in ("sorted", "list", "tuple") and node.args:
            return self.kind(node.args[0])
        if methods := self._methods(node):
            return functools.reduce(operator.or_, [_hints(each)["return"] for each in methods])
        made = self.found(node.func)
        if isinstance(made, type):
            return made
        if typing.get_origin(made) is collections.abc.Callable:
            return typing.get_args(made)[1]
        if (
            isinstance(node.func, ast.Name)
            and typing.get_origin(self.types.get(node.func.id)) is collections.abc.Callable
        ):
            return typing.get_args(self.types[node.func.id])[1]
        return (
            _hints(inspect.unwrap(made)).get("return")
            if inspect.isroutine(made) and hasattr(made, "__module__")
            else None
        )

    def shape(self, node):
        """Return the shape of an expression's value."""
        known = getattr(self, f"_of_{type(node).__name__.lower()}", None)
        shape = known(node) if known else None
        if shape is None and not (isinstance(node, ast.Constant) and node.value is None):
            return of_type(self.kind(node)) or ANY
        return shape

    def _of_constant(self, node):
        return of_type(type(node.value)) if node.value is not None else None

    def _of_joinedstr(self, node):
        return TEXT

    def _of_compare(self, node):
        return FLAG

    def _of_unaryop(self, node):
        return FLAG if isinstance(node.op, ast.Not) else None

    def _of_dict(self, node):
        entries = [self._entry(*pair) for pair in zip(node.keys, node.values, strict=True)]
        return functools.reduce(merged, entries, None) or ANY

    def _of_dictcomp(self, node):
        self._learn_all(node)
        return {key: self.shape(node.value) for key in self._listed(node)}

    def _of_list(self, node):
        return [functools.reduce(merged, map(self._item, node.elts), None) or ANY]

    _of_tuple = _of_list

    def _of_listcomp(self, node):
        self._learn_all(node)
        return [self.shape(node.elt) or ANY]

    _of_generatorexp = _of_setcomp = _of_listcomp

    def _of_ifexp(self, node):
        return merged(self.shape(node.body), self.shape(node.orelse))

    def _of_boolop(self, node):
        return functools.reduce(merged, map(self.shape, node.values))

    def _of_binop(self, node):
        joins = isinstance(node.op, ast.BitOr | ast.Add)
        return merged(self.shape(node.left), self.shape(node.right)) if joins else None

    def _of_name(self, node):
        return self._named(node.id)

    def _of_attribute(self, node):
        member = self._member(node)
        return returned(member.fget) if isinstance(member, property) else None

    def _of_subscript(self, node):
        whole = self.shape(node.value) if isinstance(node.slice, ast.Constant) else None
        return whole.get(node.slice.value, ANY) if isinstance(whole, dict) else None

    def _named(self, name):
        declared, assigned = of_type(self.types.get(name)), self._assigned(name)
        if assigned is None:
            return declared
        return assigned if _vague(declared) else merged(declared, assigned)

    def _assigned(self, name):
        found = None
        for key, value in self.values.pop(name, ()):  # a value that names itself is read once
            shape = self.shape(value)
            found = merged(found, {key: shape} if key else shape)
        self.done[name] = merged(self.done.get(name), found)
        return self.done[name]

    def _learn_all(self, node):
        for each in node.generators:
            self._learn(each)

    @staticmethod
    def _listed(node):
        """Return the keys of a comprehension over a tuple of names, else `*`."""
        over = node.generators[0].iter
        if isinstance(over, ast.Tuple) and all(isinstance(each, ast.Constant) for each in over.elts):
            return [each.value for each in over.elts]
        return ["*"]

    def _item(self, node):
        if isinstance(node, ast.Starred):
            whole = self.shape(node.value)
            return whole[0] if isinstance(whole, list) else ANY
        return self.shape(node)

    def _entry(self, key, value):
        if key is None:
            whole = self.shape(value)
            return whole if isinstance(whole, dict) else None
        return {key.value if isinstance(key, ast.Constant) else "*": self.shape(value)}

    def _methods(self, node):
        """Return the functions that a call of a method may call: one for each class of a contract or of a union."""
        if not isinstance(node.func, ast.Attribute):
            return []
        kind = self.kind(node.func.value)
        union = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
        owners = [owner for each in union for owner in CONTRACTS.get(each, (each,))]
        found = [inspect.getattr_static(owner, node.func.attr, None) for owner in owners if owner is not None]
        return [each for each in found if isinstance(each, types.FunctionType)] if len(found) > 1 else []

    def _of_call(self, node):
        if methods := self._methods(node):
            return functools.reduce(merged, map(returned, methods))
        builtin = node.func.id if isinstance(node.func, ast.Name) else ""
        if builtin in ("list", "tuple", "sorted", "dict") and node.args:
            return self.shape(node.args[0])
        if builtin in CALLS:
            return CALLS[builtin]
        called = builtin or getattr(node.func, "attr", "")
        if called == "asdict":
            return of_type(self.kind(node.args[0]))
        if called == "to_builtins":
            return self._filled(node.args[0]) or of_type(self.kind(node.args[0]))
        made = self.found(node.func)
        if not (isinstance(made, types.FunctionType) and made.__module__.startswith("goferry.")):
            return None
        given = self._given(made, node)
        return read(made, given) if given else returned(made)

    def _filled(self, node):
        """Return the shape of an object of ours: its fields' types, and what its maker gives those that say little."""
        calls = [value for _, value in self.values.get(node.id, ())] if isinstance(node, ast.Name) else [node]
        makers = [self.found(call.func) for call in calls if isinstance(call, ast.Call)]
        found = None
        for maker in (maker for maker in makers if isinstance(maker, types.FunctionType)):
            scope = Scope(maker)
            ends = [each.value for each in scope.own() if isinstance(each, ast.Return)]
            for call in (
                each for each in ends if isinstance(each, ast.Call) and isinstance(scope.found(each.func), type)
            ):
                given = {each.arg: each.value for each in call.keywords}
                by_type = of_type(scope.found(call.func))
                shape = {
                    name: merged(scope.shape(given[name]), each) if _open(each) and name in given else each
                    for name, each in by_type.items()
                }
                found = merged(found, shape)
        return found

    def _given(self, made, node):
        """Return parameter → shape of the dictionaries that a call hands on."""
        names = list(inspect.signature(made).parameters)
        pairs = [*zip(names, node.args, strict=False), *((each.arg, each.value) for each in node.keywords)]
        shapes = {name: self.shape(value) for name, value in pairs if name and isinstance(value, ast.Name | ast.Dict)}
        return {name: shape for name, shape in shapes.items() if isinstance(shape, dict) and not _vague(shape)}


@functools.cache
def _makers(owner):
    """Return attribute → the value that an object of a class of ours keeps from its making."""
    made = owner.__init__
    if (
        not isinstance(made, types.FunctionType)
        or not made.__module__.startswith("goferry.")
        or hasattr(owner, "__dataclass_fields__")
    ):
        return {}
    found = [(node.targets[0], node.value) for node in ast.walk(_tree(made)) if isinstance(node, ast.Assign)]
    return {target.attr: value for target, value in found if isinstance(target, ast.Attribute)}


def _kept(owner, name):
    value = _makers(owner).get(name)
    return _bare(owner.__init__).kind(value) if value is not None else None


@functools.cache
def _bare(function):
    return Scope(function, learn=False)


@functools.cache
def _tree(function):
    return ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]


HOSTS = {
    ledger_services.services: lambda: {"*": of_type(Declared)},
    LiveService.as_json: lambda: {**of_type(Shown), **returned(View.changed)["*"]},
}
"""What comes from a host's agent is what the agent's own code returns, and a service is as the kernel declares it."""


def of_commands():
    """Return command → the shape of its object, or a list of one where it prints many; errors aside."""
    found = {}
    for name, (module, _) in COMMANDS.items():
        command = importlib.import_module(f"goferry.cli.{module}").command
        each = (
            {f"{name} {sub}": one for sub, one in command.commands.items()}
            if isinstance(command, click.Group)
            else {name: command}
        )
        for called, one in each.items():
            shape = _results(one.callback)
            found[called] = {"ok": FLAG, **tidied(shape)} if isinstance(shape, dict) else tidied(shape) or ANY
    return found


def _results(function):
    """Return the shape of what a command's function, and those that it gives its output to, hand to `output.result`."""
    scope, found = Scope(function), None
    for node in scope.own():
        if not isinstance(node, ast.Call) or not node.args:
            continue
        first = node.args[0]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "result":
            found = _either(found, scope.shape(first))
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "each":
            found = _either(found, [scope.shape(first)])  # a line of JSON each
        elif isinstance(first, ast.Name) and first.id == "output" and inspect.isfunction(scope.found(node.func)):
            found = _either(found, _results(scope.found(node.func)))
    return found


def _either(one, other):
    """Return the shape of what a command prints: its one object, else of each of many."""
    pair = [each for each in (one, other) if isinstance(each, dict)]
    return pair[0] if len(pair) == 1 else merged(one, other)
