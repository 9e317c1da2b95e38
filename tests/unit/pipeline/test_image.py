"""Why a project has no image is said, not passed over."""

from types import SimpleNamespace

import pytest

from goferry.config.model import Image, Listen, Project, Service
from goferry.gobuild.targets import BuildTarget
from goferry.image.errors import ImageMainUnclear
from goferry.pipeline import image, up

SEVERAL = (
    "several programs could be the image's entry point; there are ./cmd/a, ./cmd/b; "
    "name one in goferry.yml:  image: {main: ./cmd/a}"
)


def opened(mains, services=(), asked="", goos="linux"):
    facts = SimpleNamespace(
        targets=(BuildTarget(goos, "amd64"),),
        mains=[SimpleNamespace(path=path, targets=(f"{goos}/amd64",)) for path in mains],
    )
    declared = {name.rpartition("/")[2]: Service(main=name, listen=Listen(env="ADDR")) for name in services}
    return SimpleNamespace(config=Project(services=declared, image=Image(main=asked)), facts=facts)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mains": ["./cmd/a"]}, ""),
        ({"mains": ["./cmd/a", "./cmd/b"], "services": ["./cmd/a"]}, ""),
        (
            {"mains": ["./cmd/a", "./cmd/b"], "services": ["./cmd/a", "./cmd/b"]},
            SEVERAL,
        ),
        ({"mains": ["./cmd/a"], "goos": "darwin"}, "no target is a Linux one"),
    ],
)
def test_why_there_is_none(given, said):
    assert image.why_none(opened(**given)) == said
    assert image.wanted(opened(**given)) == (not said)


def test_a_main_that_was_named_and_is_none_is_an_error():
    with pytest.raises(ImageMainUnclear):
        image.wanted(opened(["./cmd/a"], asked="./cmd/x"))


def test_up_says_so():
    result = up.UpResult(
        project="shop", version="v1.0.0", dist="dist", made=("build",), unchanged=False, tests=None, keys="given",
        no_image="several programs could be it", trust="goferry.trust", deploy=None, seconds=1.0,
    )  # fmt: skip
    assert "no image was made: several programs could be it" in up.lines(result)
