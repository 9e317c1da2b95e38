"""Nothing is drawn that nobody measured: each field of a run's record has a producer, and one that is drawn has a field.

Producers are read as source (which fields do they give?), renderers too (which do they take?), so that a field that
loses its last producer fails here, and not before a person reads a figure.
"""

import ast
import functools
import json
import types
import typing
from pathlib import Path

import jinja2
import msgspec
import pytest
from jinja2 import nodes

from goferry.kernel.errors import Failed
from goferry.observe import _timeline as timeline, events, failed_step, notify, record, report
from goferry.observe.failed_step import FailedStep
from goferry.runner import _failure as failure


def is_record(thing):
    """Whether it is a frozen type of ours with fields."""
    ours = isinstance(thing, type) and issubclass(thing, msgspec.Struct) and thing is not msgspec.Struct
    return ours and thing.__struct_config__.frozen


ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "goferry"
TYPES = {name: each for name, each in vars(record).items() if is_record(each)}
FIELDS = [(name, field) for name, each in TYPES.items() for field in each.__struct_fields__]
RENDERERS = [SOURCE / "observe" / name for name in ("summary.py", "report.py", "_outcome.py")]
PRODUCERS = sorted(
    path
    for room in (SOURCE / "pipeline", SOURCE / "actions", ROOT / "examples" / "demo_parts")
    for path in room.rglob("*.py")
)


def given(paths):
    """Return (type, field) of every keyword in a call that makes a record, and of `replace` by the field's name."""
    found = set()
    for path in paths:
        tree = ast.parse(path.read_text())
        imported = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "goferry.observe.record"
            for alias in node.names
        }
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and imported):
                continue
            keys = {keyword.arg for keyword in call.keywords}
            if call.func.id in imported:
                assert not call.args, f"{path.name} line {call.lineno}: give the record's fields by name"
                found |= {(imported[call.func.id], key) for key in keys}
            elif call.func.id == "replace":
                found |= {(name, key) for name, key in FIELDS if key in keys}
    return found


@functools.cache
def read_by_python():
    trees = [ast.parse(path.read_text()) for path in RENDERERS]
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def item_of(hint):
    """Return what a field of this type holds: X of `X | None` and of `tuple[X, ...]`."""
    arguments = [each for each in typing.get_args(hint) if each not in (type(None), Ellipsis)]
    whole = typing.get_origin(hint) in (tuple, types.UnionType, typing.Union)
    return arguments[0] if whole and arguments else hint


class Template:
    """The report's template, each access in it resolved to a type; `found` are the (type, field) that it draws."""

    def __init__(self, text):
        self.found = set()
        roots = {"run": record.Run, "timeline": timeline.Timeline, "stopped": events.Event, "warnings": str}
        roots |= {"sentence": str, "tiles": report.ReportTile, "loop": object}
        self.walk(jinja2.Environment().parse(text), roots)

    def walk(self, node, names):
        if isinstance(node, nodes.For):
            self.walk(node.iter, names)
            names = {**names, node.target.name: self.type_of(node.iter, names)}
            for child in (*node.body, *node.else_):
                self.walk(child, names)
            return
        if isinstance(node, nodes.Getattr | nodes.Name):
            self.type_of(node, names)
            return
        for child in node.iter_child_nodes():
            self.walk(child, names)

    def type_of(self, node, names):
        if isinstance(node, nodes.Name):
            assert node.name in names, f"the template draws {node.name}, which nobody gives it"
            return names[node.name]
        if isinstance(node, nodes.Filter):
            return self.type_of(node.node, names)
        assert isinstance(node, nodes.Getattr), node
        holder = self.type_of(node.node, names)
        if not is_record(holder):
            assert holder is object, f"{holder}.{node.attr}"
            return object
        hints = typing.get_type_hints(holder)
        assert node.attr in hints, f"the template draws {holder.__name__}.{node.attr}, which no record has"
        self.found.add((holder.__name__, node.attr))
        return item_of(hints[node.attr])


@pytest.fixture(scope="module")
def template():
    return Template((SOURCE / "observe" / report.TEMPLATE).read_text())


@pytest.fixture(scope="module")
def produced():
    return given(PRODUCERS)


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_every_field_has_a_producer_and_is_drawn(kind, field, produced, template):
    assert (kind, field) in produced, f"nobody gives {kind}.{field}: take it away, or measure it"
    assert field in read_by_python() or (kind, field) in template.found, f"nothing draws {kind}.{field}"


@pytest.mark.parametrize("drawn", ["run.since_push", "run.services[0].host", "service.gap", "facts.project"])
def test_a_template_that_draws_more_is_found(drawn):
    text = "{% for service in run.services %}{{ DRAWN }}{% endfor %}".replace("DRAWN", drawn.replace("[0]", ""))
    with pytest.raises(AssertionError):
        Template(text)


