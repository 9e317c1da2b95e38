"""The whole of `goferry env`: a service's variables on hosts, changed as root; values are nowhere shown.

It goes the way of provisioning, and neither the agent nor a deploy key can do it: who decides a program's environment
decides what it runs. What is changed waits for the next start that is proven (host.slot_environment).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from goferry.config import load
from goferry.config.released import project_name
from goferry.config.settings import Settings
from goferry.deploy import _ssh as ssh
from goferry.deploy._hosts import Address, parse_all
from goferry.deploy.errors import EnvironmentFileInvalid, VariableLineInvalid, VariableRefused
from goferry.deploy.options import Options, default_known_hosts
from goferry.deploy.provision import _perform as perform, _variables_request_on_host as names
from goferry.deploy.provision._provision_record import shown
from goferry.deploy.provision._root_hosts import named_hosts
from goferry.deploy.provision._root_shell import AskPassword, RootShell, unlike
from goferry.deploy.provision._variables_request_on_host import VariablesRequest
from goferry.kernel import envfile, hostfile
from goferry.kernel.errors import GoferryError, Misuse, printable
from goferry.kernel.outcomes import AmbiguousProject, HostFailed, NotProvisioned
from goferry.observe.events import Stream

_HERE = "goferry.deploy.provision."
SCRIPTS = (
    *perform.SCRIPTS,
    _HERE + "_variables_request_on_host",
    _HERE + "variables_on_host",
)
MOST = 1 << 20
"""Bytes of standard input."""
_REFUSALS: Mapping[str, type[GoferryError]] = {
    names.NOT_PROVISIONED: NotProvisioned,
    names.AMBIGUOUS: AmbiguousProject,
    names.INVALID: EnvironmentFileInvalid,
}
_ADVICE: Mapping[str, str] = {
    names.NOT_PROVISIONED: "make it ready for the service:  goferry provision HOST",
    names.AMBIGUOUS: "name the project, in its repository:  --project PROJECT",
    names.INVALID: "mend that line on the host",
}


@dataclass(frozen=True)
class EnvironmentOptions:
    """The options of the commands; empty where none was given.

    Attributes:
        service: whose variables. hosts: else those of `environment`. directory, project: whose service.
        user, identity, known_hosts: how to log in, as for `goferry provision`. ask_password: asks for sudo's.
    """

    service: str
    hosts: tuple[str, ...] = ()
    environment: str = ""
    directory: Path = Path()
    project: str = ""
    user: str = "root"
    identity: Path | None = None
    known_hosts: Path | None = None
    ask_password: AskPassword | None = None


class _Answer(msgspec.Struct, frozen=True):
    """A host's answer; a request fills in only what it does."""

    names: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    error: str | None = None
    name: str = ""


@dataclass(frozen=True)
class VariablesListed:
    """The names of a service's variables, by host."""

    service: str
    hosts: Mapping[str, tuple[str, ...]]

    def as_json(self) -> dict[str, object]:
        """Return `{"service", "hosts": {host: {"names": [name]}}}`."""
        return {"service": self.service, "hosts": {host: {"names": list(found)} for host, found in self.hosts.items()}}

    def lines(self) -> list[str]:
        """Return what a person reads."""
        return [f"{host}: {', '.join(names) or 'no variables'}" for host, names in self.hosts.items()]


