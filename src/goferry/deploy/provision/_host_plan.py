"""What makes a host ready, from facts alone: `(spec, facts) → files and commands`; pure.

Files say how they must be, and commands what triggers them, so applying a plan twice is the same as once.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from goferry.deploy.errors import HostUnsuitable
from goferry.deploy.provision import (
    _authorized_keys as authorized_keys,
    _certificate_files as certificate_files,
    _domain_allocation as domain_allocation,
    _left_services as left_services,
    _port_allocation as port_allocation,
    _selinux_policy as selinux_policy,
)
from goferry.deploy.provision._certificate_files import Certified
from goferry.deploy.provision._host_facts import BaseFacts, HostFacts
from goferry.deploy.provision._order_on_host import NOTHING, Command, HostEntry, Removal, SlotCopy, Words
from goferry.deploy.provision._package_managers import PACKAGE_MANAGERS
from goferry.deploy.provision.needs import LOGIN, LOGIN_HOME, USUAL, HostGuard, HostProxy, HostTrial, ProxySettings
from goferry.kernel import hostfile, loopback_ports, probe
from goferry.kernel.errors import printable
from goferry.kernel.hostfile import HostFile, Place, Policy
from goferry.kernel.sites import NOWHERE, Site

_COMPILE = Command(
    (hostfile.AGENT, "compile"),
    changed=(hostfile.AGENT,),
    unless=(hostfile.AGENT, "compile", "--check"),
    undo=("find", hostfile.AGENT_COMPILED, "-name", "*.zip", "-delete"),
)
"""It is asked each time, as the system's Python may have become another one."""
AUTHORIZED_KEYS = LOGIN_HOME + "/.ssh/authorized_keys"


@dataclass(frozen=True)
class ServiceSpec:
    """One service as goferry.yml declares it.

    Attributes:
        listen: how it listens (`socket`, `env`, `flag`). port: its public one, or 0. site: its domains.
        proxy: how requests are passed on to it.
    """

    name: str
    listen: str
    port: int = 0
    drain_seconds: int = 10
    site: Site = NOWHERE
    proxy: ProxySettings = USUAL


@dataclass(frozen=True)
class HostSpec:
    """What a host is to be ready for.

    Attributes:
        project: its name. services: what it deploys.
        trust: the trust file's bytes; empty keeps the host's own.
        keys: public keys that may deploy it from now on, `type base64 comment`. removed: those that may not any more.
        accepts, environments, keep: its policy on the host (kernel.hostfile.Policy); empty or 0 keeps the host's own.
        agent: the bundled agent.
        bind: the address that the proxy listens on; empty means every one.
        secret: what the proxy and the agent share from now on, on a host that has no such secret yet.
        install: whether missing packages may be installed.
        prune: whether services that are no longer declared are removed.
    """

    project: str
    services: tuple[ServiceSpec, ...]
    trust: bytes = b""
    keys: tuple[str, ...] = ()
    agent: bytes = b""
    bind: str = ""
    install: bool = True
    prune: bool = False
    removed: tuple[str, ...] = ()
    accepts: str = ""
    environments: tuple[str, ...] = ()
    keep: int = 0
    secret: probe.ProbeSecret = field(
        default_factory=lambda: probe.ProbeSecret(secrets.token_hex(16), secrets.token_hex(16)), repr=False
    )

    @property
    def certificates(self) -> tuple[Certified, ...]:
        """The certificates that its services name."""
        return certificate_files.of(each.site for each in self.services)


@dataclass(frozen=True)
class HostPlan:
    """What is to be done on one host; `notes` are for people.

    Attributes:
        copies: what is copied before anything changes. trials: what is tried once all is applied.
        seen: files that the plan was made from, with their texts' SHA-256: it holds while they are the same.
        removal: what is taken away beside files. check: the agent's own, where there is an agent then.
        listing: prints the installed packages.
    """

    entries: tuple[HostEntry, ...]
    commands: tuple[Command, ...]
    install: tuple[Words, ...] = ()
    places: tuple[Place, ...] = ()
    notes: tuple[str, ...] = ()
    copies: tuple[SlotCopy, ...] = ()
    trials: tuple[HostTrial, ...] = ()
    seen: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    removal: Removal = NOTHING
    check: Words = ()
    listing: Words = ()


