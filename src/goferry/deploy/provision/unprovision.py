"""The whole of `goferry unprovision`: a project is taken off hosts; with the last one goes all that is Goferry's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from goferry.config import load
from goferry.config.released import project_name
from goferry.config.settings import Settings
from goferry.deploy import _ssh as ssh
from goferry.deploy._hosts import Address, parse_all
from goferry.deploy.options import Options, default_known_hosts
from goferry.deploy.provision import _perform as perform
from goferry.deploy.provision._provision_record import shown
from goferry.deploy.provision._removal_plan import removal_plan
from goferry.deploy.provision._root_hosts import named_hosts
from goferry.deploy.provision._root_shell import AskPassword
from goferry.kernel import hostfile
from goferry.kernel.errors import Misuse, printable
from goferry.observe.events import Span, Stream


@dataclass(frozen=True)
class RootOptions:
    """How a command becomes root on hosts, and where; empty where nothing was given.

    Attributes:
        hosts: else those of `environment`. directory, project: whose. user, identity, known_hosts: how to log in.
    """

    hosts: tuple[str, ...] = ()
    environment: str = ""
    directory: Path = Path()
    project: str = ""
    user: str = "root"
    identity: Path | None = None
    known_hosts: Path | None = None

    def addresses(self, command: str) -> list[Address]:
        """Return the hosts; those of an environment are `deploy@host`, whose login is not the one that is root.

        Raises:
            Misuse, HostNameInvalid: there is none, or one is not written as it should be.
        """
        options = Options(environment=self.environment, directory=self.directory, project=self.project)
        return parse_all(named_hosts(self.hosts, options, f"{command} HOST"), self.user)

    @property
    def access(self) -> ssh.Access:
        """How to log in."""
        return ssh.Access(self.identity, self.known_hosts or default_known_hosts(self.directory))

    @property
    def name(self) -> str:
        """The project's name: what was given, else the repository's.

        Raises:
            Misuse: there is none, or it can't be one.
        """
        if self.project:
            name = self.project  # also where there is no repository any more
        else:
            loaded = load.load(self.directory, project=self.project)
            name = project_name(loaded) or loaded.directory.name
        if not hostfile.usable(name):
            raise Misuse(f"{printable(repr(name), 80)} can't name a project", advice=["name it:  --project PROJECT"])
        return name


@dataclass(frozen=True)
class UnprovisionedHost:
    """What was taken off one host.

    Attributes:
        changed: files that are gone or lack the project. ran: commands.
        kept: what the project keeps there. packages: that provisioning installed and that stay. notes: what else stays.
    """

    changed: tuple[str, ...]
    ran: tuple[str, ...]
    kept: tuple[str, ...]
    packages: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def unchanged(self) -> bool:
        """Whether nothing had to be done."""
        return not (self.changed or self.ran)

    def as_json(self) -> dict[str, object]:
        """Return JSON types."""
        return {
            "changed": list(self.changed),
            "ran": list(self.ran),
            "unchanged": self.unchanged,
            "kept": list(self.kept),
            "packages": list(self.packages),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Unprovisioned:
    """All hosts, by the names that they were given; `dry_run`: nothing was changed. `next`: what to type."""

    project: str
    hosts: Mapping[str, UnprovisionedHost]
    dry_run: bool
    next: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return `{"project", "hosts": {host: {…}}, "dry_run", "next": [line]}`."""
        hosts = {name: host.as_json() for name, host in self.hosts.items()}
        return {"project": self.project, "hosts": hosts, "dry_run": self.dry_run, "next": list(self.next)}

    def lines(self) -> list[str]:
        """Return what a person reads."""
        text = []
        for name, host in self.hosts.items():
            verb = "would change" if self.dry_run else "changed"
            text += [f"{name}: nothing of {self.project} is there"] if host.unchanged else [f"{name}: {verb}"]
            text += [f"  {each}" for each in (*host.changed, *(f"$ {words}" for words in host.ran))]
            text += [f"  stays: {path}" for path in host.kept]
            text += [f"  stays, as provisioning installed it: {name}" for name in host.packages]
            text += [f"  note: {note}" for note in host.notes]
        return [*text, *(("", "Next:", *(f"  {line}" for line in self.next)) if self.next else ())]


def run(
    order: RootOptions,
    *,
    packages: bool,
    settings: Settings,
    stream: Stream,
    dry_run: bool,
    ask_password: AskPassword | None = None,
) -> Unprovisioned:
    """Take a project off hosts, one after the other; `packages`: also what provisioning installed.

    Raises:
        NotProvisioned: when a host is for other projects. ProvisionFailed: when a step failed on a host; what the run
        had changed there was brought back, as the message says.
        What `open_root_shells` raises.
    """
    project, addresses, access = order.name, order.addresses("goferry unprovision"), order.access
    ssh.check(access, settings.environ)
    shells = perform.open_root_shells(addresses, access, settings, ask_password=ask_password)
    hosts = dict[str, UnprovisionedHost]()
    for address, shell in zip(addresses, shells, strict=True):
        with stream.span("unprovision", host=address.text) as span:
            asks = perform.asking(shell)
            hosts[address.text] = on_one_host(address, project, asks, span, packages=packages, dry_run=dry_run)
    kept = [name for name, host in hosts.items() if host.kept]
    return Unprovisioned(project, hosts, dry_run, _next(order, project, kept) if kept and not dry_run else ())


def on_one_host(
    address: Address, project: str, ask: perform.Ask, span: Span, *, packages: bool, dry_run: bool
) -> UnprovisionedHost:
    """Read one host's facts, plan, and have the plan compared or applied.

    Raises:
        NotProvisioned, ProvisionFailed, and what `ask` raises.
    """
    span.progress("look")
    facts = perform.read_facts(address, ask)
    made = removal_plan(project, facts, packages=packages)
    span.progress("compare" if dry_run else "apply")
    done = perform.done_of(address, ask(perform.as_order(made, do="diff" if dry_run else "apply")))
    leaves = made.removal.leave and not packages
    host = UnprovisionedHost(
        changed=shown(done.changed),
        ran=shown(done.ran),
        kept=shown(done.kept),
        packages=shown(facts.base.packages) if leaves else (),
        notes=(*made.notes, *shown(done.stays)),
    )
    if host.unchanged:
        span.skip("unchanged")
    return host


def _next(order: RootOptions, project: str, hosts: Sequence[str]) -> tuple[str, ...]:
    where = " ".join(f"--host {name}" for name in hosts)
    user = "" if order.user == "root" else f" --user {order.user}"
    return (f"goferry purge {project} {where}{user}",)
