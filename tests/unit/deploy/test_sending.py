"""What a host says of itself decides whether a release is sent to it."""

from pathlib import Path

import pytest

from goferry.deploy._hosts import Address
from goferry.deploy._session import HostSession
from goferry.deploy._upload import send_release
from goferry.deploy.errors import HostOutdated
from goferry.kernel import protocol, services
from goferry.kernel.manifest import Manifest
from goferry.kernel.outcomes import AgentLost


class Host:
    """An agent that answers `hello` and nothing else."""

    def __init__(self, hello):
        self.hello = hello

    def ask(self, request, *_, **__):
        assert request == "hello"
        return self.hello


def send(hello, service):
    made = {"platform": "linux/amd64", **hello}
    return send_release(
        HostSession(Address("web-1", "", "web-1"), Host(made)), Path(), release(**service), ("api",), "t"
    )


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
        send(hello, service)
    assert told.value.exit_code == 2
    assert "goferry provision" in told.value.advice[0]


@pytest.mark.parametrize(
    ("hello", "service"), [({"agent": 2}, {"listen": {"env": "ADDR"}}), (protocol.ABOUT, {"args": ["{port}"]})]
)
def test_what_a_host_knows_is_not_refused(hello, service):
    assert send(hello, service) == 0  # the folder is empty


@pytest.mark.parametrize("wrong", [{"platform": None}, {"platform": 7}, {"held": "x"}, {"critical": {"a": 1}}])
def test_a_greeting_that_does_not_say_what_the_host_needs_is_no_answer(wrong):
    with pytest.raises(AgentLost, match=f"something that is not an answer: {next(iter(wrong))} is "):
        send({"agent": 2, **wrong}, {"listen": {"env": "ADDR"}})
