"""What restoring and saving stand on: the project, its Go, its slots, and where its packs lie."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from goferry import golang
from goferry.artifacts import Toolchain
from goferry.artifacts.native import host
from goferry.caches import storage as places
from goferry.caches.warm import CacheSlot, Warm
from goferry.config.context import Context
from goferry.config.load import Loaded, load
from goferry.gobuild import cache_slots, environment, mains, project_modules as gomodules, targets
from goferry.gobuild.shard import Shard
from goferry.golang import kept_modules as keptmodules
from goferry.pipeline.caching._belief import Belief

MODULES, DEPS, OWN, TESTS, RESULTS = "modules", "deps", "own", "tests", "results"
"""Kinds of packs: downloads; compiled packages of Go and of other modules, and what a build has beside them; what vet
and tests had when they were packed first, and what they have beside it since.

`deps` and `tests` stay; `own` and `results` follow each change."""
_MODULE = re.compile(r"""(?m)^module[ \t]+["`]?([^\s"`]+)""")
ALL = "all"
"""The slot of modules."""
BUILD, TEST = "build", "test"
WORKS = (BUILD, TEST)
"""What a job does: it builds for its targets, or vets and tests on its own platform."""


@dataclass(frozen=True)
class JobRequest:
    """Which project a job works on, and which part of its work it does; without a word all of it.

    Attributes:
        directory: the repository, or a folder in it. project: one of several in goferry.yml.
        targets: instead of `builds.targets`. shard: a part of them, such as `1/2`.
        works: of WORKS. go_version: as `setup-go` takes it.
    """

    directory: Path
    project: str = ""
    targets: tuple[str, ...] = ()
    works: tuple[str, ...] = WORKS
    go_version: str = ""
    shard: str = ""


@dataclass(frozen=True)
class Scope:
    """What restoring and saving stand on."""

    loaded: Loaded
    toolchain: Toolchain
    environ: Mapping[str, str]
    platforms: tuple[targets.BuildTarget, ...]
    warm: Warm
    decides: Mapping[str, str]
    module: str
    works: tuple[str, ...] = WORKS
    dry: bool = False
    proven: bool = False
    belief: Belief | None = None
    """What of the place is believed; None: whatever is there."""

    @property
    def name(self) -> str:
        """What a place calls the project."""
        identity = f"{self.loaded.name}\n{self.module}"
        last = re.sub(r"/v\d+$", "", self.module).rsplit("/", 1)[-1]
        word = re.sub(r"[^a-z0-9.-]+", "-", (self.loaded.name or last).lower()).strip(".-") or "project"
        return f"{word}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"

    @property
    def called(self) -> str:
        """The project's name, as the scope of a key has it."""
        return self.loaded.name or self.loaded.project.project or mains.program_of(self.module)

    def where(self, kind: str, slot: CacheSlot | None = None) -> str:
        """Return a pack's place."""
        return f"{self.name}/{kind}/{slot.name if slot else ALL}"

    def slot(self, target: targets.BuildTarget) -> CacheSlot:
        """Return a target's slot."""
        return cache_slots.of_target(self.toolchain.version, target, self.loaded.project.builds)

    @property
    def native(self) -> CacheSlot:
        """The slot of the tests."""
        return self.slot(targets.BuildTarget(*host()))

    @property
    def slots(self) -> dict[str, CacheSlot]:
        """Every slot that the job works with, by name."""
        built = map(self.slot, self.platforms) if BUILD in self.works else ()
        return {slot.name: slot for slot in (*built, *([self.native] if TEST in self.works else []))}

    def kinds(self, slot: CacheSlot) -> list[str]:
        """Return the kinds of packs that a slot has."""
        own = [OWN] if BUILD in self.works else []
        return [DEPS, *own, *([TESTS, RESULTS] if TEST in self.works and slot == self.native else [])]

    def mark(self, sha256: str) -> str:
        """Return what notes that the modules of a pack are here."""
        return f"{sha256} {self.modcache}"

    @property
    def modcache(self) -> Path:
        """Where Go keeps modules."""
        return Path(self.environ["GOMODCACHE"])


def open_scope(ctx: Context, request: JobRequest) -> Scope:
    """Open a project as far as its packs ask for; raises what opening one raises."""
    loaded = load(request.directory, project=request.project)
    gomodules.require(loaded.directory)
    toolchain = golang.setup_go(ctx, asked(loaded, request))
    environ = environment.clean(ctx.settings.environ, toolchain, loaded.directory)
    ports = targets.ports(toolchain, environ)
    chosen = targets.parse(request.targets or loaded.project.builds.targets, ports)
    file = loaded.directory / "go.mod"
    line = _MODULE.search(file.read_text("utf-8", "replace")) if file.is_file() else None
    module = line[1] if line else loaded.directory.name
    decides = cache_slots.decides(loaded.root)
    chosen = Shard.parse(request.shard).of(chosen) if request.shard else chosen
    warm = Warm(ctx.settings.cache, loaded.directory)
    return Scope(loaded, toolchain, environ, chosen, warm, decides, module, request.works)


def asked(loaded: Loaded, request: JobRequest) -> golang.GoRequest:
    """Return which Go a project's packs are for; its zip may go with them."""
    return golang.GoRequest(loaded.directory, request.go_version, loaded.project, keep_zip=True)


def key_of(inputs: Mapping[str, str]) -> str:
    """Return the key of what was made from these inputs, each by name."""
    text = json.dumps(dict(sorted(inputs.items())), separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[: places.KEY]


def sums_of(ground: Scope) -> keptmodules.Sums:
    """Return what every go.sum of the project knows."""
    files = [ground.loaded.root / name for name in ground.decides if name.endswith(".sum")]
    return keptmodules.wanted(path.read_text("utf-8", "replace") for path in files)
