"""A made-up project, as `facts.inspect_repository` would find it."""

import pytest
from facts import SHOP

from goferry.gobuild.facts import Facts
from goferry.gobuild.mains import MainPackage
from goferry.gobuild.targets import parse

PORTS = ("linux/amd64", "linux/arm64", "linux/arm", "darwin/arm64", "windows/amd64")


@pytest.fixture
def found():
    def make(targets=("linux/amd64", "linux/arm64"), mains=None, **changes):
        chosen = parse(targets, PORTS)
        names = tuple(str(target) for target in chosen)
        own = MainPackage("./cmd/api", "example.com/team/shop/cmd/api", "api", names, ("version",))
        return Facts(**{**SHOP, "targets": chosen, "mains": mains or (own,), "extra_files": ("LICENSE",), **changes})

    return make
