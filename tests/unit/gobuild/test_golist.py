"""What `go list` prints, read into types: every field by Go's own name, and what it leaves out."""

import json

import msgspec
import pytest

from goferry.gobuild import _golist as golist
from goferry.gobuild._golist import GoModule, GoPackage, GoProblem

NAMES = {each.encode_name for each in msgspec.structs.fields(GoPackage)}


def test_objects_follow_one_another():
    text = '{"Dir": "/x", "Name": "main", "Root": "/"}\n{"Error": {"Pos": "x.go:1", "Err": "no"}}\n'
    assert golist.objects(text, GoPackage) == [GoPackage("/x", name="main"), GoPackage(error=GoProblem("x.go:1", "no"))]
    assert golist.objects("", GoPackage) == []


def test_a_replaced_module_names_what_is_read_in_its_place():
    text = json.dumps({"Path": "a", "Version": "v1.0.0", "Main": True, "Replace": {"Path": "./b", "Dir": "/b"}})
    assert golist.objects(text, GoModule) == [GoModule("a", "v1.0.0", GoModule("./b", dir="/b"))]


def test_another_shape_is_an_error():
    with pytest.raises(ValueError, match="Dir"):
        golist.objects('{"Dir": 1}', GoPackage)


@pytest.mark.parametrize("name", golist.READ)
def test_every_list_that_is_asked_for_is_read(name):
    (found,) = golist.objects(json.dumps({name: ["a", "b"]}), GoPackage)
    assert found.read == ("a", "b")
    assert name in NAMES