def plan(spec: HostSpec, facts: HostFacts) -> HostPlan:
    """Return the plan for one host.

    Raises:
        HostUnsuitable: when the host lacks what can't be installed. PortTaken: when a port is another program's or
        service's. ServiceNameUnusable: when a name meets another project's.
        DomainTaken: when a domain is another service's. CertificateUnusable: when the host can't use a certificate.
        DeployKeyTaken: when a key is another project's. HostFileInvalid: when its host.json was damaged.
    """
    base = facts.base
    there = left_services.read_host_file(facts)
    proxy, guard = facts.proxy(there.switch if there else ""), facts.guard(there.guard if there else "")
    before = there or HostFile(guard.name, proxy.name)
    _refuse_unsuitable(spec, facts, before, proxy, guard)
    mine = port_allocation.of(spec, before, base)
    # A service that is no longer declared may still serve: its place stays, unless it is asked to go.
    kept = dict(before.projects.get(spec.project, {}))
    declared = {place.service: place for place in mine}
    undeclared = {name: place for name, place in kept.items() if name not in declared}
    gone, undeclared = (undeclared, {}) if spec.prune else ({}, undeclared)
    kept = {name: place for name, place in kept.items() if name not in gone}
    port_allocation.refuse_meeting(mine, replace(before, projects={**before.projects, spec.project: kept}))
    left = left_services.left_services(facts).without(spec.project, declared)
    left = left.with_services(spec.project, gone) if gone else left
    served = {**domain_allocation.taken_over(undeclared, mine), **declared}
    after = replace(before, projects={**before.projects, spec.project: served}, policies=_policies(spec, before))
    everywhere = [place for places in after.projects.values() for place in places.values()]
    others = [place for place in everywhere if place not in mine]
    domain_allocation.refuse(mine, others, base.ports, proxy.ports)
    certificate_files.refuse([(each.name, each.site.files) for each in spec.services], facts.certificates)
    # Judged as every later run and the agent will: a host file that is refused could not be mended from here.
    hostfile.parse(after.to_bytes(), facts.known)
    authorized, key_notes = authorized_keys.changed(
        base.authorized_keys, spec.project, spec.keys, spec.removed, after.projects
    )
    formers = port_allocation.formers(mine, before, base)
    login, agent, policy = guard.login(), guard.agent(), selinux_policy.part(base.selinux)
    entries = [
        *_folders(),
        *proxy.folders(),
        HostEntry(hostfile.AGENT, spec.agent, 0o755),
        HostEntry(hostfile.AGENT_COMPILED, mode=0o755),
        *login.entries,
        HostEntry(LOGIN_HOME, mode=0o755),
        HostEntry(LOGIN_HOME + "/.ssh", mode=0o755),
        *agent.entries,
        *policy.entries,
        *_authorized(authorized, base),
        *_trust(spec),
        *left_services.left_entries(facts, left),
        *(HostEntry(path, gone=True) for path in left_services.service_files(gone.values(), guard, proxy)),
        HostEntry(hostfile.HOST_FILE, after.to_bytes()),
    ]
    for place, service in zip(mine, spec.services, strict=True):
        former = formers.get(place.service)
        entries += guard.service(place, drain_seconds=service.drain_seconds, group=proxy.group, former=former)
        # Made empty, so that it is root's alone before somebody writes the first secret into it.
        entries.append(HostEntry(place.env_file, b"", 0o600, keep=True))
        entries += proxy.service(place, service.proxy, bind=spec.bind, ipv6=base.ipv6)
    entries += [*proxy.domains(everywhere, ipv6=base.ipv6), proxy.shared(spec.secret)]
    commands = (
        # The check comes first: when the configuration is refused, only files have to be brought back.
        *proxy.checks(),
        *login.commands,
        # sshd without PAM refuses a locked account's keys (`!`); `*` matches no password and locks nothing.
        Command(("usermod", "-p", "*", LOGIN), locked=LOGIN),
        *policy.commands,
        _COMPILE,
        *agent.commands,
        *proxy.commands(guard),
    )
    notes = (
        *_notes(mine, kept, formers),
        *_pruned_notes(spec.project, gone),
        *domain_allocation.notes(undeclared, mine),
        *certificate_files.notes(facts.certificates),
        *guard.notes(base.control_groups),
    )
    return HostPlan(
        entries=tuple(entries),
        commands=tuple(sorted(commands, key=lambda command: command.after)),  # the sort is stable
        install=_install(spec, facts, proxy),
        places=tuple(mine),
        notes=(*notes, *_policy_note(spec, after), *key_notes),
        copies=tuple(copy for place in mine for copy in guard.copies(place)),
        trials=guard.trials,
        seen=seen_files(facts, (*proxy.reads, *guard.reads)),
        removal=left_services.service_removal(gone.values(), guard, proxy),
        check=(hostfile.AGENT, "check"),
        listing=facts.packages.listing if facts.packages else (),
    )


def _notes(mine: Sequence[Place], kept: Collection[str], formers: Collection[str]) -> Iterator[str]:
    """Yield what people must know about the services."""
    for name in sorted(set(kept) - {place.service for place in mine}):
        yield f"{name} is no longer declared; the host stays ready for it until:  --prune"
    for name in formers:
        yield (
            f"{name} serves a version that listens in another way; the host stays ready for that one too until it is "
            "provisioned again after the next deploy"
        )
    for place in mine:
        if what := loopback_ports.drawn(place.service, place.port):
            yield f"{what}; {loopback_ports.elsewhere(place.service)}"


