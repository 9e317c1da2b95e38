"""Carries out a provisioning plan: one script of the standard library, sent over ssh to root's Python on the host."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from goferry.config.settings import Settings
from goferry.deploy import ssh
from goferry.deploy.errors import HostKeyUnknown, HostUnsuitable, ProvisionFailed
from goferry.deploy.hosts import Address, parse_all
from goferry.deploy.provision import host_key
from goferry.deploy.provision.host_plan import HostEntry, HostPlan, Wishes, plan
from goferry.kernel import hostfile
from goferry.kernel.digits import number
from goferry.kernel.errors import printable
from goferry.kernel.outcomes import AgentLost
from goferry.observe.events import Span, Stream
from goferry.system.process import run

_SCRIPTS = ("changes_on_host", "on_host")
"""What is sent, in this order: the last one is the program, and imports those before it."""
_LOADER = """\
import sys, types
for name, size in zip(sys.argv[1::2], sys.argv[2::2]):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(sys.stdin.buffer.read(int(size)), name, "exec"), module.__dict__)
module.main()
"""
TIMEOUT = 1200.0
SHARED_PORTS = (
    "this host can't keep services from listening on each other's ports (it was tried with a unit); "
    "public traffic reaches its own service alone all the same"
)


def provision(
    hosts: Sequence[str],
    wishes: Wishes,
    access: ssh.Access,
    *,
    user: str = "root",
    confirmed: str = "",
    known_hosts: Path | None = None,
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
    check: bool = False,
) -> dict[str, Any]:
    """Make hosts ready, one after the other; return `{"hosts": {host: {…}}, "unchanged": bool, "dry_run": bool}`.

    Each host's: `{"changed": [path], "ran": [command], "unchanged", "services": {name: {"port", "listen"}}, "notes",
    "known_hosts": [line], "checks": [{"name", "of", "ok", "what", "advice"}]}`. A dry run and a check change nothing,
    and name what would be changed and run; a dry run has no checks. `confirmed` is the fingerprint that a person has
    compared; the host's key is then added to `known_hosts`.

    Raises:
        HostKeyUnknown: of a host that was never met, with its fingerprint. HostUnsuitable, ProvisionFailed, and what
        `ssh.failure` names.
    """
    addresses = parse_all(hosts, user)
    ssh.check(access, settings.environ)
    record, do = {}, "check" if check else "diff" if dry_run else "apply"
    for address in addresses:
        with stream.span("provision", host=address.text) as span:
            if confirmed and known_hosts is not None:
                host_key.confirm(address, access, settings.environ, confirmed, known_hosts)
            record[address.text] = _one(address, wishes, access, settings.environ, span, do=do)
    unchanged = all(host["unchanged"] for host in record.values())
    return {"project": wishes.project, "hosts": record, "unchanged": unchanged, "dry_run": do != "apply"}


def _one(
    address: Address, wishes: Wishes, access: ssh.Access, environ: Mapping[str, str], span: Span, *, do: str
) -> dict[str, Any]:
    def ask(request: dict[str, Any]) -> dict[str, Any]:
        return _ask(address, access, environ, request)

    span.progress("look")
    facts = checked(address, ask({"do": "facts"}))
    made, installed = plan(wishes, facts), list[str]()
    if made.install and do == "apply":
        span.progress("install")
        order = as_request(replace(made, entries=(), commands=()), do="install")
        installed = _texts(_done(address, ask(order)).get("ran"))
        after = checked(address, ask({"do": "facts"}))
        facts = {**facts, "nginx": after["nginx"], "nginx_group": after["nginx_group"]}
        made = plan(wishes, facts)
    for note in made.notes:  # before anything changes: a person may have to act first
        span.note(note, "warning")
    span.progress("apply" if do == "apply" else "compare")
    done = _done(address, ask(as_request(made, do=do)), "The packages that were installed stay." if installed else "")
    if installed:
        done = {**done, "ran": installed + _texts(done.get("ran"))}
    return _record(made, facts, done, address, span, do=do)


def _done(address: Address, answer: dict[str, Any], more: str = "") -> dict[str, Any]:
    if "error" in answer:
        raise ProvisionFailed(
            f"{address.text}: {printable(str(answer['error']), 1500)}",
            state=f"{printable(str(answer.get('state', '')), 1500)} {more}".strip(),
            advice=["mend it on the host, then run the same command again"],
        )
    return answer


def _record(
    made: HostPlan, facts: Mapping[str, Any], done: Mapping[str, Any], address: Address, span: Span, *, do: str
) -> dict[str, Any]:
    changed, ran = _texts(done.get("changed")), _texts(done.get("ran"))
    if not changed and not ran:
        span.skip("unchanged")
    planned = [" ".join(words) for words in made.install] if do != "apply" else []
    return {
        "changed": changed,
        "ran": planned + ran,
        "unchanged": not (changed or ran or planned),
        "services": {place.service: {"port": place.port, "listen": place.listen} for place in made.places},
        "notes": [*made.notes, *([] if done.get("denied", True) else [SHARED_PORTS])],
        "known_hosts": known_lines(address, _texts(facts.get("host_keys"))),
        "checks": [_check(each) for each in done.get("checks") or []],
    }


def _check(record: object) -> dict[str, Any]:
    """Return one of the host's checks, its texts fit to be shown; what has another shape is not well."""
    fields = record if isinstance(record, dict) else {}
    texts = {key: printable(str(fields.get(key, "")), 1000) for key in ("name", "of", "what")}
    return {**texts, "ok": fields.get("ok") is True, "advice": _texts(fields.get("advice"))}


def _texts(value: object) -> list[str]:
    return [printable(str(each), 1000) for each in value][:1000] if isinstance(value, list) else []


def known_lines(address: Address, keys: Sequence[str]) -> list[str]:
    """Return the host's lines for known_hosts, under the name by which it was reached."""
    name = f"[{address.host}]:{address.port}" if address.port not in (0, 22) else address.host
    return [f"{name} {' '.join(key.split()[:2])}" for key in keys if len(key.split()) >= 2]


def as_request(made: HostPlan, *, do: str) -> dict[str, Any]:
    """Return a plan as the script on the host takes it; JSON types. `do` is `diff`, `check`, `install` or `apply`."""
    return {
        "do": do,
        "install": [list(words) for words in made.install],
        "entries": [_entry(entry) for entry in made.entries],
        "commands": [command.as_record() for command in made.commands],
        "check": [hostfile.AGENT, "check"],
        "seen": dict(made.seen),
    }


def _entry(entry: HostEntry) -> dict[str, Any]:
    record: dict[str, Any] = {"path": entry.path, "mode": entry.mode, "owner": entry.owner, "group": entry.group}
    if entry.content is not None:
        record |= {"content": base64.b64encode(entry.content).decode(), "keep": entry.keep}
    return record


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "user": lambda value: type(value) is int,
    "system": lambda value: isinstance(value, str),
    "python": lambda value: isinstance(value, list) and all(type(part) is int for part in value),
    "systemd": lambda value: type(value) is int,
    "apt": lambda value: isinstance(value, bool),
    "nginx": lambda value: (
        isinstance(value, str) and all(number(part) is not None for part in value.split(".") if part)
    ),
    "nginx_group": lambda value: isinstance(value, str) and value.replace("-", "").replace("_", "").isalnum(),
    "private_users": lambda value: isinstance(value, bool),
    "ipv6": lambda value: isinstance(value, bool),
    "control_groups": lambda value: value in (1, 2),
    "ports": lambda value: isinstance(value, list) and all(type(port) is int for port in value),
    "host_file": lambda value: isinstance(value, str),
    "live": lambda value: isinstance(value, dict) and all(mode in ("socket", "plain") for mode in value.values()),
    "proxy": lambda value: isinstance(value, str),
    "trust": lambda value: isinstance(value, str),
    "trusts": lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "authorized_keys": lambda value: isinstance(value, str),
    "host_keys": lambda value: isinstance(value, list),
}


def checked(address: Address, facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts when each is of its kind.

    Raises:
        HostUnsuitable: when the host told something else.
    """
    wrong = [name for name, fits in _KINDS.items() if name not in facts or not fits(facts[name])]
    if wrong:
        said = printable(str(facts.get("error", "")), 300)
        raise HostUnsuitable(
            f"{address.text} told no usable facts: {', '.join(wrong)}" + (f" ({said})" if said else "")
        )
    return facts


def _ask(
    address: Address, access: ssh.Access, environ: Mapping[str, str], request: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        algorithms = ssh.pinned_algorithms(address, access, environ)
    except HostKeyUnknown as error:
        raise host_key.unknown(error, address, access, environ) from None
    scripts = {f"{__package__}.{name}": (Path(__file__).parent / f"{name}.py").read_bytes() for name in _SCRIPTS}
    sizes = " ".join(f"{name} {len(script)}" for name, script in scripts.items())
    command = f"exec /usr/bin/python3 -I -c {shlex.quote(_LOADER)} {sizes}"
    words = ssh.argv(address, access, algorithms, [command])
    done = run(
        words,
        environ=ssh.spoken(environ),
        stdin=b"".join(scripts.values()) + json.dumps(request).encode(),
        timeout=TIMEOUT,
    )
    if done.code == 0:
        return _answer(address, done.stdout)
    failed = ssh.failure(address, access, done.code, done.errors)
    if isinstance(failed, HostKeyUnknown):
        raise host_key.unknown(failed, address, access, environ)
    if done.code in (126, 127):
        raise HostUnsuitable(
            f"{address.text} has no /usr/bin/python3", advice=["install it there:  apt-get install python3-minimal"]
        )
    last = printable(done.errors.strip().splitlines()[-1], 300) if done.errors.strip() else "it said nothing"
    raise failed or ProvisionFailed(f"{address.text}: the script ended with {done.code}: {last}")


def _answer(address: Address, output: bytes) -> dict[str, Any]:
    """Return the script's one object: the last line, whatever a login's shell printed before it."""
    try:
        answer = json.loads(output.decode("utf-8", "replace").strip().splitlines()[-1])
    except (ValueError, IndexError):
        answer = None
    if not isinstance(answer, dict):
        raise AgentLost(
            f"{address.text} answered something else than the script's object",
            state="What was done there is not known; run it again.",
        )
    return answer
