"""Each JSON case: facts, configuration and machine in, the whole plan out.

`GOFERRY_WRITE_GOLDEN=1` writes the expected plans again; look at the difference before you commit it.
"""

import json
import os
from pathlib import Path

import msgspec
import pytest
from facts import SHOP

from goferry.config import model
from goferry.gobuild._extra_files import ArchiveFileInvalid
from goferry.gobuild.build_plan import plan
from goferry.gobuild.facts import Facts
from goferry.gobuild.mains import MainPackage, ProgramCollision
from goferry.gobuild.resources import Machine
from goferry.gobuild.shard import Shard
from goferry.gobuild.targets import BuildTarget

CASES = sorted((Path(__file__).parent / "gobuild").glob("*.json"))


def facts_of(record):
    targets = tuple(BuildTarget(*text.split("/")) for text in record.pop("targets"))
    names = tuple(str(target) for target in targets)
    mains = tuple(
        MainPackage(
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
    more = {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
    return Facts(**{**SHOP, "targets": targets, "mains": mains, **more})


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


COLLISIONS = {
    "two programs of a target": ({}, {"binary_name": "{project}_{platform}"}, ProgramCollision, "shop_linux_amd64"),
    "a program of two targets": ({}, {"binary_name": "{program}"}, ProgramCollision, "api"),
    "two archives": ({}, {"archive_name": "{project}"}, ProgramCollision, r"shop\.tar\.gz"),
    "a program and an archive": ({}, {"archive_name": "x", "binary_name": "x.tar.gz"}, ProgramCollision, "x"),
    "names that differ in their case": ({"mains": ["api", "API"]}, {}, ProgramCollision, "API_linux_amd64"),
    "a file of the archives and a program": ({"extra_files": ["api"]}, {}, ArchiveFileInvalid, "the file api"),
}


@pytest.mark.parametrize(("found", "builds", "error", "name"), COLLISIONS.values(), ids=COLLISIONS)
def test_two_files_of_one_name_are_refused_before_anything_is_built(found, builds, error, name):
    mains = [{"path": f"./cmd/{each}"} for each in found.get("mains", ["api", "cli"])]
    facts = facts_of({"targets": ["linux/amd64", "linux/arm64"], **found, "mains": mains})
    with pytest.raises(error, match=name) as caught:
        plan(facts, model.Project(builds=model.Builds(**builds)), Machine(2, 8000))
    assert caught.value.state == "Nothing was built."


def test_there_are_cases():
    assert len(CASES) >= 8
