"""Services that a host is no longer ready for: what of them is removed, and what stays (kernel.leftfile); pure."""

from __future__ import annotations

from collections.abc import Iterable

from goferry.deploy.provision._host_facts import HostFacts
from goferry.deploy.provision._order_on_host import HostEntry, Removal
from goferry.deploy.provision._removal_on_host import DATA
from goferry.deploy.provision.needs import USUAL, HostGuard, HostProxy
from goferry.kernel import hostfile, leftfile
from goferry.kernel.hostfile import HostFile, HostFileInvalid, Place
from goferry.kernel.leftfile import LEFT_FILE, LeftFile


def read_host_file(facts: HostFacts) -> HostFile | None:
    """Read what the host was provisioned with.

    Raises:
        HostFileInvalid: as it says; not with the advice to provision it, which is what failed.
    """
    try:
        return hostfile.parse(facts.base.host_file.encode(), facts.known) if facts.base.host_file else None
    except HostFileInvalid as error:
        raise HostFileInvalid(
            error.what,
            state="Nothing was changed.",
            advice=[
                "a newer Goferry may have written it: run that one",
                "what was edited by hand is put right by hand, as root on the host, in /etc/goferry/host.json",
            ],
        ) from None


def left_services(facts: HostFacts) -> LeftFile:
    """Return the services that were left.

    Raises:
        LeftFileInvalid: when the file was damaged.
    """
    return leftfile.parse(facts.base.left_file.encode()) if facts.base.left_file else LeftFile()


def left_entries(facts: HostFacts, after: LeftFile) -> list[HostEntry]:
    """Return what makes the file so; nothing where it is, so that most hosts never have it."""
    if not after.projects:
        return [HostEntry(LEFT_FILE, gone=True)] if facts.base.left_file else []
    return [HostEntry(LEFT_FILE, after.to_bytes())] if after.to_bytes().decode() != facts.base.left_file else []


def service_files(places: Iterable[Place], guard: HostGuard, proxy: HostProxy) -> list[str]:
    """Return the files that services have of their own, but what is theirs to keep."""
    files = []
    for place in places:
        units = guard.service(place, drain_seconds=0, group=proxy.group, former=None)
        files += [*(entry.path for entry in units), *proxy.own_files(place)]
    return files


def service_removal(places: Iterable[Place], guard: HostGuard, proxy: HostProxy) -> Removal:
    """Return what runs of services, where their sockets lie, and the folders of their operators, if they are empty."""
    found = list(places)
    folders = [
        entry.path
        for place in found
        for entry in proxy.service(place, USUAL, bind="", ipv6=False)
        if entry.content is None
    ]
    return Removal(
        ends=tuple(pattern for place in found for pattern in guard.service_units(place)),
        clears=tuple(place.socket_path(0).rpartition("/")[0] for place in found),
        folders=tuple(folders),
    )


def kept_paths(project: str, places: Iterable[Place], proxy: HostProxy) -> tuple[str, ...]:
    """Return where what is kept of a project's services lies."""
    found = list[str]()
    for place in places:
        found += [place.env_file, *(f"{each}/{place.stem}" for each in DATA), proxy.own_folder(place)]
    return (*found, f"{hostfile.ROOT}/{project}")
