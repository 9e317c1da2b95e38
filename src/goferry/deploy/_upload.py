"""Sending a sealed release: the host gets the signed lists, and of the files only the binaries that it can run.

A file is sent in blocks at offsets that the host names, so an interrupted upload resumes where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from goferry.artifacts import given
from goferry.deploy._client import Agent
from goferry.deploy._session import HostSession
from goferry.deploy.errors import HostOutdated
from goferry.kernel import checksums, manifest
from goferry.kernel.errors import printable
from goferry.kernel.files import sha256_file
from goferry.kernel.outcomes import AgentLost, UploadDamaged
from goferry.kernel.refusals import FileMissing, ManifestMissing

BLOCK = 1 << 20
NO_POLICY = (
    "the host has no policy for this project and takes every signed release of it, snapshots too; set one:  "
    "goferry provision HOST --accepts releases"
)
_MAKE = ("make it:  goferry build --out DIST", "seal it:  goferry sign DIST --openpgp-key FILE")


class Item(Struct, frozen=True):
    """One file to send: its path, name, bytes and lower-case SHA-256."""

    path: Path
    name: str
    size: int
    sha256: str


def read_release(dist: Path) -> manifest.Manifest:
    """Return the manifest of a sealed folder; it is not trusted before the host has verified it.

    Raises:
        FolderUnreadable: the release's folder, or a file in it, cannot be opened.
        ManifestMissing: the folder or the list has no `release.json`.
        ManifestMalformed: `release.json` is not a release manifest of a schema that this Goferry knows.
    """
    given.refuse_absent(dist)
    try:
        with (dist / manifest.MANIFEST).open("rb") as file:
            # One byte more than is allowed, so that a file that is too large is refused and not cut.
            return manifest.parse(file.read(manifest.MAX_BYTES + 1))
    except OSError as error:
        raise ManifestMissing(
            f"{printable(str(dist / manifest.MANIFEST), 300)}: {error.strerror}",
            advice=_MAKE,
        ) from error


def send_release(
    session: HostSession, dist: Path, release: manifest.Manifest, services: Sequence[str], transaction: str
) -> int:
    """Ask the host what it needs and send that; return the number of bytes sent.

    Raises:
        HostOutdated: its agent would not understand the release; nothing was sent. And what `send` raises.
    """
    hello = session.hello()
    if hello.agent == 1 and release.schema > 1:
        raise _outdated(session, f"does not read releases of schema {release.schema}")
    # The host would refuse it too, but only once everything was uploaded.
    unknown = sorted({*release.critical} - hello.critical)
    if unknown:
        raise _outdated(session, f"does not know {', '.join(unknown)}, which {release.version} needs")
    if hello.project and not hello.has_policy:
        session.warn(NO_POLICY)
    items = plan(dist, release, services=services, platform=hello.platform, held=hello.held)
    since = time.monotonic()
    sent = send(session.agent, items, transaction, session.progress)
    session.measure(bytes=sent, upload_ms=round((time.monotonic() - since) * 1000))
    return sent


def _outdated(session: HostSession, what: str) -> HostOutdated:
    return HostOutdated(
        f"the agent of {session.address.text} {what}",
        state="Nothing was sent.",
        advice=["upgrade it while it serves:  goferry provision HOST"],
    )


def plan(
    dist: Path, release: manifest.Manifest, *, services: Sequence[str], platform: str, held: Collection[str]
) -> list[Item]:
    """Return what a host of this platform needs and does not hold, in the order in which it is sent."""
    signed = [manifest.MANIFEST, checksums.LIST, *release.signatures]
    items = [_item(dist / name) for name in signed if (dist / name).is_file()]
    wanted = services or list(release.services)
    programs = [release.services[name].get("binary") for name in wanted if name in release.services]
    for file in release.files:
        fits = f"{file.goos}/{file.goarch}" == platform and file.meta.get("program") in programs
        if file.kind == "binary" and fits and file.sha256 not in held:
            items.append(Item(dist / file.name, file.name, file.size, file.sha256))
    return items


def _item(path: Path) -> Item:
    # The lists can't contain themselves, so their sizes and digests are taken from the disk.
    return Item(path, path.name, path.stat().st_size, sha256_file(path))


def send(agent: Agent, items: Sequence[Item], transaction: str, on_progress: Callable[[str], None]) -> int:
    """Send the items; return the number of bytes sent.

    A resumed file that does not have the right digest in the end is sent again from the start.

    Raises:
        FileMissing: when one can't be read here. GoferryError: as the host says.
    """
    sent = 0
    for item in items:
        on_progress(f"upload {item.name}")
        count, whole = _send(agent, item, transaction)
        sent += count if whole else count + _send(agent, item, transaction)[0]
    return sent


def _send(agent: Agent, item: Item, transaction: str) -> tuple[int, bool]:
    """Return the number of bytes sent, and whether the file arrived; not if it resumed another file's beginning."""
    ask = partial(agent.ask, "upload", id=transaction, name=item.name, size=item.size, sha256=item.sha256)
    have = _have(ask(offset=0), item)  # without a payload it asks how much is there
    start = have
    try:
        with item.path.open("rb") as file:
            while have < item.size:
                file.seek(have)
                block = file.read(min(BLOCK, item.size - have))
                if not block:
                    raise FileMissing(f"{item.name} is shorter than the signed list says")
                had, have = have, _have(ask(payload=block, offset=have), item)
                # Else a host that takes nothing would be sent the same block forever.
                if have <= had:
                    raise AgentLost(f"the host takes no more of {item.name}: it has {have} of {item.size} bytes")
    except OSError as error:
        raise FileMissing(f"{item.name} can't be read: {error.strerror}") from error
    except UploadDamaged:
        # All of it came from here, so sending it again would bring the same bytes.
        if not start:
            raise
        return item.size - start, False
    return item.size - start, True


def _have(answer: Mapping[str, object], item: Item) -> int:
    have = answer.get("have")
    # Not isinstance: in Python True is an int, and would count as one byte.
    if type(have) is not int or not 0 <= have <= item.size:
        raise AgentLost(f"the host claims to have {printable(str(have), 40)} bytes of {item.name}")
    return have
