"""What takes a project, or a service, off a host, from facts alone; pure.

Data, environment files and what the agent keeps of a project are nobody's to touch here: `goferry purge` alone removes
them. So that it finds them when host.json says nothing of them any more, `left.json` does, in the same form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from goferry.deploy.provision import (
    _authorized_keys as authorized_keys,
    _package_managers as package_managers,
    _selinux_policy as selinux_policy,
)
from goferry.deploy.provision._host_facts import HostFacts
from goferry.deploy.provision._host_plan import AUTHORIZED_KEYS, HostPlan, seen_files
from goferry.deploy.provision._left_services import (
    kept_paths,
    left_entries,
    left_services,
    read_host_file,
    service_files,
    service_removal,
)
from goferry.deploy.provision._order_on_host import Command, HostEntry, Removal
from goferry.deploy.provision._removal_on_host import AGENT_FOLDER, FOLDERS, RUN
from goferry.deploy.provision.needs import LOGIN, HostGuard, HostProxy
from goferry.kernel import hostfile
from goferry.kernel.errors import printable
from goferry.kernel.hostfile import HostFile
from goferry.kernel.outcomes import NotProvisioned


def removal_plan(project: str, facts: HostFacts, *, packages: bool = False) -> HostPlan:
    """Return what takes a project off a host; with the last one goes all that is Goferry's, and the login.

    Raises:
        NotProvisioned: when the host has projects, and not that one.
        HostFileInvalid: when its host.json was damaged.
    """
    here, left = read_host_file(facts) or HostFile(), left_services(facts)
    mine = {**left.places(project), **here.projects.get(project, {})}
    if not mine and (here.projects or left.projects):
        others = ", ".join(sorted({*here.projects, *left.projects}))
        raise NotProvisioned(
            f"this host was not provisioned for {printable(project, 80)}; it is for {others}",
            state="Nothing was changed.",
            advice=["name one of those:  --project PROJECT"],
        )
    guard, proxy = facts.guard(here.guard), facts.proxy(here.switch)
    projects = {name: places for name, places in here.projects.items() if name != project}
    policies = {name: policy for name, policy in here.policies.items() if name != project}
    after, last = replace(here, projects=projects, policies=policies), not projects
    keys = authorized_keys.without(facts.base.authorized_keys, project, last=last)
    files = [*service_files(mine.values(), guard, proxy), hostfile.trust_file(project)]
    entries = left_entries(facts, left.with_services(project, mine))
    if keys != facts.base.authorized_keys:
        entries.append(HostEntry(AUTHORIZED_KEYS, keys.encode() if keys else None, gone=not keys))
    if last:
        files += [*_shared_files(guard, proxy), hostfile.HOST_FILE]
    else:
        everywhere = [place for places in projects.values() for place in places.values()]
        entries += [*proxy.domains(everywhere, ipv6=facts.base.ipv6), HostEntry(hostfile.HOST_FILE, after.to_bytes())]
    commands = [*(proxy.checks() if proxy.installed else ()), *guard.forgets(), proxy.reads_again(guard)]
    removal = service_removal(mine.values(), guard, proxy)
    if last:
        removal = _leaving(removal, guard, proxy, login=not keys, packages=packages)
        if facts.base.selinux:
            loaded = ("sh", "-c", "! semodule -l | grep -q '^goferry\\>'")
            commands.append(Command(selinux_policy.REMOVE, unless=loaded))
    return HostPlan(
        entries=(*entries, *(HostEntry(path, gone=True) for path in dict.fromkeys(files))),
        commands=tuple(commands),
        notes=() if not last or not keys else (f"the login {LOGIN} stays: its authorized_keys has lines of others",),
        seen=seen_files(facts, (*proxy.reads, *guard.reads)),
        removal=replace(
            removal, tidies=(f"{hostfile.ROOT}/{project}",), keeps=kept_paths(project, mine.values(), proxy)
        ),
    )


def _shared_files(guard: HostGuard, proxy: HostProxy) -> list[str]:
    """Return the files that projects share."""
    parts: Sequence[HostEntry] = [*guard.login().entries, *guard.agent().entries]
    files = [entry.path for entry in parts if entry.content is not None]
    return [hostfile.AGENT, *files, *proxy.shared_files(), hostfile.TRUST_FILE, selinux_policy.MODULE]


def _leaving(removal: Removal, guard: HostGuard, proxy: HostProxy, *, login: bool, packages: bool) -> Removal:
    target = [entry.path for entry in guard.agent().entries if entry.content is None]
    removers = [each.removes for each in package_managers.PACKAGE_MANAGERS]
    return replace(
        removal,
        ends=(*removal.ends, *guard.agent_units()),
        first=guard.disables(),
        clears=(*removal.clears, *RUN, AGENT_FOLDER, hostfile.AGENT_COMPILED),
        folders=(*removal.folders, *FOLDERS, *target, *proxy.own_folders()),
        leave=True,
        login=LOGIN if login else "",
        packages=tuple(removers) if packages else (),
    )


def purged_plan(project: str, service: str, facts: HostFacts) -> HostPlan:
    """Return what forgets what was purged; a host that nothing is deployed to any more is left as it was found.

    Raises:
        HostFileInvalid: when its host.json was damaged.
    """
    here, left = read_host_file(facts) or HostFile(), left_services(facts)
    ready = here.projects.get(project, {})
    after = left.without(project, [service] if service else left.projects.get(project, ()))
    removal = Removal(tidies=() if ready or project in after.projects else (f"{hostfile.ROOT}/{project}",))
    if not here.projects:
        login = "" if facts.base.authorized_keys else LOGIN
        removal = replace(removal, clears=(*RUN, AGENT_FOLDER), folders=FOLDERS, login=login)
    return HostPlan(entries=tuple(left_entries(facts, after)), commands=(), removal=removal)