@dataclass(frozen=True)
class VariablesChanged:
    """The names of what was changed, by host, or would be in a dry run.

    Attributes:
        next: what to type then. notes: what a person should see.
    """

    service: str
    hosts: Mapping[str, tuple[str, ...]]
    dry_run: bool = False
    next: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return `{"service", "hosts": {host: {"changed": [name]}}, "dry_run", "next": [line], "notes": [line]}`."""
        return {
            "service": self.service,
            "hosts": {host: {"changed": list(found)} for host, found in self.hosts.items()},
            "dry_run": self.dry_run,
            "next": list(self.next),
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """Return what a person reads: names, and never a value."""
        verb = "would change" if self.dry_run else "changed"
        changes = {host: f"{verb} {', '.join(names)}" if names else "unchanged" for host, names in self.hosts.items()}
        text = [f"{host}: {change}" for host, change in changes.items()]
        text += [f"note: {note}" for note in self.notes]
        if self.next:
            text += ["", "What serves keeps the values that it was started with. Start it with the new ones:"]
            text += [f"  {line}" for line in self.next]
        return text


def assignments(data: bytes, *, debug: bool = False) -> dict[str, str]:
    """Return the variables of standard input; each value is what stands behind the first = of its line.

    Nothing of a line is in an error, as any part of it may belong to a value.

    Raises:
        VariableLineInvalid: a line is not NAME=VALUE, or has a value that no file can hold.
        VariableRefused: a service may not be given a variable of that name; `debug` allows GODEBUG.
    """
    if len(data) > MOST:
        raise _invalid(f"standard input has more than {MOST} bytes")
    found: dict[str, str] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        text = line.decode("utf-8", "surrogateescape")
        name, equals, value = text.partition("=")
        if not equals:
            raise _invalid(f"line {number} has no =")
        if not envfile.NAME.fullmatch(name):
            raise _invalid(f"what stands before the = of line {number} {envfile.refused(name)}")
        if why := envfile.unwritable(value):
            raise _invalid(f"the value of line {number} {why}")
        if name in found:
            raise _invalid(f"line {number} sets a variable that an earlier line sets")
        found[name] = value
    if not found:
        raise _invalid("standard input has no line NAME=VALUE")
    _refuse(found, debug=debug)
    return found


def _refuse(found: Mapping[str, str], *, debug: bool) -> None:
    for name in found:
        if why := envfile.refused(name, debug=debug):
            godebug = "if the service must have it:  --allow-godebug"
            raise VariableRefused(
                f"{printable(name, 80)} {why}",
                state="Nothing was changed on any host.",
                advice=[godebug] if not envfile.refused(name, debug=True) else [],
            )


def _invalid(what: str) -> VariableLineInvalid:
    return VariableLineInvalid(
        what,
        state="Nothing was changed on any host.",
        advice=["lines of NAME=VALUE, each value as it is, without quotes:  goferry env set SERVICE < FILE"],
    )


def set_values(
    options: EnvironmentOptions, data: bytes, *, debug: bool, settings: Settings, stream: Stream, dry_run: bool
) -> VariablesChanged:
    """Set the variables of standard input's lines.

    Raises:
        VariableLineInvalid, VariableRefused: see `assignments`. And what `_change` raises.
    """
    values = assignments(data, debug=debug)
    quoted = [name for name, value in values.items() if re.fullmatch("(['\"]).*\\1", value, re.DOTALL)]
    notes = tuple(f"the quotes around the value of {name} are a part of it" for name in quoted)
    request = VariablesRequest("change", options.service, values=values)
    return _change(options, request, notes, settings=settings, stream=stream, dry_run=dry_run)


def unset(
    options: EnvironmentOptions, removed: Sequence[str], *, settings: Settings, stream: Stream, dry_run: bool
) -> VariablesChanged:
    """Unset variables; one that is not there is none already.

    Raises:
        what `_change` raises.
    """
    strange = [name for name in removed if not envfile.NAME.fullmatch(name)]
    if strange:
        raise Misuse(
            f"{printable(strange[0], 80)!r} is not a variable's name",
            advice=["such as:  goferry env unset SERVICE NAME"],
        )
    request = VariablesRequest("change", options.service, removed=tuple(removed))
    return _change(options, request, (), settings=settings, stream=stream, dry_run=dry_run)


def listed(options: EnvironmentOptions, *, settings: Settings, stream: Stream) -> VariablesListed:
    """Return the names of a service's variables on each host.

    Raises:
        NotProvisioned: a host was not provisioned for the service. EnvironmentFileInvalid: its file can't be read.
        And what `perform.open_root_shells` raises.
    """
    hosts = _Hosts(options, settings, stream)
    found = hosts.each(VariablesRequest("list", options.service, hosts.project))
    return VariablesListed(options.service, {host: answer.names for host, answer in found.items()})


def _change(
    options: EnvironmentOptions,
    request: VariablesRequest,
    notes: tuple[str, ...],
    *,
    settings: Settings,
    stream: Stream,
    dry_run: bool,
) -> VariablesChanged:
    """Change the file on every host, once each was found able to; nothing takes effect by that alone.

    Raises:
        NotProvisioned: a host was not provisioned for the service. EnvironmentFileInvalid: its file can't be changed.
        And what `perform.open_root_shells` raises, with what was changed by then in its state.
    """
    hosts = _Hosts(options, settings, stream)
    request = replace(request, project=hosts.project)
    found = hosts.each(replace(request, do="check"))
    if not dry_run:
        found = hosts.each(request)
    changed = {host: answer.changed for host, answer in found.items()}
    restart = f"goferry restart {shlex.quote(options.service)} {hosts.typed} --identity DEPLOY_KEY"
    then = (restart,) if any(changed.values()) and not dry_run else ()
    return VariablesChanged(options.service, changed, dry_run=dry_run, next=then, notes=notes)


class _Hosts:
    """The hosts of a command.

    Attributes:
        project: whose service it is, as far as the repository says. typed: the options that name the hosts.
    """

    def __init__(self, options: EnvironmentOptions, settings: Settings, stream: Stream) -> None:
        if not hostfile.usable(options.service):
            raise Misuse(f"{printable(options.service, 80)!r} can't be a service's name")
        self._options, self._stream = options, stream
        about = Options(environment=options.environment, directory=options.directory, project=options.project)
        self.addresses = parse_all(named_hosts(options.hosts, about, "--host HOST"), options.user)
        self.project = project_name(load.load(options.directory, project=options.project))
        access = ssh.Access(options.identity, options.known_hosts or default_known_hosts(options.directory))
        ssh.check(access, settings.environ)
        # On all hosts before any is changed: a login may lack its rights on one of them.
        shells = perform.open_root_shells(self.addresses, access, settings, ask_password=options.ask_password)
        self._shells = list(zip(self.addresses, shells, strict=True))

    @property
    def typed(self) -> str:
        if self._options.environment:
            return f"--environment {shlex.quote(self._options.environment)}"
        return " ".join(f"--host {shlex.quote(host.text.rpartition('@')[2])}" for host in self.addresses)

    def each(self, request: VariablesRequest) -> dict[str, _Answer]:
        """Ask the hosts one after the other; return the answers by host.

        Raises:
            GoferryError: the first host's that can't do it, with those that had changed by then in its state.
        """
        found: dict[str, _Answer] = {}
        for address, shell in self._shells:
            with self._stream.span("env", host=address.text) as span:
                span.progress(request.do)
                try:
                    found[address.text] = _ask(address, shell, request)
                except GoferryError as error:
                    error.state = _state([host for host, answer in found.items() if answer.changed], request, error)
                    raise
        return found


def _ask(address: Address, shell: RootShell, request: VariablesRequest) -> _Answer:
    reply = shell.ask(request, SCRIPTS)
    try:
        answer = msgspec.convert(reply, _Answer)
    except msgspec.ValidationError:
        raise unlike(address) from None
    if answer.error is not None:
        kind = _REFUSALS.get(answer.name, HostFailed)
        advice = [_ADVICE[answer.name]] if answer.name in _ADVICE else []
        raise kind(f"{address.text}: {printable(answer.error, 1500)}", advice=advice)
    return _Answer(shown(answer.names), shown(answer.changed))


def _state(changed: Sequence[str], request: VariablesRequest, error: GoferryError) -> str:
    """Return what hosts are like after a failure."""
    if request.do != "change":
        return "Nothing was changed on any host."
    if changed:
        return f"Changed on {', '.join(changed)} alone; the same command again changes the others."
    return error.state or "Nothing was changed on any other host."
