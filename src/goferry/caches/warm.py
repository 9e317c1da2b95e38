"""What a checkout keeps of what it compiled: one GOCACHE for each slot, and what each piece of work used of it.

    CACHE/build/<checkout>/                    there is one only where `goferry cache restore` made it
        go/<slot>/                             a GOCACHE
        used/<slot>/<kind>.json                the entries that a build, or the tests, used, once they were done
        packs/<slot>.json                      which packs were unpacked here
        proven                                 the job that began it, where all in it came from signed packs or that job

A slot is what Go's own keys tell apart anyway: the toolchain, the platform and what else decides the compiler's output.
Its own folder makes it exact what a target needs, whatever ran beside it, and keeps out what others left in GOCACHE.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field

from goferry.caches import gocache
from goferry.kernel.files import write_atomically

TAGS = "tags"
"""Which of the flags is not a variable."""
_WORD = r"[^a-z0-9.-]+"
_PROVEN = "proven"


def at(folder: Path) -> dict[str, str]:
    """Return the variables that have Go use a GOCACHE, and no program in its place (go help cache, GOCACHEPROG)."""
    return {"GOCACHE": str(folder), "GOCACHEPROG": ""}


class CacheSlot(Struct, frozen=True):
    """What one GOCACHE is for.

    Attributes:
        go: the toolchain's version, `1.27.3`. goos, goarch: the platform.
        flags: what else decides what the compiler writes: tags, and variables such as CGO_ENABLED and GOAMD64.
    """

    go: str
    goos: str
    goarch: str
    flags: Mapping[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """The variables that choose it."""
        return {"GOOS": self.goos, "GOARCH": self.goarch, **{k: v for k, v in self.flags.items() if k != TAGS}}

    @property
    def name(self) -> str:
        """Its folder's name: `go1.27.3-linux-amd64-0123456789ab`."""
        text = json.dumps(dict(sorted(self.flags.items())), separators=(",", ":"))
        plain = re.sub(_WORD, "-", f"go{self.go}-{self.goos}-{self.goarch}".lower())
        return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


class Used(Struct, frozen=True):
    """The entries that pieces of work used in a slot, and the seconds that they took."""

    names: frozenset[str]
    seconds: float


class Warm:
    """The folder of one checkout."""

    def __init__(self, cache: Path, directory: Path) -> None:
        """`cache` is Goferry's own folder, `directory` the project's."""
        checkout = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]
        self.root = cache / "build" / checkout

    @property
    def there(self) -> bool:
        """Whether stages are to use it."""
        return self.root.is_dir()

    def make(self) -> None:
        """Make it, or keep what is there; anything may come into it, so that it is not proven."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.doubt()

    def begin(self, job: str) -> None:
        """Make it anew, empty; proven from now on where `job` is the identity of a job (caches.ci_job).

        Raises:
            OSError: what was there can't be removed.
        """
        self.remove()
        self.root.mkdir(parents=True, mode=0o700)
        if job:
            write_atomically(self.root / _PROVEN, job.encode())

    def proven(self, job: str) -> bool:
        """Whether this very job began it, and nothing ran since that could have written to it."""
        try:
            return bool(job) and (self.root / _PROVEN).read_bytes() == job.encode()
        except OSError:
            return False

    def doubt(self) -> None:
        """Take the mark away: from now on anybody's code runs."""
        (self.root / _PROVEN).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove it: stages use Go's own GOCACHE again."""
        shutil.rmtree(self.root, ignore_errors=True)

    def gocache(self, slot: CacheSlot) -> Path:
        """Return the slot's GOCACHE, made where it is missing."""
        folder = self.root / "go" / slot.name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    @contextlib.contextmanager
    def working(self, slot: CacheSlot, work: str) -> Iterator[Working]:
        """Have a piece of work use a slot; afterwards it tells what was used. Without the folder it uses Go's own."""
        if not self.there:
            yield Working(slot, work)
            return
        folder = self.gocache(slot)
        gocache.age(folder)
        since = time.monotonic()
        done = Working(slot, work, folder)
        yield done
        done.names, done.seconds = gocache.used(folder), time.monotonic() - since

    def forget(self, kind: str) -> None:
        """Forget what pieces of work of a kind used: they are about to be done again."""
        for path in (self.root / "used").glob(f"*/{kind}.json"):
            path.unlink()

    def keep(self, kind: str, works: Sequence[Working]) -> None:
        """Keep what all pieces of work of a kind used, of the slots where each was done from end to end."""
        for slot in {each.slot.name: each.slot for each in works}.values():
            own = [each for each in works if each.slot == slot]
            if all(each.gocache and each.whole for each in own):
                names = sorted({name for each in own for name in each.names})
                note = {"names": names, "seconds": sum(each.seconds for each in own)}
                path = self.root / "used" / slot.name / f"{kind}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, json.dumps(note).encode())

    def used(self, slot: CacheSlot, kind: str) -> Used | None:
        """Return what the pieces of work of a kind used; None where they were not all done from end to end."""
        try:
            return msgspec.json.decode((self.root / "used" / slot.name / f"{kind}.json").read_bytes(), type=Used)
        except (OSError, ValueError, RecursionError):
            return None

    def note(self, name: str, text: str) -> None:
        """Keep a word on what is here."""
        path = self.root / "packs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())

    def noted(self, name: str) -> str:
        """Return what `note` kept, or nothing."""
        try:
            return (self.root / "packs" / name).read_text("utf-8")
        except (OSError, ValueError):
            return ""

    def note_packs(self, slot: CacheSlot, packs: Mapping[str, Unpacked], *, made: bool = False) -> None:
        """Keep what was unpacked into a slot, by kind; or, with `made`, what was packed from it."""
        path = self._packs(slot, made=made)
        path.parent.mkdir(parents=True, exist_ok=True)
        notes = {kind: [each.key, each.sha256, each.signed, *each.names] for kind, each in packs.items()}
        write_atomically(path, json.dumps(notes).encode())

    def _packs(self, slot: CacheSlot, *, made: bool) -> Path:
        return self.root / "packs" / f"{slot.name}{'-made' if made else ''}.json"

    def packs(self, slot: CacheSlot, *, made: bool = False) -> dict[str, Unpacked]:
        """Return what `note_packs` kept."""
        try:
            kept = json.loads(self._packs(slot, made=made).read_bytes())
            return {
                str(kind): Unpacked(str(key), frozenset(map(str, names)), str(sha256), signed is True)
                for kind, (key, sha256, signed, *names) in kept.items()
            }
        except (OSError, ValueError, AttributeError, TypeError):
            return {}


class Unpacked(Struct, frozen=True):
    """A pack that lies in a slot.

    Attributes:
        key: what it was made for. names: those of its entries.
        sha256: of the pack, in hex. signed: whether a signature covers it.
    """

    key: str
    names: frozenset[str]
    sha256: str = ""
    signed: bool = False


class Working(Struct):
    """A piece of work under way.

    Attributes:
        slot: whose GOCACHE it uses. work: what it is. gocache: the folder, or None: Go's own.
        whole: set when all of it was done, and not only what had changed. names, seconds: what came of it.
    """

    slot: CacheSlot
    work: str
    gocache: Path | None = None
    whole: bool = False
    names: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def environ(self) -> dict[str, str]:
        """The variables that have Go use it."""
        return at(self.gocache) if self.gocache else {}
