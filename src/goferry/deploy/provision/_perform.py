"""Carries out a provisioning plan: one script of the standard library, sent over ssh to root's Python on the host."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from goferry.config.settings import Settings
from goferry.deploy import _ssh as ssh
from goferry.deploy._hosts import Address, parse_all
from goferry.deploy.errors import HostKeyUnknown, HostUnsuitable, ProvisionFailed
from goferry.deploy.provision import _host_facts as host_facts, _host_key as host_key
from goferry.deploy.provision._host_facts import GUARDS, PROXIES, HostFacts
from goferry.deploy.provision._host_plan import HostPlan, HostSpec, plan
from goferry.deploy.provision._order_on_host import HostOrder
from goferry.deploy.provision._provision_record import HostCheck, ProvisionedHost, ProvisionRecord, shown
from goferry.deploy.provision.needs import HostGuard, HostProxy
from goferry.kernel import hostfile
from goferry.kernel.errors import printable
from goferry.kernel.outcomes import AgentLost
from goferry.observe.events import Span, Stream
from goferry.system.process import run

_HERE = "goferry.deploy.provision."
SCRIPTS = ("goferry.kernel.fields", _HERE + "_order_on_host", _HERE + "changes_on_host", _HERE + "on_host")
"""What is sent, in this order: the last one is the program, and imports those before it."""
# Through standard input, as one argument can't be longer than 128 KiB; and nothing is written on the host.
# An import finds a module that stands in sys.modules by its full name, though its packages are not there.
LOADER = """\
import sys, types
for name, size in zip(sys.argv[1::2], sys.argv[2::2]):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(sys.stdin.buffer.read(int(size)), name, "exec"), module.__dict__)
module.main()
"""
TIMEOUT = 1200.0


class _Done(msgspec.Struct, frozen=True):
    """The script's answer to all requests but `facts`; a request fills in only what it does."""

    changed: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()
    trials: tuple[int, ...] = ()
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
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
    check: bool = False,
) -> ProvisionRecord:
    """Make hosts ready, one after the other.

    A dry run and a check change nothing, and name what would be changed and run; a dry run has no checks. `confirmed`
    is the fingerprint that a person has compared; the host's key is then added to `known_hosts`.

    Raises:
        HostKeyUnknown: of a host that was never met, with its fingerprint. HostUnsuitable, ProvisionFailed, and what
        `ssh.failure` names.
    """
    addresses = parse_all(hosts, user)
    ssh.check(access, settings.environ)
    record, do = dict[str, ProvisionedHost](), "check" if check else "diff" if dry_run else "apply"
    for address in addresses:
        with stream.span("provision", host=address.text) as span:
            if confirmed and known_hosts is not None:
                host_key.confirm(address, access, settings.environ, confirmed, known_hosts)
            ask = partial(_ask, address, access, settings.environ)
            record[address.text] = on_one_host(address, spec, ask, span, do=do)
    return ProvisionRecord(spec.project, record, dry_run=do != "apply")


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
    asks, reads = host_facts.questions([*proxies, *guards])

    def read_facts() -> HostFacts:
        return host_facts.read(address, ask(HostOrder("facts", tuple(asks), tuple(reads))), proxies, guards)

    span.progress("look")
    facts = read_facts()
    made, installed = plan(spec, facts), tuple[str, ...]()
    if made.install and do == "apply":
        span.progress("install")
        order = as_order(replace(made, entries=(), commands=()), do="install")
        installed = shown(_done(address, ask(order)).ran)
        # The package starts the proxy with a page of its own, whose port must not count as another program's.
        facts = replace(facts, proxies=read_facts().proxies)
        made = plan(spec, facts)
    for note in made.notes:  # before anything changes: a person may have to act first
        span.note(note, "warning")
    span.progress("apply" if do == "apply" else "compare")
    done = _done(address, ask(as_order(made, do=do)), "The packages that were installed stay." if installed else "")
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


def _done(address: Address, answer: object, more: str = "") -> _Done:
    try:
        done = msgspec.convert(answer, _Done)
    except msgspec.ValidationError:
        raise _unlike(address) from None
    if done.error is not None:
        raise ProvisionFailed(
            f"{address.text}: {printable(done.error, 1500)}",
            state=f"{printable(done.state, 1500)} {more}".strip(),
            advice=["mend it on the host, then run the same command again"],
        )
    return done


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
        check=(hostfile.AGENT, "check"),
        trials=tuple(trial.run for trial in made.trials),
        seen=dict(made.seen),
    )


def _ask(address: Address, access: ssh.Access, environ: Mapping[str, str], order: HostOrder) -> dict[str, object]:
    try:
        algorithms = ssh.pinned_algorithms(address, access, environ)
    except HostKeyUnknown as error:
        # Here a host is met for the first time: the error shows the key that is to be compared.
        raise host_key.unknown(error, address, access, environ) from None
    scripts = {name: script(name) for name in SCRIPTS}
    sizes = " ".join(f"{name} {len(script)}" for name, script in scripts.items())
    # exec, so that no shell of the login stands between sshd and the script.
    command = f"exec /usr/bin/python3 -I -c {shlex.quote(LOADER)} {sizes}"
    words = ssh.argv(address, access, algorithms, [command])
    done = run(
        words,
        environ=ssh.spoken(environ),
        stdin=b"".join(scripts.values()) + json.dumps(order.as_json()).encode(),
        timeout=TIMEOUT,
    )
    if done.code == 0:
        return _answer(address, done.stdout)
    failed = ssh.failure(address, access, done.code, done.errors)
    if isinstance(failed, HostKeyUnknown):
        raise host_key.unknown(failed, address, access, environ)
    # `ssh.failure` takes these codes for a missing agent; here it is Python that the shell did not find.
    if done.code in (126, 127):
        raise HostUnsuitable(
            f"{address.text} has no /usr/bin/python3", advice=["install it there:  apt-get install python3-minimal"]
        )
    last = printable(done.errors.strip().splitlines()[-1], 300) if done.errors.strip() else "it said nothing"
    raise failed or ProvisionFailed(f"{address.text}: the script ended with {done.code}: {last}")


def script(name: str) -> bytes:
    """Return a module's source."""
    return Path(__file__).parents[2].joinpath(*name.split(".")[1:]).with_suffix(".py").read_bytes()


def _answer(address: Address, output: bytes) -> dict[str, object]:
    """Return the script's one object: the last line, whatever a login's shell printed before it."""
    try:
        answer = json.loads(output.decode("utf-8", "replace").strip().splitlines()[-1])
        # An escape can stand for half a character, which no file takes: such a half becomes a question mark.
        answer = json.loads(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, IndexError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise _unlike(address)
    return answer


def _unlike(address: Address) -> AgentLost:
    return AgentLost(
        f"{address.text} answered something else than the script's object",
        state="What was done there is not known; run it again.",
    )
