"""Which packs of a place are believed: those that a signature covers.

The job that compiled them lists them before any test runs, and another job signs the list, which compiles nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from msgspec import structs

from goferry.caches import pack, statement, storage as places
from goferry.caches.pack import PackUnusable
from goferry.caches.statement import Believer, PackStatement, StatementEntry
from goferry.caches.storage import KeptPack, Storage
from goferry.caches.warm import CacheSlot
from goferry.config.settings import Settings
from goferry.kernel import trustfile
from goferry.kernel.errors import Misuse, Refused, printable
from goferry.kernel.refusals import KeyUnknown, Refusal
from goferry.kernel.trustfile import TrustFile
from goferry.pipeline.caching._pack_report import PackRow, guarded
from goferry.system import openpgp_verifiers
from goferry.system.process import ToolMissing, run
from goferry.system.runner_variables import RunnerVariables
from goferry.trust import keys
from goferry.trust.errors import KeyUnusable
from goferry.trust.keys import Secret

KEY = "GOFERRY_CACHE_KEY"
_TRIES = 32
"""How many packs of a slot are looked at for one that is signed: whoever may write to a place can fill it."""
_BLOCK = 1 << 20
_Got = TypeVar("_Got")
_KEY_ADVICE = ("give it:  --key FILE", f"or set {KEY}", "make one:  goferry keygen --cache --out KEYS")


class StatementInvalid(Misuse):
    """A file to sign is not a list of packs.

    It must be the unchanged output of `goferry cache save --list FILE`. Usual causes: another file, or one that was cut
    off.
    """

    name = "statement-invalid"


class StatementForeign(Refused):
    """A list of packs to sign belongs to another repository or commit than this run.

    Usual causes: the artifact of another run, or a job that checked out another commit than the one that started it.
    """

    name = "statement-foreign"


@dataclass(frozen=True)
class Belief:
    """What of a place is believed.

    Attributes:
        place: where packs are. folder: where their statements are. believer: who judges them; None: nothing is
            believed. why: the reason, where that is so.
    """

    place: Storage
    folder: str
    believer: Believer | None
    why: str = ""

    def judge(self, kept: KeptPack, kind: str, slot: CacheSlot) -> None:
        """Say whether a signature covers the pack that has the digest which its note says.

        Raises:
            PackUnusable: none does; the words say why. OSError: the place can't be read.
        """
        if kind not in statement.SIGNABLE:
            raise PackUnusable("what tests add is never signed")
        if self.believer is None:
            raise PackUnusable(self.why)
        try:
            data = self.place.note(self.folder, kept.sha256)
        except FileNotFoundError:
            raise PackUnusable("it is not signed") from None
        self.believer.covers(data, StatementEntry(kind, slot, kept.sha256))

    @contextlib.contextmanager
    def best(
        self, where: str, kind: str, slot: CacheSlot, key: str, here: Collection[str]
    ) -> Iterator[tuple[KeptPack, bool, BinaryIO | None] | None]:
        """Yield the best pack that is believed, whether it is the key's own, and the bytes that were hashed.

        They are a copy that has no name: what lies in the place may change meanwhile. There are none of a pack whose
        digest is of those that are `here` already. Without any pack None is yielded.

        Raises:
            PackUnusable: none of those that are there is believed; the words say why of the best.
            OSError: the place can't be read.
        """
        found = self._first(where, kind, slot, key, lambda kept: None if kept.sha256 in here else self._copied(kept))
        with (found and found[2]) or contextlib.nullcontext():
            yield found

    def find(self, where: str, kind: str, slot: CacheSlot, key: str) -> tuple[KeptPack | None, bool]:
        """Return what `best` would yield, as far as notes say; raises what it raises."""
        found = self._first(where, kind, slot, key, lambda _kept: None)
        return (found[0], found[1]) if found else (None, False)

    def _first(
        self, where: str, kind: str, slot: CacheSlot, key: str, then: Callable[[KeptPack], _Got]
    ) -> tuple[KeptPack, bool, _Got] | None:
        first: PackUnusable | OSError | None = PackUnusable(self.why) if self.believer is None else None
        for kept, exact in itertools.islice(places.candidates(self.place, where, key), _TRIES):
            try:
                self.judge(kept, kind, slot)
                return kept, exact, then(kept)
            except (PackUnusable, OSError) as error:
                first = first or error
        if first is not None:
            raise first
        return None

    def _copied(self, kept: KeptPack) -> BinaryIO:
        copy: BinaryIO = tempfile.TemporaryFile(prefix="goferry-pack-")  # noqa: SIM115
        try:
            with self.place.open(kept.where, kept.name) as source:
                digest = _copy(source, copy, min(kept.bytes, pack.MOST_BYTES))
        except BaseException:
            copy.close()
            raise
        if digest != kept.sha256:
            copy.close()
            raise PackUnusable("it is not the pack that was signed")
        copy.seek(0)
        return copy


def _copy(source: BinaryIO, copy: BinaryIO, most: int) -> str:
    """Copy up to `most` bytes and one block; return their SHA-256."""
    digest, held = hashlib.sha256(), 0
    while held <= most and (block := source.read(_BLOCK)):
        held += len(block)
        digest.update(block)
        copy.write(block)
    return digest.hexdigest()


def believing(place: Storage, project: str, name: str, trust: Path, settings: Settings) -> Belief:
    """Return what is believed of a project's packs: nothing where the trust file can't be used.

    Args:
        place: where they are.
        project: as places call it.
        name: as the keys' scope has it.
        trust: the trust file of the cache's keys.
        settings: the surroundings.
    """
    folder = f"{project}/{statement.WHERE}"
    try:
        loaded = trustfile.load(trust, "cache")
    except Refusal as error:
        return Belief(place, folder, None, printable(error.what, 200))
    return Belief(place, folder, _believer(loaded, repository(settings.environ, project), project, name, settings))


def _believer(trust: TrustFile, repository: str, project: str, name: str, settings: Settings) -> Believer:
    tools = openpgp_verifiers.tools(settings.environ.get("PATH", ""))
    return Believer(trust, tools, repository, project, name, lambda: int(time.time()))


def repository(environ: Mapping[str, str], project: str) -> str:
    """Return what a repository is known by: its number on GitHub, which no other has, else the project's name."""
    return RunnerVariables.of(environ).github_repository_id or project


