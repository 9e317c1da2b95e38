"""Reading a JSON object: types are exact, and an error names the field."""

import pytest

from goferry.kernel.fields import Fields

SAID = {"name": "web", "size": 7, "live": True, "words": ["a", "b"], "of": {"port": 1}, "none": None}


def fields(**changed):
    return Fields({**SAID, **changed}, "the slot")


def test_each_value_is_returned_as_its_type():
    read = fields()
    assert (read.text("name"), read.number("size"), read.flag("live")) == ("web", 7, True)
    assert (read.texts("words"), read.mapping("of"), read.fields("of").number("port")) == (["a", "b"], {"port": 1}, 1)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: fields(size=True).number("size"), "size is not of type int"),
        (lambda: fields(live=1).flag("live"), "live is not of type bool"),
        (lambda: fields(words=["a", 1]).texts("words"), "words is not of type str"),
        (lambda: fields().text("none", "usual"), "none is not of type str"),
        (lambda: fields().text("port"), "the slot lacks port"),
        (lambda: fields().only(["name"], ["size", "live", "words"]), "unknown field: none, of"),
        (lambda: fields().only([*SAID, "port"]), "unknown field: port"),
        (lambda: Fields([], "the slot"), "the slot is not of type dict"),
    ],
)
def test_what_is_missing_or_of_another_type_is_named(read, message):
    with pytest.raises((TypeError, ValueError), match=message):
        read()


def test_a_default_is_for_a_field_that_is_missing():
    assert (fields().text("port", ""), fields().flag("held", default=False), fields().number("at", 0)) == ("", False, 0)
    assert fields().maybe("size", str, "7") is None
    assert fields().maybe("port", str, "7") == "7"
