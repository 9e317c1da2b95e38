"""What restoring and saving stand on: the project, its Go, its slots, and where its packs lie."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from goferry import golang
from goferry.build import environment, slots, targets
from goferry.build import modules as gomodules
from goferry.caches import place as places
from goferry.caches.warm import Slot, Warm
from goferry.config.load import Loaded, load
from goferry.config.settings import Settings
from goferry.dist import Toolchain
from goferry.dist.native import host
from goferry.golang import kept as keptmodules
from goferry.observe.events import Stream

MODULES, DEPS, OWN, TESTS = "modules", "deps", "own", "tests"
"""Kinds of packs: downloads; compiled packages of Go and of other modules; the project's own; what its tests add."""
_MODULE = re.compile(r"""(?m)^module[ \t]+["`]?([^\s"`]+)""")
ALL = "all"
"""The slot of modules."""


@dataclass(frozen=True)
class Ground:
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
    def modcache(self) -> Path:
        """Where Go keeps modules."""
        return Path(self.environ["GOMODCACHE"])


def look(directory: Path, settings: Settings, stream: Stream, project: str, wanted: Sequence[str]) -> Ground:
    """Open a project as far as its packs ask for; raises what opening one raises."""
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
    return Ground(loaded, toolchain, environ, chosen, Warm(settings.cache, loaded.directory), decides, module)


def key_of(inputs: Mapping[str, str]) -> str:
    """Return the key of what was made from these inputs, each by name."""
    text = json.dumps(dict(sorted(inputs.items())), separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[: places.KEY]


def sums_of(ground: Ground) -> keptmodules.Sums:
    """Return what every go.sum of the project knows."""
    files = [ground.loaded.directory / name for name in ground.decides if name.endswith(".sum")]
    return keptmodules.wanted(path.read_text("utf-8", "replace") for path in files)