def _pruned_notes(project: str, gone: Collection[str]) -> Iterator[str]:
    for name in sorted(gone):
        yield (
            f"{name} is no longer declared and goes; what it keeps stays until:  "
            f"goferry purge {project} --service {name} --host HOST"
        )


def _policy_note(spec: HostSpec, after: HostFile) -> list[str]:
    """Return what people must know of a project of the first hosts, which had no policies."""
    if after.policy(spec.project) is not None:
        return []
    what = f"{spec.project} has no policy on this host, which takes every signed release of it, snapshots too"
    return [f"{what}; set one:  --accepts releases"]


def seen_files(facts: HostFacts, reads: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the files that several projects share, as they were looked at."""
    base = {hostfile.HOST_FILE: facts.base.host_file, AUTHORIZED_KEYS: facts.base.authorized_keys}
    files = {**base, **{path: facts.texts.get(path, "") for path in reads}}
    return tuple((path, hashlib.sha256(text.encode()).hexdigest()) for path, text in files.items())


def _policies(spec: HostSpec, before: HostFile) -> dict[str, Policy]:
    """Return the host's policies, updated for this project; a project that is new there accepts releases."""
    old = before.policy(spec.project)
    spoken = spec.accepts or spec.environments or spec.keep
    if not spoken and spec.project in before.projects:
        return dict(before.policies)
    base = old or Policy()
    # No environment means any: to name the first one would refuse deploys that this host takes today.
    named = base.environments if old and not old.environments else (*base.environments, *spec.environments)
    policy = Policy(spec.accepts or base.accepts, tuple(sorted(set(named))), spec.keep or base.keep)
    return {**before.policies, spec.project: policy}


def _authorized(text: str, facts: BaseFacts) -> list[HostEntry]:
    """Return the login's authorized_keys if they change; else the file is not even written again."""
    return [HostEntry(AUTHORIZED_KEYS, text.encode())] if text != facts.authorized_keys else []


def _refuse_unsuitable(spec: HostSpec, facts: HostFacts, before: HostFile, proxy: HostProxy, guard: HostGuard) -> None:
    base, lacked = facts.base, guard.lacks()
    # The file that projects once shared speaks only for those that are on the host already.
    trusted = spec.project in base.trusts or (base.trust and spec.project in before.projects)
    lacks = [
        (base.user != 0, "the login does not become root there", "log in as a user who may use sudo:  --user NAME"),
        (base.system != "Linux", f"it runs {printable(base.system, 40)}", "take a Linux host"),
        (base.python < (3, 9), f"its Python is {_version(base.python)}", "Python 3.9 or later is needed"),
        (lacked is not None, *(lacked or ("", ""))),
        (not proxy.installed and not (spec.install and facts.packages), *_without_proxy(facts, proxy)),
        (
            not spec.trust and not trusted,
            f"it has no trust file for {spec.project} yet",
            "give one:  --trust goferry.trust",
        ),
    ]
    for lacking, what, advice in lacks:
        if lacking:
            raise HostUnsuitable(
                f"the host can't be provisioned: {what}", state="Nothing was changed.", advice=[advice]
            )


def _without_proxy(facts: HostFacts, proxy: HostProxy) -> tuple[str, str]:
    """Return what is said of a host that has no proxy and is given none, and the advice."""
    if facts.packages:
        package = facts.packages.package(proxy.name)
        return f"it has no {proxy.name}", f"install it there:  {facts.packages.name} install {package}"
    managers = " or ".join(each.name for each in PACKAGE_MANAGERS)
    return (
        f"{facts.base.distribution} has no {proxy.name}, and no {managers} to install it with",
        f"install {proxy.name} there by the system's own means, then run the same command again",
    )


def _version(parts: Sequence[int]) -> str:
    return ".".join(str(part) for part in parts)


def _folders() -> list[HostEntry]:
    return [
        HostEntry("/etc/goferry", mode=0o755),
        HostEntry("/etc/goferry/env", mode=0o700),
        HostEntry(hostfile.TRUST_FOLDER, mode=0o755),
        HostEntry(hostfile.ROOT, mode=0o755),
        HostEntry("/usr/local/libexec", mode=0o755),
    ]


def _trust(spec: HostSpec) -> list[HostEntry]:
    """Return the project's own trust file; another project's, and the one that they once shared, stay as they are."""
    return [HostEntry(hostfile.trust_file(spec.project), spec.trust)] if spec.trust else []


def _install(spec: HostSpec, facts: HostFacts, proxy: HostProxy) -> tuple[Words, ...]:
    if proxy.installed or not spec.install or not facts.packages:
        return ()
    clears = (("rm", "-f", path) for path in proxy.clears)
    return (*facts.packages.install(facts.packages.package(proxy.name)), *clears)
