"""What a release says of its services: all that agents know, and a newer key only where somebody wrote it."""

import collections
from types import SimpleNamespace

import msgspec
import pytest

from goferry.config import model
from goferry.gobuild import ledger_services
from goferry.kernel.services import DEFAULT, Declared

API = model.Service(main="./cmd/api", listen=model.Listen(env="ADDR"))
NEWER = collections.namedtuple("NEWER", [*Declared._fields, "motto"], defaults=[*DEFAULT, ""])  # noqa: PYI024  its fields are made


def said(service, found):
    return ledger_services.services(SimpleNamespace(services={"api": service}), found())["api"]


def test_a_release_says_every_key_that_agents_know(found):
    assert said(API, found).keys() == ledger_services.ALWAYS
    assert set(Declared._fields) >= ledger_services.ALWAYS


@pytest.mark.parametrize(("motto", "keys"), [("", set()), ("fast", {"motto"})])
def test_a_newer_key_is_said_only_where_it_is_not_the_default(found, monkeypatch, motto, keys):
    """An agent from before it refuses a release whose service has an unknown field; so nobody else needs a new one."""
    monkeypatch.setattr(ledger_services, "Declared", NEWER)
    service = SimpleNamespace(**msgspec.structs.asdict(API), motto=motto)
    record = said(service, found)
    assert record.keys() - ledger_services.ALWAYS == keys
    assert record.get("motto", "") == motto
