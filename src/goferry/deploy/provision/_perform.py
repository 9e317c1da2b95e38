"""Carries out a provisioning plan: one script of the standard library, run by root's Python on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from goferry.config.settings import Settings
from goferry.deploy import _ssh as ssh
from goferry.deploy._hosts import Address, parse_all
from goferry.deploy.errors import ProvisionFailed
from goferry.deploy.provision import _host_facts as host_facts, _host_key as host_key, _root_shell as root_shell
from goferry.deploy.provision._host_facts import GUARDS, PROXIES, HostFacts
from goferry.deploy.provision._host_plan import HostPlan, HostSpec, plan
from goferry.deploy.provision._order_on_host import HostOrder
from goferry.deploy.provision._package_managers import PACKAGE_MANAGERS
from goferry.deploy.provision._provision_record import HostCheck, ProvisionedHost, ProvisionRecord, shown
from goferry.deploy.provision._root_shell import AskPassword, RootShell
from goferry.deploy.provision.needs import HostGuard, HostProxy
from goferry.kernel.errors import printable
from goferry.observe.events import Span, Stream

_HERE = "goferry.deploy.provision."
SCRIPTS = (
    "goferry.kernel.fields",
    "goferry.kernel.envfile",
    _HERE + "_order_on_host",
    _HERE + "changes_on_host",
    _HERE + "_as_found_on_host",
    _HERE + "_removal_on_host",
    _HERE + "on_host",
)
"""What is sent, in this order: the last one is the program, and imports those before it."""

FINDS = tuple(each.program for each in PACKAGE_MANAGERS)


class ScriptAnswer(msgspec.Struct, frozen=True):
    """The script's answer to all requests but `facts`; a request fills in only what it does."""

    changed: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()
    trials: tuple[int, ...] = ()
    stays: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    checks: tuple[object, ...] = ()
    error: str | None = None
    state: str = ""


Ask = Callable[[HostOrder], object]
"""Sends the script on a host a request, and returns its answer."""


def provision(
    hosts: Sequence[str],
    spec: HostSpec,
    access: ssh.Access,
    *,
    user: str = "root",
    confirmed: str = "",
    known_hosts: Path | None = None,
    ask_password: AskPassword | None = None,
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
    check: bool = False,
) -> ProvisionRecord:
    """Make hosts ready, one after the other.

    A dry run and a check change nothing, and name what would be changed and run; a dry run has no checks. `confirmed`
    is the fingerprint that a person has compared; the host's key is then added to `known_hosts`. `ask_password` asks
    for what sudo wants of a login that is not root's; None where nobody is there to type it.

    Raises:
        HostUnsuitable, ProvisionFailed, and what `open_root_shells` raises.
    """
    addresses = parse_all(hosts, user)
    ssh.check(access, settings.environ)
    record, do = dict[str, ProvisionedHost](), "check" if check else "diff" if dry_run else "apply"
    shells = open_root_shells(addresses, access, settings, confirmed, known_hosts, ask_password)
    for address, shell in zip(addresses, shells, strict=True):
        with stream.span("provision", host=address.text) as span:
            record[address.text] = on_one_host(address, spec, asking(shell), span, do=do)
    return ProvisionRecord(spec.project, record, dry_run=do != "apply")


def open_root_shells(
    addresses: Sequence[Address],
    access: ssh.Access,
    settings: Settings,
    confirmed: str = "",
    known_hosts: Path | None = None,
    ask_password: AskPassword | None = None,
) -> list[RootShell]:
    """Find out how to be root on each host, before any of them is changed or a password interrupts what is drawn.

    Raises:
        HostKeyChanged: when a host shows another key than the one that a person has compared.
        What `root_shell.open_root_shell` raises.
    """
    found = []
    for address in addresses:
        if confirmed and known_hosts is not None:
            host_key.confirm(address, access, settings.environ, confirmed, known_hosts)
        found.append(root_shell.open_root_shell(address, access, settings.environ, ask_password))
    return found


def asking(shell: RootShell) -> Ask:
    """Return what asks the script on a host."""
    return lambda request: shell.ask(request, SCRIPTS)


