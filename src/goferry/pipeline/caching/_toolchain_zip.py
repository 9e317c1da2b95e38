"""The toolchain on its way between jobs: its zip travels, and setting it up proves it as if it came from a proxy.

A zip is not a project's own, so a place has it once for all of them.
"""

from __future__ import annotations

import time
from pathlib import Path

from goferry import golang
from goferry.caches import storage as places
from goferry.caches.storage import KeptPack, Storage
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel.errors import GoferryError
from goferry.kernel.files import sha256_file
from goferry.pipeline.caching._pack_report import NOTHING, PackRow, guarded
from goferry.pipeline.caching.scope import Scope, key_of

TOOLCHAIN = "toolchain"
_OWNER = "go"


def restore_toolchain(ctx: Context, request: golang.GoRequest, place: Storage) -> list[PackRow]:
    """Bring the zip of the toolchain that is going to be set up; no row where none is, or nobody says which."""
    try:
        zipped = golang.lacking(ctx, request)
    except GoferryError:  # setting it up says why
        return []
    if zipped is None or zipped.is_file():
        return []

    def work() -> PackRow:
        since = time.monotonic()
        found, exact = places.find(place, _where(zipped), _key(zipped))
        if found is None or not exact:
            return PackRow(TOOLCHAIN, zipped.stem, "missed", NOTHING)
        with place.open(found.where, found.name) as source:
            size = golang.bring(source, zipped)
        return PackRow(TOOLCHAIN, zipped.stem, "restored", "", size, time.monotonic() - since)

    return [guarded(TOOLCHAIN, zipped.stem, work)]


def save_toolchain(ground: Scope, place: Storage, settings: Settings) -> list[PackRow]:
    """Take the zip of the toolchain away, where the place lacks it; no row where it is not here."""
    zipped = golang.zipped(ground.toolchain, settings)
    if zipped is None:
        return []

    def work() -> PackRow:
        since, where = time.monotonic(), _where(zipped)
        if places.find(place, where, _key(zipped))[1]:
            _done(zipped, ground)
            return PackRow(TOOLCHAIN, zipped.stem, "kept")
        size = zipped.stat().st_size
        if ground.dry:
            return PackRow(TOOLCHAIN, zipped.stem, "would be saved", "", size)
        digest, name = sha256_file(zipped), places.new_name(_key(zipped))
        places.put(place, KeptPack(where, name, _key(zipped), size, size, 1, digest), zipped)
        _done(zipped, ground)
        return PackRow(TOOLCHAIN, zipped.stem, "saved", "", size, time.monotonic() - since, digest)

    return [guarded(TOOLCHAIN, zipped.stem, work)]


def _done(zipped: Path, ground: Scope) -> None:
    """Remove the zip from here, as the place has it."""
    if not ground.dry:
        zipped.unlink(missing_ok=True)


def _where(zipped: Path) -> str:
    return f"{_OWNER}/{TOOLCHAIN}/{zipped.stem}"


def _key(zipped: Path) -> str:
    return key_of({"module": zipped.stem})
