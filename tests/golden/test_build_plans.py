"""Each JSON case: facts, configuration and machine in, the whole plan out.

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
                "variables": tuple(tuple(pair) for pair in entry.get("variables", ())),
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
    }
    fields.update({key: tuple(value) if isinstance(value, list) else value for key, value in record.items()})
    return Facts(targets=targets, mains=mains, **fields)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_plan_is_the_one_on_record(path):
    case = json.loads(path.read_text())
    given = json.loads(json.dumps(case["given"]))
    facts = facts_of(given["facts"])
    config = msgspec.convert(given.get("config", {}), model.Project)
    machine = Machine(*given.get("machine", [2, 8000]))
    shard = Shard.parse(given["shard"]) if "shard" in given else None
    made = json.loads(json.dumps(plan(facts, config, machine, shard=shard).as_json()))
    if os.environ.get("GOFERRY_WRITE_GOLDEN"):
        path.write_text(json.dumps({"given": case["given"], "plan": made}, indent=2) + "\n")
    assert made == case["plan"]


def test_there_are_cases():
    assert len(CASES) >= 8