def on_one_host(
    address: Address,
    spec: HostSpec,
    ask: Ask,
    span: Span,
    *,
    do: str,
    proxies: Sequence[type[HostProxy]] = PROXIES,
    guards: Sequence[type[HostGuard]] = GUARDS,
) -> ProvisionedHost:
    """Look at one host, plan, and have the plan compared, checked or applied, as `do` says: `diff`, `check`, `apply`.

    Raises:
        HostUnsuitable: the host lacks what a target needs: Linux with systemd 247, Python 3.9, nginx, and
            root access for setup.
        ProvisionFailed: a step of provisioning failed on the host; what the run had changed there was brought
            back, as the message says.
        What `host_plan.plan` and `ask` raise.
    """
    span.progress("look")
    facts = read_facts(address, ask, proxies, guards, spec.certificates)
    made, installed = plan(spec, facts), tuple[str, ...]()
    if made.install and do == "apply":
        span.progress("install")
        order = as_order(replace(made, entries=(), commands=()), do="install")
        installed = shown(done_of(address, ask(order)).ran)
        # The package starts the proxy with a page of its own, whose port must not count as another program's.
        facts = replace(facts, proxies=read_facts(address, ask, proxies, guards, spec.certificates).proxies)
        made = plan(spec, facts)
    for note in made.notes:  # before anything changes: a person may have to act first
        span.note(note, "warning")
    span.progress("apply" if do == "apply" else "compare")
    done = done_of(address, ask(as_order(made, do=do)), "The packages that were installed stay." if installed else "")
    planned = tuple(" ".join(words) for words in made.install) if do != "apply" else ()
    # Not strict: only `apply` tries anything, so other answers have no codes.
    failed = (trial.note for trial, code in zip(made.trials, done.trials, strict=False) if code)
    host = ProvisionedHost(
        changed=shown(done.changed),
        ran=planned + installed + shown(done.ran),
        services=made.places,
        notes=(*made.notes, *failed),
        known_hosts=tuple(known_lines(address, shown(facts.base.host_keys))),
        checks=tuple(HostCheck.read(each) for each in done.checks),
    )
    if host.unchanged:
        span.skip("unchanged")
    return host


def read_facts(
    address: Address,
    ask: Ask,
    proxies: Sequence[type[HostProxy]] = PROXIES,
    guards: Sequence[type[HostGuard]] = GUARDS,
    certificates: host_facts.Certificates = (),
) -> HostFacts:
    """Ask what a host is like.

    Raises:
        HostUnsuitable: when its answer can't be. What `ask` raises.
    """
    asks, reads = host_facts.questions([*proxies, *guards], certificates)
    answer = ask(HostOrder("facts", tuple(asks), tuple(reads), FINDS))
    return host_facts.read(address, answer, proxies, guards, certificates)


def done_of(address: Address, answer: object, more: str = "") -> ScriptAnswer:
    """Read an answer.

    Raises:
        AgentLost, ProvisionFailed: it is none, or says that a step failed.
    """
    try:
        done = msgspec.convert(answer, ScriptAnswer)
    except msgspec.ValidationError:
        raise root_shell.unlike(address) from None
    if done.error is not None:
        raise ProvisionFailed(
            f"{address.text}: {printable(done.error, 1500)}",
            state=f"{printable(done.state, 1500)} {more}".strip(),
            advice=["mend it on the host, then run the same command again"],
        )
    return done


def applied(address: Address, ask: Ask, made: HostPlan) -> tuple[str, ...]:
    """Have a plan applied; return what stays of what it takes away."""
    return shown(done_of(address, ask(as_order(made, do="apply"))).stays)


def known_lines(address: Address, keys: Sequence[str]) -> list[str]:
    """Return the host's lines for known_hosts, under the name by which it was reached."""
    name = f"[{address.host}]:{address.port}" if address.port not in (0, 22) else address.host
    return [f"{name} {' '.join(key.split()[:2])}" for key in keys if len(key.split()) >= 2]


def as_order(made: HostPlan, *, do: str) -> HostOrder:
    """Return what the script on the host is asked for a plan; `do` is `diff`, `check`, `install` or `apply`."""
    return HostOrder(
        do,
        install=made.install,
        entries=made.entries,
        commands=made.commands,
        copies=made.copies,
        check=made.check,
        trials=tuple(trial.run for trial in made.trials),
        seen=dict(made.seen),
        removal=made.removal,
        listing=made.listing,
    )
