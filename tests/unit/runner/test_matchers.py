import json
import re

import pytest

from goferry.runner import matchers


def found(name, line):
    """What the runner makes of a line: the first matcher that fits, as {property: text}."""
    for matcher in matchers.MATCHERS[name]:
        (pattern,) = matcher["pattern"]
        match = re.search(pattern["regexp"], line)
        if match:
            return {key: match[group] for key, group in pattern.items() if key != "regexp"}
    return None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("./main.go:7:2: undefined: x", {"file": "./main.go", "line": "7", "column": "2", "message": "undefined: x"}),
        ("  vet: cmd/api/a.go:3:14: x declared", {"file": "cmd/api/a.go", "line": "3", "column": "14", "message": "x declared"}),
        ("    store_test.go:12: got 1, want 2", {"file": "store_test.go", "line": "12", "message": "got 1, want 2"}),
        ("my dir/a b.go:1:1: expected 'package'", {"file": "my dir/a b.go", "line": "1", "column": "1", "message": "expected 'package'"}),
        ("# example.com/shop", None),
        ("ok  \texample.com/shop\t0.004s", None),
        ("go: downloading x v1.2.3", None),
        ("http://example.com:80: refused", None),
    ],
)  # fmt: skip
def test_what_go_says_is_found(line, expected):
    assert found("go", line) == expected


def test_what_gofmt_says_is_found():
    assert found("gofmt", "diff main.go.orig main.go") == {"file": "main.go", "message": "main.go"}
    assert found("gofmt", "+diff") is None


def test_matchers_are_added_by_file_and_removed_by_owner(tmp_path, github):
    name, _, path = github.command(matchers.begin("go", tmp_path))
    assert name == "add-matcher"
    with open(path) as file:
        owners = [each["owner"] for each in json.load(file)["problemMatcher"]]
    removed = [github.command(line) for line in matchers.end("go")]
    assert [(name, properties["owner"]) for name, properties, _ in removed] == [
        ("remove-matcher", owner) for owner in owners
    ]
