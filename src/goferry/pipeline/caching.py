"""What is kept between jobs: modules and compiled packages, brought here before the work and taken away after it.

A cache never fails a job: what can't be used, reached or written is told, and the work goes on cold.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from goferry import golang
from goferry.build import environment, slots, targets
from goferry.build import modules as gomodules
from goferry.caches import gocache, pack
from goferry.caches import place as places
from goferry.caches.pack import PackUnusable
from goferry.caches.place import Kept, Place
from goferry.caches.warm import Slot, Unpacked, Warm
from goferry.config.load import Loaded, load
from goferry.config.settings import Settings
from goferry.dist import Toolchain
from goferry.dist.native import host
from goferry.golang import kept as keptmodules
from goferry.kernel.errors import printable
from goferry.observe.events import Stream
from goferry.observe.figures import size

MODULES, DEPS, OWN, TESTS = "modules", "deps", "own", "tests"
"""Kinds of packs: downloads; compiled packages of Go and of other modules; the project's own; what its tests add."""
_MODULE = re.compile(r"""(?m)^module[ \t]+["`]?([^\s"`]+)""")
NOTHING = "nothing is kept yet"
ALL = "all"
"""The slot of modules."""


@dataclass(frozen=True)
class Row:
    """What came of one pack.

    Attributes:
        kind, slot: which.
        done: `restored`, `saved`, `missed`, `kept` (nothing to do), `there`, `missing`, `removed`; or with
            --dry-run `would go`, `would be saved`.
        why: the reason, where there is something to say. bytes: what was moved. seconds: what it took.
    """

    kind: str
    slot: str
    done: str
    why: str = ""
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class _Ground:
    """What restoring and saving stand on."""

    loaded: Loaded
    toolchain: Toolchain
    environ: Mapping[str, str]
    platforms: tuple[targets.Target, ...]
    warm: Warm
    decides: Mapping[str, str]
    module: str
    dry: bool = False

    def where(self, kind: str, slot: Slot | None = None) -> str:
        """Return a pack's place."""
        identity = f"{self.loaded.name}\n{self.module}"
        last = re.sub(r"/v\d+$", "", self.module).rsplit("/", 1)[-1]
        word = re.sub(r"[^a-z0-9.-]+", "-", (self.loaded.name or last).lower()).strip(".-") or "project"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
        return f"{word}-{digest}/{kind}/{slot.name if slot else ALL}"

    def slot(self, target: targets.Target) -> Slot:
        """Return a target's slot."""
        return slots.of_target(self.toolchain.version, target, self.loaded.project.builds)

    @property
    def native(self) -> Slot:
        """The slot of the tests."""
        return self.slot(targets.Target(*host()))

    @property
    def slots(self) -> dict[str, Slot]:
        """Every slot, by name."""
        return {slot.name: slot for slot in (*map(self.slot, self.platforms), self.native)}

    def kinds(self, slot: Slot) -> list[str]:
        """Return the kinds of packs that a slot has."""
        return [DEPS, OWN, *([TESTS] if slot == self.native else [])]

    @property
    def downloads(self) -> Path:
        """Where Go keeps what it downloads."""
        return Path(self.environ["GOMODCACHE"]) / "cache" / "download"


def restore(
    directory: Path, place: str, *, settings: Settings, stream: Stream, project: str = "", wanted: Sequence[str] = ()
) -> list[Row]:
    """Bring what was kept for a project, and have its stages use it from now on.

    Args:
        directory: the repository, or a folder in it.
        place: where packs are kept, as `caches.place.opened` takes it.
        settings: the surroundings.
        stream: hears of it.
        project: one of several in goferry.yml.
        wanted: targets instead of `builds.targets`.

    Raises:
        PlaceUnknown, and what opening a project raises.
    """
    where = places.opened(place)
    ground = _ground(directory, settings, stream, project, wanted)
    ground.warm.make()
    with stream.span("cache-restore") as span, ThreadPoolExecutor(4, thread_name_prefix="restore") as pool:
        futures = [pool.submit(_restore_modules, ground, where)]
        futures += [pool.submit(_restore_slot, ground, where, slot) for slot in ground.slots.values()]
        rows = [row for future in futures for row in future.result()]
        span.numbers.update(bytes=sum(row.bytes for row in rows))
    return rows


