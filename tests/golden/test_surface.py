"""What is public changes on purpose only: each difference to `surface.json` is listed with its line of the changelog."""

import copy
import functools
import json

import pytest
import surface

LISTED = json.loads((surface.GOLDEN / "surface_changes.json").read_text())
FILE = surface.GOLDEN / "surface.json"
BEFORE = json.loads(FILE.read_text())


@pytest.fixture(scope="module")
def now():
    return surface.collect()


def judged(now, listed=LISTED):
    """Return the differences that are not listed, and what is listed and differs no more."""
    found = set(surface.differences(BEFORE, now))
    return sorted(found - set(listed)), sorted(set(listed) - found)


def test_every_difference_is_listed_and_every_listed_one_is_there(now):
    assert judged(now) == ([], []), "list it in tests/golden/surface_changes.json (CONTRIBUTING.md)"


@pytest.mark.parametrize("path", LISTED)
def test_a_listed_difference_has_its_line_in_the_changelog(path):
    lines = (surface.ROOT / "CHANGELOG.md").read_text().splitlines()
    assert f"- {LISTED[path]}" in lines


def test_the_file_is_as_the_script_writes_it():
    assert FILE.read_text() == json.dumps(BEFORE, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


PLACES = [
    ("commands",),
    ("commands", "deploy", "options"),
    ("commands", "cache restore", "options"),
    ("commands", "deploy", "options", "--on-silence"),
    ("configuration", "$defs", "Service", "properties"),
    ("actions", "."),
    ("actions", "actions/sign", "inputs"),
    ("workflows",),
    ("workflows", "promote.yml", "inputs"),
    ("workflows", "promote.yml", "secrets"),
    ("workflows", "promote.yml", "permissions"),
    ("errors",),
    ("exit codes",),
    ("host commands",),
    ("json", "build"),
    ("json", "build", "artifacts", 0),
    ("json", "deploy", "hosts", "*", "services", "*"),
    ("json", "status", "floors", "*"),
    ("json of errors",),
    ("dist", "built"),
    ("wire", "goldens"),
    ("wire", "requests"),
    ("wire", "requests", "prepare"),
]


def added(place, _):
    place["something-new"] = "string"


def removed(place, before):
    place.pop(max(before))  # what is new since then may go without a word


def renamed(place, before):
    place["something-new"] = place.pop(max(before))


@pytest.mark.parametrize("change", [added, removed, renamed])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: " > ".join(map(str, place)))
def test_what_is_added_removed_or_renamed_fails(now, place, change):
    other = copy.deepcopy(now)
    change(*(functools.reduce(lambda value, key: value[key], place, surface) for surface in (other, BEFORE)))
    unlisted, _ = judged(other)
    assert len(unlisted) == (2 if change is renamed else 1), unlisted
    assert unlisted[0].startswith(" > ".join("[]" if key == 0 else key for key in place))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("commands", "deploy", "options", "--on-silence", "type"), ["rollback"]),
        (("commands", "deploy", "options", "--wait", "default"), 30.0),
        (("commands", "deploy", "arguments"), []),
        (("actions", "actions/sign", "outputs"), []),
        (("errors", "disk-full"), [2]),
        (("exit codes", "RolledBack"), 3),
        (("json", "build", "project"), "number"),
        (("wire", "goldens", "host.1.json"), "0" * 64),
        (("wire", "requests", "prepare", "dry_run"), ["text"]),
    ],
)
def test_another_type_default_code_or_byte_fails(now, place, value):
    other = copy.deepcopy(now)
    functools.reduce(lambda value, key: value[key], place[:-1], other)[place[-1]] = value
    assert judged(other)[0] == [" > ".join(place)]


def test_what_is_listed_and_differs_no_more_fails(now):
    assert judged(now, {**LISTED, "errors > disk-full": "A line."})[1] == ["errors > disk-full"]


def test_a_shape_that_the_code_says_later_is_no_difference(now):
    other = copy.deepcopy(now)
    other["json"]["image"]["platforms"] = ["string"]
    assert judged(other) == ([], [])


@pytest.mark.parametrize("command", sorted(set(BEFORE["json"]) - {"schema"}))
def test_the_shape_of_every_command_is_known(now, command):
    assert now["json"][command]["ok"] == "boolean"
    assert len(now["json"][command]) > 1
