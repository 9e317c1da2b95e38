import pytest
from msgspec.structs import replace

from goferry.artifacts import Ledger
from goferry.config import templates
from goferry.config.templates import TemplateInvalid
from goferry.gobuild.mains import MainPackage
from goferry.gobuild.targets import BuildTarget

LEDGER = Ledger(
    "shop",
    "v1.4.0",
    module="example.com/shop",
    commit="3f" * 20,
    date="2026-11-23T04:03:22Z",
    toolchain={"version": "1.27.3"},
)
VALUES = templates.values(templates.FIELDS, LEDGER)
TEXTS = {
    "-X main.v={version}": "-X main.v=v1.4.0",
    "{project}_{number}": "shop_1.4.0",
    "{short-commit} {timestamp} {go}": "3f3f3f3f3f3f 1795406602 1.27.3",
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


VERSIONS = {"v1.4.0": "1.4.0", "1.4.0": "1.4.0", "v1": "1", "2026.8.2": "2026.8.2", "vnext": "vnext"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_number_is_the_version_without_its_v(version):
    assert templates.values(templates.FIELDS, replace(LEDGER, version=version))["number"] == VERSIONS[version]


def test_what_is_not_said_is_empty():
    """A ledger of a tree outside git, and one of which no Go is known."""
    bare = templates.values(templates.FIELDS, Ledger("shop", "v0.0.0"))
    assert {name for name, value in bare.items() if value} == {"project", "version", "number", "timestamp"}
    assert bare["timestamp"] == "0"


def test_a_platform_and_a_program_have_their_fields_from_the_same_tables():
    of_platform = templates.values(templates.OF_PLATFORM, BuildTarget("linux", "arm", "7"))
    assert of_platform == {"target": "linux/arm/7", "platform": "linux_arm_7", "os": "linux", "arch": "arm"}
    main = MainPackage(path=".", package="example.com/shop", program="shop", targets=())
    assert templates.values(templates.OF_PROGRAM, main) == {"program": "shop"}