def save(
    directory: Path,
    place: str,
    *,
    settings: Settings,
    stream: Stream,
    project: str = "",
    wanted: Sequence[str] = (),
    dry_run: bool = False,
) -> list[Row]:
    """Take away what the work of this checkout used, where all of it was done and something of it is new.

    Args and Raises: as for `restore`; with `dry_run` nothing is taken away.
    """
    where = places.opened(place)
    ground = replace(_ground(directory, settings, stream, project, wanted), dry=dry_run)
    with stream.span("cache-save") as span:
        rows = _save_modules(ground, where)
        for slot in ground.slots.values():
            rows += _save_slot(ground, where, slot)
        span.numbers.update(bytes=sum(row.bytes for row in rows))
    return rows


def status(
    directory: Path, place: str, *, settings: Settings, stream: Stream, project: str = "", wanted: Sequence[str] = ()
) -> list[Row]:
    """Say what `restore` would bring, and why not where it would not; nothing is brought.

    Args and Raises: as for `restore`.
    """
    where = places.opened(place)
    ground = _ground(directory, settings, stream, project, wanted)
    inputs = {name: each.h1 for name, each in _modules(ground).items()}
    rows = [_guarded(MODULES, ALL, partial(_looked_up, ground, where, MODULES, None, inputs))]
    for slot in ground.slots.values():
        rows += [
            _guarded(kind, slot.name, partial(_looked_up, ground, where, kind, slot, ground.decides))
            for kind in ground.kinds(slot)
        ]
    return rows


def prune(place: str, *, keep: int, days: float, dry_run: bool = False) -> list[Row]:
    """Remove from a place what `caches.place.surplus` says.

    Raises:
        PlaceUnknown: when it is no place.
    """
    where = places.opened(place)
    rows = []
    for each in places.surplus(where.all(), keep, days, time.time()):
        _, kind, slot = each.where.split("/")
        if not dry_run:
            where.remove(each.where, each.name)
        rows.append(Row(kind, slot, "would go" if dry_run else "removed", each.name, each.bytes))
    return rows


def _looked_up(ground: _Ground, place: Place, kind: str, slot: Slot | None, inputs: Mapping[str, str]) -> Row:
    found, exact = places.find(place, ground.where(kind, slot), _key(inputs))
    name = slot.name if slot else ALL
    if found is None:
        return Row(kind, name, "missing", NOTHING)
    why = {MODULES: _nearest(exact), DEPS: "" if exact else _differs(found.inputs, inputs)}.get(kind, "")
    return Row(kind, name, "there", why, found.bytes)


