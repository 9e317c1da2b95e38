"""The whole of `goferry provision`: options → specification → hosts → what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from goferry.artifacts import given
from goferry.config import load, model
from goferry.config.settings import Settings
from goferry.deploy import _ssh as ssh, destination
from goferry.deploy.errors import HostDiffers
from goferry.deploy.options import KNOWN_HOSTS, Options, default_known_hosts
from goferry.deploy.provision import _host_spec as host_spec, _perform as perform
from goferry.deploy.provision._provision_record import HostCheck, ProvisionedHost, ProvisionRecord
from goferry.deploy.provision._root_hosts import named_hosts
from goferry.deploy.provision._root_shell import AskPassword
from goferry.kernel.hostfile import Place, Policy
from goferry.kernel.outcomes import PublicAddressUnreachable
from goferry.observe.events import Stream


@dataclass(frozen=True)
class ProvisionOptions:
    """The options of the command; empty where none was given.

    Attributes:
        hosts: else those of `environment`. directory, project: whose services. keys: public keys that may deploy.
        trust: the trust file. user, identity, known_hosts: how to log in. host_key: a fingerprint that was compared.
        bind: where the proxy listens. install: whether missing packages may be installed. prune: whether services that
            are no longer declared are removed.
        removed: public keys that may not deploy any more. accepts, keep: of the project's policy on the host.
        check: whether to say what is not as it should be, and change nothing.
    """

    hosts: tuple[str, ...] = ()
    environment: str = ""
    directory: Path = Path()
    project: str = ""
    keys: tuple[Path, ...] = ()
    trust: Path | None = None
    user: str = "root"
    identity: Path | None = None
    known_hosts: Path | None = None
    host_key: str = ""
    bind: str = ""
    install: bool = True
    prune: bool = False
    removed: tuple[Path, ...] = ()
    accepts: str = ""
    keep: int = 0
    check: bool = False


def run(
    order: ProvisionOptions,
    *,
    settings: Settings,
    stream: Stream,
    dry_run: bool,
    ask_password: AskPassword | None = None,
) -> ProvisionRecord:
    """Provision; return the record with what to do next. `ask_password` asks for sudo's, where somebody can type it.

    Raises:
        what `host_spec.read` and `perform.provision` raise. PublicAddressUnreachable: when all is in place and nobody
        reaches a service of the project. HostDiffers: when a check found something.
    """
    loaded = load.load(order.directory, project=order.project)
    default = loaded.directory / "goferry.trust"
    trust = order.trust or (default if default.is_file() else None)
    wanted, notes = host_spec.read(
        loaded,
        trust=trust,
        keys=order.keys,
        removed=order.removed,
        policy=_policy(order),
        bind=order.bind,
        install=order.install,
        prune=order.prune,
    )
    known = order.known_hosts or default_known_hosts(order.directory)
    if order.host_key and known is None:
        known = loaded.root / KNOWN_HOSTS
    record = perform.provision(
        named_hosts(order.hosts, _about(order), "goferry provision HOST"),
        wanted,
        ssh.Access(order.identity, known),
        user=order.user,
        confirmed=order.host_key,
        known_hosts=known,
        ask_password=ask_password,
        settings=settings,
        stream=stream,
        dry_run=dry_run,
        check=order.check,
    )
    if order.check:
        _refuse_differing(record)
    elif not dry_run:
        record = _refuse_unreached(record)
    return replace(record, notes=tuple(notes), next=_next(order, record, loaded.directory / "dist"))


def _policy(order: ProvisionOptions) -> Policy:
    """Return what the options say of the project's policy: by flags, else by the environment."""
    rules = _environment(order).accepts if order.environment else ""
    return Policy(order.accepts or rules, (order.environment,) if order.environment else (), order.keep)


def _environment(order: ProvisionOptions) -> model.Environment:
    return destination.environment(_about(order))


def _about(order: ProvisionOptions) -> Options:
    return Options(environment=order.environment, directory=order.directory, project=order.project)


def _refuse_unreached(record: ProvisionRecord) -> ProvisionRecord:
    """Raise if a service of the project can't be reached; return the record with another project's as a note."""
    closed = {
        # A version that serves and does not answer well (`answers`) was not broken by provisioning.
        name: [each for each in host.closed() if each.name in ("public-address", "agent")]
        for name, host in record.hosts.items()
    }
    mine = {
        name: [each for each in checks if each.of.partition("/")[0] in ("", record.project)]
        for name, checks in closed.items()
    }
    record = record.noting(
        {name: tuple(each.what for each in checks if each not in mine[name]) for name, checks in closed.items()}
    )
    for name, checks in mine.items():
        if checks:
            raise PublicAddressUnreachable(
                "; ".join(f"{name}: {each.what}" for each in checks),
                state="Everything is in place on the host; a deploy would go back with this error.",
                # Not this very command, which a host's agent may advise.
                advice=[line for line in _advice(checks) if "goferry provision" not in line],
                hosts=record.hosts_as_json(),
            )
    return record


def _advice(checks: Sequence[HostCheck]) -> list[str]:
    return list(dict.fromkeys(line for each in checks for line in each.advice))


def _refuse_differing(record: ProvisionRecord) -> None:
    found = {name: differing(host) for name, host in record.hosts.items()}
    lines = [f"{name}: {what}" for name, (differences, _) in found.items() for what in differences]
    if lines:
        raise HostDiffers(
            f"{len(lines)} {'thing is' if len(lines) == 1 else 'things are'} not as they should be",
            state="\n".join([*lines, "Nothing was changed."]),
            advice=list(dict.fromkeys(line for _, advice in found.values() for line in advice)),
            hosts=record.hosts_as_json(),
        )


def differing(host: ProvisionedHost) -> tuple[list[str], list[str]]:
    """Return what of a host is not as it should be, and what to type."""
    lines = [f"{path} differs or is missing" for path in host.changed]
    lines += [f"would run: {words}" for words in host.ran]
    advice = ["put it right:  goferry provision HOST"] if lines else []
    closed = host.closed()
    return lines + [each.what for each in closed], advice + [line for each in closed for line in each.advice]


def _next(order: ProvisionOptions, record: ProvisionRecord, built: Path) -> tuple[str, ...]:
    hosts = " ".join(f"--host {name.rpartition('@')[2]}" for name in record.hosts)
    where = f"--environment {order.environment}" if order.environment else hosts
    deploy = f"goferry deploy {given.typed(built)} {where} --identity DEPLOY_KEY"
    return (deploy, f"goferry status {where} --identity DEPLOY_KEY")


def _where(place: Place) -> str:
    return f"at {place.site.url}, and on port {place.port}" if place.site.url else f"on port {place.port}"


def lines(record: ProvisionRecord) -> list[str]:
    """Return what a person reads."""
    text = []
    for name, host in record.hosts.items():
        verb = "would change" if record.dry_run else "changed"
        text += [f"{name}: unchanged"] if host.unchanged else [f"{name}: {verb}"]
        text += [f"  {each}" for each in (*host.changed, *(f"$ {words}" for words in host.ran))]
        text += [f"  {place.service} will be served {_where(place)}" for place in host.services]
        text += [f"  ok: {each.name} {each.of}".rstrip() for each in host.checks if each.ok]
        text += [f"  note: {note}" for note in host.notes]
    keys = [line for host in record.hosts.values() for line in host.known_hosts]
    text += [f"note: {note}" for note in record.notes]
    text += ["", "The hosts' keys, for .goferry/known_hosts:", *(f"  {line}" for line in keys)]
    return [*text, "", "Next:", *(f"  {line}" for line in record.next)]
