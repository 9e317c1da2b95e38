"""Each JSON case: facts, configuration and machine in, the whole plan out; planning what is done gives no step.

`GOFERRY_WRITE_GOLDEN=1` writes the expected plans again; look at the difference before you commit it.
"""

import json
import os
from pathlib import Path

import msgspec
import pytest

from goferry.build.facts import Facts
from goferry.build.machine import Machine
from goferry.build.mains import Main
from goferry.build.plan import plan
from goferry.build.shard import Shard
from goferry.build.targets import Target
from goferry.config import model
from goferry.dist import Artifact, Ledger

CASES = sorted((Path(__file__).parent / "build").glob("*.json"))


def facts_of(record):
    targets = tuple(Target(*text.split("/")) for text in record.pop("targets"))
    names = tuple(str(target) for target in targets)
    mains = tuple(
        Main(
            **{
                "package": "example.com/team/shop",
                "program": entry["path"].rsplit("/", 1)[-1],
                "targets": names,
                **{key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()},
            }
        )
        for entry in record.pop("mains")
    )
    fields = {
        "directory": Path("/src/shop"),
        "root": Path("/src/shop"),
        "folder": ".",
        "module": "example.com/team/shop",
        "modules": {"example.com/team/shop": "."},
        "project": "shop",
        "go": "1.27.3",
        "patterns": ("./...",),
        "version": "v1.2.3",
        "commit": "3f" * 20,
        "date": "2026-11-23T04:03:22Z",
        "epoch": 1795406602,
        "dirty": False,
        "bears": True,
        "snapshot": False,
        "sealed_source": True,
    }
    fields.update({key: tuple(value) if isinstance(value, list) else value for key, value in record.items()})
    return Facts(targets=targets, mains=mains, **fields)


def ledger_of(planned):
    ledger = Ledger(**planned.header)
    for step in planned.steps:
        for name, fields in step.outputs.items():
            ledger.add(Artifact(name, project="shop", size=1, sha256="0" * 64, **fields))
    return ledger


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_plan_is_the_one_on_record(path):
    case = json.loads(path.read_text())
    given = json.loads(json.dumps(case["given"]))
    facts = facts_of(given["facts"])
    config = msgspec.convert(given.get("config", {}), model.Project)
    machine = Machine(*given.get("machine", [2, 8000]))
    shard = Shard.parse(given["shard"]) if "shard" in given else None
    present = None
    if "present" in given:
        present = ledger_of(plan(facts, config, machine))
        for name in given["present"]["without"]:
            del present.artifacts[name]
    made = json.loads(json.dumps(plan(facts, config, machine, shard=shard, present=present).as_json()))
    if os.environ.get("GOFERRY_WRITE_GOLDEN"):
        path.write_text(json.dumps({"given": case["given"], "plan": made}, indent=2) + "\n")
    assert made == case["plan"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_is_done_and_unchanged_is_not_planned_again(path):
    given = json.loads(path.read_text())["given"]
    facts = facts_of(given["facts"])
    config = msgspec.convert(given.get("config", {}), model.Project)
    first = plan(facts, config, Machine(2, 8000))
    again = plan(facts, config, Machine(64, 640000), present=ledger_of(first))
    if facts.sealed_source:
        assert again.steps == ()
        assert len(again.kept) == sum(len(step.outputs) for step in first.steps)
    else:
        assert again.kept == ()
        assert len(again.steps) == len(first.steps)


def test_there_are_cases():
    assert len(CASES) >= 8
