"""The whole of `goferry provision`: options → wishes → hosts → what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goferry.config import load, model
from goferry.config.settings import Settings
from goferry.deploy import place, ssh
from goferry.deploy.provision import execute, wishes
from goferry.kernel.errors import Misuse
from goferry.kernel.hostfile import Policy
from goferry.observe.events import Stream


@dataclass(frozen=True)
class Order:
    """What was asked for; empty where nothing was said.

    Attributes:
        hosts: else those of `environment`. directory, project: whose services. keys: public keys that may deploy.
        trust: the trust file. user, identity, known_hosts: how to log in. host_key: a fingerprint that was compared.
        bind: where the proxy listens. install: whether missing packages may be installed.
        removed: public keys that may not deploy any more. accepts, keep: of the project's policy on the host.
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
    removed: tuple[Path, ...] = ()
    accepts: str = ""
    keep: int = 0


def run(order: Order, *, settings: Settings, stream: Stream, dry_run: bool) -> dict[str, Any]:
    """Provision; returns `execute.provision`'s record with `notes` and `next`.

    Raises:
        what `wishes.read` and `execute.provision` raise.
    """
    loaded = load.load(order.directory, project=order.project)
    default = loaded.directory / "goferry.trust"
    trust = order.trust or (default if default.is_file() else None)
    wanted, notes = wishes.read(
        loaded,
        trust=trust,
        keys=order.keys,
        removed=order.removed,
        policy=_policy(order),
        bind=order.bind,
        install=order.install,
    )
    known = order.known_hosts or place.default_known_hosts(order.directory)
    if order.host_key and known is None:
        known = loaded.root / place.KNOWN_HOSTS
    record = execute.provision(
        _hosts(order),
        wanted,
        ssh.Access(order.identity, known),
        user=order.user,
        confirmed=order.host_key,
        known_hosts=known,
        settings=settings,
        stream=stream,
        dry_run=dry_run,
    )
    return {**record, "notes": notes, "next": _next(order, record)}


def _policy(order: Order) -> Policy:
    """Return what was told of the project's policy: by flags, else by the environment."""
    rules = _environment(order).accepts if order.environment else ""
    return Policy(order.accepts or rules, (order.environment,) if order.environment else (), order.keep)


def _environment(order: Order) -> model.Environment:
    said = place.Said(environment=order.environment, directory=order.directory, project=order.project)
    return place.environment(said)


def _hosts(order: Order) -> list[str]:
    """Return the hosts, bare: an environment's `deploy@host` is the deploy's login, not the one that sets up."""
    if order.hosts:
        return list(order.hosts)
    if not order.environment:
        raise Misuse("no host is named", advice=["goferry provision HOST", "or:  --environment NAME"])
    return [host.rpartition("@")[2] for host in _environment(order).hosts]


def _next(order: Order, record: dict[str, Any]) -> list[str]:
    hosts = " ".join(f"--host {name.rpartition('@')[2]}" for name in record["hosts"])
    where = f"--environment {order.environment}" if order.environment else hosts
    return [f"goferry deploy dist {where} --identity DEPLOY_KEY", f"goferry status {where} --identity DEPLOY_KEY"]


def lines(record: dict[str, Any]) -> list[str]:
    """Return what a person reads."""
    told = []
    for name, host in record["hosts"].items():
        verb = "would change" if record["dry_run"] else "changed"
        told += [f"{name}: unchanged"] if host["unchanged"] else [f"{name}: {verb}"]
        told += [f"  {each}" for each in (*host["changed"], *(f"$ {words}" for words in host["ran"]))]
        told += [f"  {service} will be served on port {each['port']}" for service, each in host["services"].items()]
        told += [f"  note: {note}" for note in host["notes"]]
    keys = [line for host in record["hosts"].values() for line in host["known_hosts"]]
    told += [f"note: {note}" for note in record["notes"]]
    told += ["", "The hosts' keys, for .goferry/known_hosts:", *(f"  {line}" for line in keys)]
    return [*told, "", "Next:", *(f"  {line}" for line in record["next"])]