def test_a_producer_that_is_gone_is_found(tmp_path):
    some = tmp_path / "some.py"
    some.write_text("from goferry.observe.record import RunHost as H\nH(name='web-1', uploaded=1)\n")
    assert given([some]) == {("RunHost", "name"), ("RunHost", "uploaded")}
    some.write_text("from goferry.observe.record import RunHost\nRunHost('web-1')\n")
    with pytest.raises(AssertionError):
        given([some])


EMITTERS = sorted(
    {*SOURCE.rglob("*.py"), *(ROOT / "examples").glob("*.py"), *(ROOT / "examples" / "demo_parts").glob("*.py")}
)


def told(paths):
    """Return the keys of numbers that spans carry, `*` for what a key is made of, and the levels of notes."""
    keys, levels = set(), {"info"}
    for node in (node for path in paths for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names = {keyword.arg for keyword in node.keywords}
            if node.func.attr in ("span", "progress") or ast.unparse(node.func).endswith("numbers.update"):
                keys |= names - {"target", "host", "parent"}
            if node.func.attr == "note":
                levels |= {
                    each.value
                    for each in [*node.args[1:], *(one.value for one in node.keywords)]
                    if isinstance(each, ast.Constant)
                }
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store)
            and ast.unparse(node.value).endswith("numbers")
        ):
            parts = node.slice.values if isinstance(node.slice, ast.JoinedStr) else [node.slice]
            keys.add("".join(part.value if isinstance(part, ast.Constant) else "*" for part in parts))
    return keys, levels


def drawn(path):
    """Return the keys of numbers that a renderer knows by name, `*_ms` for an ending, and the levels that it knows."""
    keys, levels = set(), set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and ast.unparse(node.left) == "event.level":
            levels |= constants(*node.comparators)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("numbers.get"):
            keys.add(node.args[0].value)
    takes_key = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and "key" in [each.arg for each in node.args.args]
    ]
    for node in (node for function in takes_key for node in ast.walk(function)):
        if isinstance(node, ast.Compare) and ast.unparse(node.left) == "key":
            keys |= constants(*node.comparators)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "key.endswith":
            keys |= {f"*{each}" for each in constants(*node.args)}
    return keys, levels


def constants(*expressions):
    return {each.value for one in expressions for each in ast.walk(one) if isinstance(each, ast.Constant)}


DRAWN = sorted([*(SOURCE / "observe").glob("*.py"), *(SOURCE / "runner").glob("*.py")])


def untold(path, keys, levels):
    """Return what a renderer knows of events and nobody tells."""
    known, wanted = drawn(path)
    ends = {key for key in known if key.startswith("*")}
    return sorted(
        {key for key in ends if not any(each.endswith(key[1:]) for each in keys)}
        | (known - ends - keys)
        | (wanted - levels)
    )


def test_every_number_and_level_that_is_drawn_by_name_is_told_by_a_stage():
    keys, levels = told(EMITTERS)
    assert {path.name: found for path in DRAWN if (found := untold(path, keys, levels))} == {}
    assert {"bytes", "*_bytes", "*_ms", "digest"} <= drawn(SOURCE / "observe" / "humanize.py")[0]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("total = event.numbers.get('total')", ["total"]),
        ("def number(key): return key in {'bytes', 'size'}", ["size"]),
        ("def number(key): return key.endswith(('_ms', '_seconds'))", ["*_seconds"]),
        ("it = event.level in {'warning', 'error'}", ["error"]),
        ("def number(key): return key == 'bytes' and event.level == 'warning'", []),
    ],
)
def test_a_number_or_level_that_nobody_tells_is_found(tmp_path, line, found):
    path = tmp_path / "some.py"
    path.write_text(line + "\n")
    assert untold(path, *told(EMITTERS)) == found


def test_notifications_tell_what_a_failed_step_leaves_behind():
    """All of it but the exit code and the page of documentation, which a reader of the message has no use for."""
    error = Failed("it", state="so", advice=["do"])
    left = failure.record(error, stage="build", lines=["a", "b"], action="deploy")
    assert all(getattr(left, name) for name in FailedStep.__struct_fields__)
    told = notify.DeliveryFailure.of(failed_step.read(left.as_json()), "build")
    assert all(getattr(told, name) for name in notify.DeliveryFailure.__struct_fields__)
    untold = {*FailedStep.__struct_fields__} - {*notify.DeliveryFailure.__struct_fields__}
    assert untold == {"exit_code", "docs"}


@pytest.mark.parametrize("value", [None, 7, 1.5, True, "x", "\ud800", [], ["x", 7, None, ["y"]], {"x": "y"}])
@pytest.mark.parametrize("name", FailedStep.__struct_fields__)
def test_a_failed_step_that_was_written_by_somebody_else_has_fields_of_its_types_alone(name, value):
    step = failed_step.read(json.dumps({name: value, "more": value}))
    assert msgspec.convert(msgspec.to_builtins(step), FailedStep) == step
    for other in {*FailedStep.__struct_fields__} - {name}:
        assert getattr(step, other) == getattr(FailedStep(), other)


@pytest.mark.parametrize("text", ["", "null", "[]", "7", "{", "[" * 100_000])
def test_what_is_no_failed_step_is_none(text):
    assert failed_step.read(text) is None
