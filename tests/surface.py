"""Everything public that Goferry has, collected from the code as it is now: `collect()`, and `differences` of two.

What a user, a workflow, a script that reads `--json`, another version's host or a download page may rely on is here;
what messages and help say is not.
"""

import copy
import hashlib
import importlib
import json
from pathlib import Path

import click
import json_shapes
import yaml
from docs_generator import generator

from goferry.cli.commands import COMMANDS
from goferry.config import describe
from goferry.host.__main__ import VERBS
from goferry.kernel import errors, manifest, protocol
from goferry.kernel.checksums import LIST

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
UNSET = "Sentinel.UNSET"
UNKNOWN = ("any", {"*": "any"})
PROBES = {
    "an identifier": "a-1",
    "text": "a b/c",
    "32 hex digits": "4bf92f3577b34da6a3ce929d0e0e4736",
    "commit": "commit",
    "number": 7,
    "number below 0": -7,
    "flag": True,
    "list of texts": ["a b"],
    "object": {"a": "b"},
    "null": None,
}
"""What a field of a request is tried with: what it takes is its type."""


def collect():
    """Return the public surface: JSON types, sorted wherever order says nothing."""
    documentation = generator()
    return {
        "actions": _actions(),
        "commands": _commands(),
        "configuration": _without(describe.schema(), "description"),
        "dist": _dist(),
        "errors": _errors(documentation),
        "exit codes": {
            kind.__name__: kind.exit_code
            for kind in errors.GoferryError.__subclasses__()
            if kind.__module__ == errors.__name__
        },
        "host commands": {name: verb.words for name, verb in VERBS.items()},
        "json": json_shapes.of_commands(),
        "json of errors": json_shapes.tidied(
            {**json_shapes.returned(errors.GoferryError.as_json), **json_shapes.returned(errors.Refused.as_json)}
        ),
        "wire": _wire(),
        "workflows": _workflows(),
    }


def text():
    """Return the surface as its file has it."""
    return json.dumps(collect(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def differences(before, now, path=()):
    """Return the paths at which two surfaces differ, `a > b > c` each; where a shape was or is not known, none."""
    if before == now or (path[:1] == ("json",) and any(shape in UNKNOWN for shape in (before, now))):
        return []
    if isinstance(before, list) and isinstance(now, list) and path[:1] == ("json",):
        return differences(before[0], now[0], (*path, "[]"))
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [" > ".join(path)]
    found = []
    for key in sorted({**before, **now}):
        both = key in before and key in now
        found += differences(before[key], now[key], (*path, key)) if both else [" > ".join((*path, key))]
    return found


def _commands():
    found = {"": _command(importlib.import_module("goferry.cli.main").goferry)}
    for name, (module, _) in COMMANDS.items():
        command = importlib.import_module(f"goferry.cli.{module}").command
        found[name] = _command(command)
        for under, each in getattr(command, "commands", {}).items():
            found[f"{name} {under}"] = _command(each)
    return found


def _command(command):
    command = copy.copy(command)
    command._help_option = None  # click keeps the one that it made first, with the names of another context
    context = click.Context(command, info_name="goferry")
    options, arguments = {}, []
    for each in command.get_params(context):
        about = _parameter(each)
        if isinstance(each, click.Argument):
            arguments.append({"name": each.human_readable_name, **about})
        else:
            options[", ".join(sorted([*each.opts, *each.secondary_opts], key=len))] = about
    return {"arguments": arguments, "options": options}


def _parameter(each):
    default = each.default() if callable(each.default) else each.default
    shown = json.loads(json.dumps(default, default=str))
    about = {
        "type": "flag" if getattr(each, "is_flag", False) else _type(each.type),
        "required": each.required,
        "several": each.nargs == -1 or getattr(each, "multiple", False),
        "default": None if shown == UNSET else shown,
    }
    return {key: value for key, value in about.items() if value not in (None, False)}


def _type(kind):
    if isinstance(kind, click.Choice):
        return [str(choice) for choice in kind.choices]
    if isinstance(kind, click.IntRange | click.FloatRange):
        return f"{kind.name} {kind.min} to {kind.max}"
    return kind.name


def _without(value, key):
    """Return the value without a key of text, wherever it stands; a property of that name stays."""
    if isinstance(value, list):
        return [_without(each, key) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: _without(each, key) for name, each in value.items() if name != key or not isinstance(each, str)}


def _errors(documentation):
    documentation.import_everything()
    return {name: sorted({each.exit_code for each in kinds}) for name, kinds in documentation.named().items()}


def _yaml(path):
    data = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {("on" if key is True else key): value for key, value in data.items()}  # YAML 1.1 reads `on` as true


def _given(inputs):
    return {
        name: {key: each[key] for key in ("type", "required", "default") if key in each}
        for name, each in (inputs or {}).items()
    }


def _actions():
    files = [ROOT / "action.yml", *sorted(ROOT.glob("actions/**/action.yml"))]
    found = {str(path.parent.relative_to(ROOT)): _yaml(path) for path in files}
    return {
        name: {
            "inputs": _given(data.get("inputs")),
            "outputs": sorted(data.get("outputs") or {}),
            "using": data["runs"]["using"],
        }
        for name, data in found.items()
    }


def _workflows():
    found = {}
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        data = _yaml(path)
        call = data["on"].get("workflow_call") if isinstance(data["on"], dict) else None
        if call is None:
            continue
        found[path.name] = {
            "inputs": _given(call.get("inputs")),
            "secrets": _given(call.get("secrets")),
            "outputs": sorted(call.get("outputs") or {}),
            "permissions": _granted(data),
        }
    return found


def _granted(data):
    """Return what the caller of a workflow has to grant: the most that one of its jobs takes."""
    ranks, found = ("none", "read", "write"), {}
    for job in data["jobs"].values():
        for name, level in (job.get("permissions", data.get("permissions")) or {}).items():
            found[name] = max(found.get(name, "none"), level, key=ranks.index)
    return found


def _dist():
    """Return the names in a folder of a release: golden case → what its steps write, and what sealing adds."""
    cases = {path.stem: json.loads(path.read_text())["plan"] for path in sorted((GOLDEN / "gobuild").glob("*.json"))}
    written = {name: sorted(file for step in plan["steps"] for file in step["writes"]) for name, plan in cases.items()}
    image = json.loads((GOLDEN / "image" / "shop.json").read_text())["plan"]
    return {
        "built": written,
        "image": image["file"],
        "sealed": sorted([LIST, manifest.MANIFEST, *manifest.SIGNATURES.values()]),
    }


def _wire():
    return {
        "agent": protocol.AGENT,
        "requests": {
            request: {field: [name for name, value in PROBES.items() if fits(value)] for field, fits in fields.items()}
            for request, fields in protocol.REQUESTS.items()
        },
        "needed": {request: list(fields) for request, fields in protocol.NEEDED.items()},
        "goldens": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((GOLDEN / "wire").iterdir())
        },
    }