def record(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {"packs": [asdict(row) for row in rows]}


def lines(rows: Sequence[Row]) -> list[str]:
    """Return the rows for a person."""
    told = []
    for row in rows:
        moved = f"  {size(row.bytes)}" if row.bytes else ""
        moved += f" in {row.seconds:.1f} s" if row.seconds else ""
        why = f"  {row.why}" if row.why else ""
        told.append(f"  {row.done:8}  {row.kind:7}  {row.slot}{moved}{why}")
    return told


def _ground(directory: Path, settings: Settings, stream: Stream, project: str, wanted: Sequence[str]) -> _Ground:
    loaded = load(directory, project=project)
    gomodules.require(loaded.directory)
    request = golang.GoRequest(loaded.directory, "", loaded.project)
    toolchain = golang.setup_go(request, settings=settings, stream=stream)
    environ = environment.clean(settings.environ, toolchain, loaded.directory)
    ports = targets.ports(toolchain, environ)
    chosen = targets.parse(wanted or loaded.project.builds.targets, ports)
    folders = [path.parent for path in sorted(loaded.directory.rglob("go.mod")) if "testdata" not in path.parts]
    file = loaded.directory / "go.mod"
    line = _MODULE.search(file.read_text("utf-8", "replace")) if file.is_file() else None
    module = line[1] if line else loaded.directory.name
    decides = slots.decides(loaded.directory, [*folders, loaded.root])
    return _Ground(loaded, toolchain, environ, chosen, Warm(settings.cache, loaded.directory), decides, module)


def _key(inputs: Mapping[str, str]) -> str:
    text = json.dumps(dict(sorted(inputs.items())), separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[: places.KEY]


def _guarded(kind: str, slot: str, work: Callable[[], Row]) -> Row:
    try:
        return work()
    except (OSError, PackUnusable) as error:
        return Row(kind, slot, "missed", printable(str(error), 200))


def _modules(ground: _Ground) -> dict[str, keptmodules.Module]:
    sums = [ground.loaded.directory / name for name in ground.decides if name.endswith(".sum")]
    return keptmodules.wanted(path.read_text("utf-8", "replace") for path in sums)


def _restore_modules(ground: _Ground, place: Place) -> list[Row]:
    modules = _modules(ground)
    inputs = {name: each.h1 for name, each in modules.items()}

    def work() -> Row:
        since = time.monotonic()
        found, exact = places.find(place, ground.where(MODULES), _key(inputs))
        if found is None:
            return Row(MODULES, ALL, "missed", NOTHING)
        with place.open(found.where, found.name) as source:
            index = pack.read(source, MODULES, keptmodules.NAME)
            there = {name for name, _ in index.files if (ground.downloads / name).exists()}

            def check(name: str, data: bytes) -> bool:
                return name not in there and name in modules and keptmodules.genuine(modules[name], name, data)

            refused = set(pack.unpack(source, index, ground.downloads, check)) - there
        for name, _ in index.files:
            if name.endswith(".zip") and name in modules and name not in refused and name not in there:
                keptmodules.complete(ground.downloads, name, modules[name])
        lacking = sorted(name for name in refused if name in modules)
        why = f"{len(lacking)} of it are not what go.sum says, and were left out" if lacking else ""
        return Row(MODULES, ALL, "restored", why or _nearest(exact), found.bytes, time.monotonic() - since)

    return [_guarded(MODULES, ALL, work)]


def _restore_slot(ground: _Ground, place: Place, slot: Slot) -> list[Row]:
    unpacked: dict[str, Unpacked] = {}
    rows = [
        _guarded(kind, slot.name, partial(_restore_kind, ground, place, slot, kind, unpacked))
        for kind in ground.kinds(slot)
    ]
    ground.warm.note_packs(slot, unpacked)
    return rows


def _restore_kind(ground: _Ground, place: Place, slot: Slot, kind: str, unpacked: dict[str, Unpacked]) -> Row:
    since = time.monotonic()
    key = _key(ground.decides)
    found, exact = places.find(place, ground.where(kind, slot), key)
    if found is None:
        return Row(kind, slot.name, "missed", NOTHING)
    with place.open(found.where, found.name) as source:
        index = pack.read(source, kind, gocache.NAME)
        if index.about.get("slot") != slot.name:
            raise PackUnusable("it was made for another Go, target or flags")
        folder = ground.warm.gocache(slot)
        refused = pack.unpack(source, index, folder, gocache.genuine, time.time() - gocache.AGED)
    if refused:
        raise PackUnusable(f"{len(refused)} of its entries are none that Go writes")
    unpacked[kind] = Unpacked(found.key, frozenset(name for name, _ in index.files))
    why = "" if kind != DEPS or exact else _differs(found.inputs, ground.decides)
    return Row(kind, slot.name, "restored", why, found.bytes, time.monotonic() - since)


def _nearest(exact: bool) -> str:
    return "" if exact else "the newest, as go.sum has changed"


def _differs(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    shown = ", ".join(printable(name, 60) for name in changed[:3])
    return f"the newest, as {shown} changed" + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")


def _save_modules(ground: _Ground, place: Place) -> list[Row]:
    modules = _modules(ground)
    inputs = {name: each.h1 for name, each in modules.items()}

    def work() -> Row:
        if places.find(place, ground.where(MODULES), _key(inputs))[1]:
            return Row(MODULES, ALL, "kept")
        names = sorted(name for name in modules if (ground.downloads / name).is_file())
        if not names:
            return Row(MODULES, ALL, "kept", "there are none")
        return _put(ground, place, MODULES, None, _key(inputs), ground.downloads, names, {})

    return [_guarded(MODULES, ALL, work)]


def _save_slot(ground: _Ground, place: Place, slot: Slot) -> list[Row]:
    built, tested = ground.warm.used(slot, "build"), ground.warm.used(slot, "test")
    before = ground.warm.packs(slot)
    key = _key(ground.decides)
    if built is None and tested is None:
        return [Row(OWN, slot.name, "kept", "no build ran here from end to end")]
    folder = ground.warm.gocache(slot)
    of_build, of_tests = (each.names if each else frozenset() for each in (built, tested))
    rows: list[Row] = []
    deps = before[DEPS].names if DEPS in before and before[DEPS].key == key else frozenset()

    def others() -> frozenset[str]:
        env = {**ground.environ, "GOCACHE": str(folder)}
        return slots.others(ground.toolchain, ground.loaded.directory, ["./..."], env, slot)

    def save_deps() -> Row:
        nonlocal deps
        if deps:
            return Row(DEPS, slot.name, "kept")
        deps = others()
        seconds = built.seconds if built and DEPS not in before else 0.0
        return _put(ground, place, DEPS, slot, key, folder, sorted(deps), ground.decides, seconds)

    def save_rest(kind: str, names: frozenset[str]) -> Row:
        if kind in before and names <= before[kind].names:  # what is no longer used goes with the next change
            return Row(kind, slot.name, "kept")
        return _put(ground, place, kind, slot, _key(dict.fromkeys(names, "")), folder, sorted(names), {})

    rows.append(_guarded(DEPS, slot.name, save_deps))
    if built:
        rows.append(_guarded(OWN, slot.name, partial(save_rest, OWN, of_build - deps)))
    if tested:
        rows.append(_guarded(TESTS, slot.name, partial(save_rest, TESTS, of_tests - of_build - deps)))
    elif slot == ground.native:
        rows.append(Row(TESTS, slot.name, "kept", "no tests ran here from end to end"))
    return rows


def _put(
    ground: _Ground,
    place: Place,
    kind: str,
    slot: Slot | None,
    key: str,
    root: Path,
    names: Sequence[str],
    inputs: Mapping[str, str],
    seconds: float = 0.0,
) -> Row:
    since = time.monotonic()
    where = ground.where(kind, slot)
    if ground.dry:
        held = sum((root / name).stat().st_size for name in names)
        return Row(kind, slot.name if slot else ALL, "would be saved", "before it is packed", held)
    with tempfile.TemporaryDirectory(prefix="goferry-pack-") as work:
        path = Path(work) / "pack"
        with path.open("wb") as out:
            index = pack.write(out, kind, {"slot": slot.name if slot else ALL}, root, names)
        with path.open("rb") as made:
            digest = hashlib.file_digest(made, "sha256").hexdigest()
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{key}"
        held = path.stat().st_size
        kept = Kept(where, name, key, held, index.size, len(names), digest, round(seconds, 1), inputs)
        places.put(place, kept, path)
    return Row(kind, slot.name if slot else ALL, "saved", "", held, time.monotonic() - since)