def stated(project: str, packs: Sequence[StatementEntry], directory: Path, settings: Settings) -> bytes:
    """Return the statement of packs that this job made, not signed yet."""
    commit = _head(directory, settings) or RunnerVariables.of(settings.environ).github_sha
    return PackStatement(repository(settings.environ, project), project, commit, tuple(packs)).file


def signing_key(environ: Mapping[str, str]) -> Secret | None:
    """Return the cache's key where the environment has one."""
    return Secret(KEY, os.fsencode(environ[KEY])) if environ.get(KEY) else None


def sign(
    files: Sequence[Path],
    place: str,
    *,
    key: Path | Secret | None,
    trust: Path,
    directory: Path,
    settings: Settings,
    dry_run: bool = False,
) -> list[PackRow]:
    """Sign lists of packs, and lay each statement beside its packs.

    Args:
        files: lists, as `goferry cache save --list` writes them.
        place: where packs are kept, as `caches.storage.opened` takes it.
        key: the cache's key, of either format.
        trust: the trust file, which must have that key.
        directory: the checkout, whose commit the lists must be of where no runner of GitHub's says which.
        settings: the surroundings.
        dry_run: sign, and lay nothing there.

    Raises:
        KeyUnusable: a signing key cannot be read or cannot sign.
        PassphraseWrong: the secret key is protected, and the passphrase is missing or wrong.
        SigningFailed: the signing tool failed.
        KeyUnknown: the signature was made by a key that is not in the trust file.
        TrustFileMissing: there is no trust file at the given path, or it cannot be read.
        TrustFileInvalid: the trust file is not valid: broken JSON, an unknown field, or a key whose id does
            not match its public part.
        StatementInvalid, StatementForeign: a list is not fit to be signed; nothing was signed.
        PlaceUnknown: when it is not a place.
    """
    where = places.opened(place)
    loaded = trustfile.load(trust, "cache")
    if key is None:
        raise KeyUnusable("no cache key was given", state="Nothing was signed.", advice=_KEY_ADVICE)
    environ = {name: value for name, value in settings.environ.items() if name != KEY}  # no program needs it
    settings = structs.replace(settings, environ=environ)
    signer = keys.load_signer(key, settings=settings)
    entry = next((each for each in loaded.keys if each.id == signer.id), None)
    if entry is None:
        raise KeyUnknown(
            f"{trust} does not list the cache key {signer.id}",
            state="Nothing was signed.",
            advice=["list it there, or sign with the key that it lists"],
        )
    parsed = [_fit(path, directory, settings) for path in files]
    rows: list[PackRow] = []
    for each in parsed:
        data = statement.with_signatures(each, {signer.format: signer.sign(each.signed, int(time.time()))})
        name = next((name for name in entry.scope if name != "*"), each.project)
        believer = _believer(loaded, each.repository, each.project, name, settings)
        folder = f"{each.project}/{statement.WHERE}"
        lay = partial(_laid, None if dry_run else where, folder, data, believer)
        rows += [guarded(one.kind, one.slot.name, partial(lay, one)) for one in each.packs]
    return rows


def _fit(path: Path, directory: Path, settings: Settings) -> PackStatement:
    """Read a list that this run may sign."""
    try:
        with path.open("rb") as file:
            parsed = statement.parse(file.read(statement.MOST_BYTES + 1))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else printable(str(error), 200)
        raise StatementInvalid(
            f"{path} is not a list of packs: {why}",
            state="Nothing was signed.",
            advice=["it is written by:  goferry cache save --to PLACE --list FILE"],
        ) from None
    environ = settings.environ
    mine = {
        "repository": repository(environ, parsed.project),
        "commit": RunnerVariables.of(environ).github_sha or _head(directory, settings),
    }
    for what, own in mine.items():
        if getattr(parsed, what) != own:
            raise StatementForeign(
                f"{path} is of {what} {getattr(parsed, what) or 'unknown'}, and this run is of {own or 'none'}",
                state="Nothing was signed.",
                advice=["sign the lists of this run alone, in a checkout of its commit"],
            )
    return parsed


def _laid(place: Storage | None, folder: str, data: bytes, believer: Believer, entry: StatementEntry) -> PackRow:
    """Lay a statement beside a pack; what lies there already stays, and has to be believed as well."""
    believer.covers(data, entry)
    if place is None:
        return PackRow(entry.kind, entry.slot.name, "would be signed", sha256=entry.sha256)
    place.write(folder, entry.sha256, data)
    believer.covers(place.note(folder, entry.sha256), entry)
    return PackRow(entry.kind, entry.slot.name, "signed", sha256=entry.sha256, signed=True)


def _head(directory: Path, settings: Settings) -> str:
    """Return the commit that is checked out; empty where there is none."""
    argv = ["git", "-C", str(directory), "rev-parse", "--verify", "-q", "HEAD"]
    with contextlib.suppress(ToolMissing, OSError, subprocess.TimeoutExpired):
        done = run(argv, environ=settings.environ, timeout=30)
        return done.text.strip() if done.code == 0 else ""
    return ""
