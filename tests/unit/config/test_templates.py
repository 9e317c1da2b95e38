import pytest

from goferry.config import templates
from goferry.config.templates import TemplateInvalid

VALUES = templates.of_release(
    project="shop", module="example.com/shop", version="v1.4.0", commit="3f" * 20, date="D", epoch=7, go="1.27.3"
)
TEXTS = {
    "-X main.v={version}": "-X main.v=v1.4.0",
    "{project}_{number}": "shop_1.4.0",
    "{short-commit} {timestamp} {go}": "3f3f3f3f3f3f 7 1.27.3",
    "{{version}}": "{version}",
    '{"a": {"b": 1}}': '{"a": {"b": 1}}',
    "{} {A} {1} { version }": "{} {A} {1} { version }",
    "": "",
}


@pytest.mark.parametrize("text", TEXTS)
def test_fields_are_filled_in_and_other_braces_stay(text):
    assert templates.expand(text, VALUES, "builds.ldflags") == TEXTS[text]


@pytest.mark.parametrize(
    ("text", "hint"), [("{verison}", "{version}"), ("{{ .Version }}", "{version}"), ("{{.Commit}}", "{commit}")]
)
def test_a_field_that_there_is_not_is_named_with_the_nearest(text, hint):
    with pytest.raises(TemplateInvalid) as caught:
        templates.expand(text, VALUES, "image.labels.x")
    assert caught.value.what.startswith(f"image.labels.x: {text}")
    assert caught.value.advice[0] == f"did you mean {hint}?"


def test_every_field_is_documented_and_has_a_value():
    assert VALUES.keys() == templates.FIELDS.keys()
