"""What a host says of itself decides whether a release is sent to it."""

from pathlib import Path

import pytest

from goferry.deploy.errors import HostOutdated
from goferry.deploy.session import send_release
from goferry.kernel import protocol, services
from goferry.kernel.manifest import Manifest


class Host:
    """A session with a host that answers `hello` and nothing else."""

    name, span, agent = "web-1", None, None

    def __init__(self, hello):
        self.hello = hello

    def ask(self, request):
        assert request == "hello"
        return self.hello


def release(**service):
    declared = {"api": {"main": ".", "binary": "api", **service}}
    return Manifest(
        "shop",
        "m",
        "v1.0.0",
        "",
        1,
        "2026-01-01T00:00:00Z",
        (),
        services=declared,
        critical=services.critical(declared),
    )


@pytest.mark.parametrize("hello", [{"agent": 2}, {"agent": 2, "critical": None}, {"agent": 2, "critical": ["another"]}])
@pytest.mark.parametrize("service", [{"listen": {"port_env": "PORT"}}, {"args": ["{port}"]}])
def test_a_release_with_placeholders_is_not_sent_to_an_agent_that_would_take_them_for_text(hello, service):
    with pytest.raises(HostOutdated, match="service-address") as told:
        send_release(Host(hello), Path(), release(**service), ("api",), "t")
    assert told.value.exit_code == 2
    assert "goferry provision" in told.value.advice[0]


@pytest.mark.parametrize(
    ("hello", "service"), [({"agent": 2}, {"listen": {"env": "ADDR"}}), (protocol.ABOUT, {"args": ["{port}"]})]
)
def test_what_a_host_knows_is_not_refused(hello, service):
    with pytest.raises(KeyError, match=r"held|platform"):  # it goes on to what is to be sent
        send_release(Host(hello), Path(), release(**service), ("api",), "t")
