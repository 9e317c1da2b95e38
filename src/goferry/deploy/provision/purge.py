"""`goferry purge` on hosts: what they keep of a project or a service is removed, as root and by nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goferry.config.settings import Settings
from goferry.deploy import _client as client, _ssh as ssh
from goferry.deploy._hosts import Address
from goferry.deploy.answers import Purged
from goferry.deploy.provision import _perform as perform
from goferry.deploy.provision._agent_on_host import AgentOrder
from goferry.deploy.provision._removal_plan import purged_plan
from goferry.deploy.provision._root_shell import AskPassword
from goferry.deploy.provision.unprovision import RootOptions
from goferry.deploy.reading import Row
from goferry.observe.events import Span, Stream

SCRIPTS = ("goferry.kernel.fields", "goferry.deploy.provision._agent_on_host")


@dataclass(frozen=True)
class PurgedHosts:
    """What was removed for good, by host, or would be in a dry run."""

    hosts: Mapping[str, Purged]
    dry_run: bool

    def as_json(self) -> dict[str, object]:
        """Return `{"hosts": {host: {"removed", "stopped", "dry_run"}}, "dry_run"}`."""
        return {"hosts": {name: each.as_json() for name, each in self.hosts.items()}, "dry_run": self.dry_run}


def run(
    order: RootOptions,
    service: str,
    *,
    wait: float,
    settings: Settings,
    stream: Stream,
    dry_run: bool,
    ask_password: AskPassword | None = None,
) -> PurgedHosts:
    """Purge hosts, one after the other, also such as are no longer provisioned.

    Raises:
        NothingKept, DeployBusy: as the host says. What `open_root_shells` raises.
    """
    from goferry.deploy._bundle import bundle  # reads and packs the agent's sources

    project, addresses, access = order.name, order.addresses("goferry purge PROJECT --host"), order.access
    ssh.check(access, settings.environ)
    shells = perform.open_root_shells(addresses, access, settings, ask_password=ask_password)
    words = ("purge", "--json", "--wait", str(wait), "--dry-run" if dry_run else "--yes", "--", project)
    request = AgentOrder(bundle(), (*words, *([service] if service else ())))
    hosts = dict[str, Purged]()
    for address, shell in zip(addresses, shells, strict=True):
        with stream.span("purge", host=address.text) as span:
            answer = Row(shell.ask(request, SCRIPTS))
            if answer.given("failure"):
                raise client.error_of(answer.need("failure", dict))
            hosts[address.text] = Purged.read(answer.said, dry_run=dry_run)
            if not dry_run:
                _forget(address, project, service, perform.asking(shell), span)
    return PurgedHosts(hosts, dry_run)


def _forget(address: Address, project: str, service: str, ask: perform.Ask, span: Span) -> None:
    made = purged_plan(project, service, perform.read_facts(address, ask))
    for line in perform.applied(address, ask, made):
        span.note(line, "warning")
