"""The planner: facts and configuration in, steps out; pure, so that a dry run, a golden test and the run agree.

For each target one `go build` makes all programs at once (parallel go commands would compile the same package twice),
and one step packs them. A word that begins with `DIST/` lies in the out folder.

    build linux/amd64 ──► archive linux/amd64
    build linux/arm64 ──► archive linux/arm64      (runs while the next target compiles)
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from goferry.caches.warm import CacheSlot
from goferry.config import model, templates
from goferry.config.templates import TemplateInvalid
from goferry.gobuild import _gosource as gosource, _parallelism as parallelism, cache_slots, replaced, stamp
from goferry.gobuild._extra_files import ArchiveFileInvalid
from goferry.gobuild._ldflags import ldflags
from goferry.gobuild.environment import tag_flags
from goferry.gobuild.facts import Facts
from goferry.gobuild.ledger_services import services
from goferry.gobuild.mains import MainPackage, ProgramCollision
from goferry.gobuild.resources import Machine
from goferry.gobuild.shard import Shard
from goferry.gobuild.stamp import Stamp
from goferry.gobuild.targets import BuildTarget
from goferry.kernel.errors import Misuse, printable

WORK = "DIST/.building"
"""Where steps write; files are renamed into DIST when all steps are done."""

_FILE = r"[A-Za-z0-9_](?:\.?[A-Za-z0-9_+-]){0,199}"
_NAME = r"[A-Za-z0-9](?:\.?[A-Za-z0-9_-]){0,99}"  # kernel.manifest takes it, and GitHub keeps it
_LONGEST_SERVED = 63  # kernel.services


class ProjectNameInvalid(Misuse):
    """The project's name can't be the beginning of file names.

    Usual causes: a space, a `+` or a `~`. The name may have letters, digits, `_`, `-` and single dots, at most 100 of
    them, or 63 if there are services, since the name is a folder on their hosts.
    """

    name = "project-name-invalid"


class BuildStep(Struct, frozen=True):
    """One command or one archive.

    Attributes:
        id: `build linux/amd64`. kind: `build` or `archive`. target: `linux/amd64`.
        needs: ids of steps that come before. cpus, memory: tokens it holds, processors and MiB.
        cost: expected seconds of one processor, for the order and the shares of a progress bar.
        reads, writes: file names in DIST, or relative to the project's folder.
        argv, env: the command and the variables it gets besides the clean environment; of an archive empty.
        members: of an archive: name in it → file that it is read from, in their order.
        files: of a build: file that go writes → name in DIST.
        outputs: name in DIST → fields of its artifact.
    """

    id: str
    kind: str
    target: str
    needs: tuple[str, ...] = ()
    cpus: int = 1
    memory: int = 64
    cost: int = 1
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class BuildPlan(Struct, frozen=True):
    """What a build does.

    Attributes:
        directory: the project's folder, where commands run. epoch: the time that files in archives carry.
        header: the ledger's fields besides artifacts, toolchain and trace.
        machine: what the steps may use together.
        steps: what is to be done, an order that respects needs.
        stamp: what Go is to see of git, None where programs carry nothing of it.
        slots: target → which of the checkout's build caches it uses, where there are such.
    """

    directory: Path
    epoch: int
    header: Mapping[str, Any]
    machine: Machine
    steps: tuple[BuildStep, ...]
    stamp: Stamp | None = None
    slots: Mapping[str, CacheSlot] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the plan without this machine's folders, for --dry-run --json and for golden tests."""
        header = {
            key: self.header[key] for key in ("project", "version", "commit", "date", "dirty", "snapshot", "shards")
        }
        return {**header, "steps": [asdict(step) for step in self.steps]}


def plan(
    facts: Facts,
    config: model.Project,
    machine: Machine,
    *,
    shard: Shard | None = None,
    warm: str = "",
) -> BuildPlan:
    """Plan the build of all targets, or of a shard of them.

    Args:
        facts: what was found.
        config: goferry.yml with its defaults.
        machine: what the steps may use together.
        shard: the part to build, or None for all.
        warm: the target whose packages the tests have just compiled; the others get its processors.

    Raises:
        CodeReplaced: it is a release, and the commit does not show everything that would be built.
        ArchiveFileInvalid: an archive would hold it in place of a program.
        ProjectNameInvalid: the project's name can't be the beginning of file names.
        ProgramCollision: two programs or archives would have the same name.
        LdflagsInvalid: `builds.ldflags` can't be passed to the linker.
        ServiceUnknown: a service names a main package that is not part of this build.
        ShardInvalid: `--shard I/N` does not name a part of this plan.
    """
    if not re.fullmatch(_NAME, facts.project) or (config.services and len(facts.project) > _LONGEST_SERVED):
        raise ProjectNameInvalid(
            f"the project's name is {facts.project!r}",
            state="Nothing was built.",
            advice=["name it in goferry.yml:  project: NAME"],
        )
    replaced.demand(facts.replaced, snapshot=facts.snapshot)
    header = _header(facts, services(config, facts))
    chosen = facts.targets
    if shard:
        chosen = shard.of(facts.targets)
        header["shards"] = [shard.identity(facts)]
    steps: list[BuildStep] = []
    tempos = parallelism.choose_around([str(target) for target in chosen], machine, warm)
    for target, tempo in zip(chosen, tempos, strict=True):
        made = _builds(facts, config.builds, target, tempo)
        steps += made
        if config.builds.archives:
            steps.append(_archive(facts, config.builds, target, made))
    _refuse_collisions(steps)
    stamped = _stamp(facts, config.builds)
    kept = {str(target): cache_slots.of_target(facts.go, target, config.builds) for target in chosen}
    return BuildPlan(facts.directory, facts.epoch, header, machine, tuple(steps), stamped, kept)


def _stamp(facts: Facts, builds: model.Builds) -> Stamp | None:
    if not builds.buildvcs:
        return None
    below = {path: posixpath.normpath(posixpath.join(facts.folder, inner)) for path, inner in facts.modules.items()}
    planned = stamp.plan(
        go=facts.go,
        root=facts.root,
        commit=facts.commit,
        dirty=facts.dirty,
        version=facts.version,
        modules=below,
        top=facts.top,
    )
    return replace(planned, leaves=bool(facts.replaced)) if planned else None


def _header(facts: Facts, declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "project": facts.project,
        "version": facts.version,
        "module": facts.module,
        "commit": facts.commit,
        "date": facts.date,
        "dirty": facts.dirty,
        "snapshot": facts.snapshot,
        "scheme": facts.tags.scheme.name,
        "tag": facts.tag,
        "services": {name: dict(entry) for name, entry in declared.items()},
        "shards": [],
    }


def _builds(facts: Facts, builds: model.Builds, target: BuildTarget, tempo: parallelism.Parallelism) -> list[BuildStep]:
    """Return the go commands of a target: one, and one more for each main that can't take the others' -X flags."""
    fitting = [main for main in facts.mains if str(target) in main.targets]
    stamped = {name for main in fitting for name in main.stamps}
    first = [main for main in fitting if not stamped & {*main.other}]
    alone = [main for main in fitting if main not in first]
    groups = ([first] if first else []) + [[main] for main in alone]
    steps: list[BuildStep] = []
    for group in groups:
        suffix = "" if not steps else f" {group[0].path}"
        needs = (steps[-1].id,) if steps else ()
        steps.append(_build(facts, builds, target, tempo, group=group, identity=f"build {target}{suffix}", needs=needs))
    return steps


def _build(
    facts: Facts,
    builds: model.Builds,
    target: BuildTarget,
    tempo: parallelism.Parallelism,
    *,
    group: Sequence[MainPackage],
    identity: str,
    needs: tuple[str, ...],
) -> BuildStep:
    fields = _fields(facts, target)
    wanted = {name for main in group for name in main.stamps}
    own = {f"main.{name}": role for name, role in gosource.ROLE.items() if name in wanted}
    roles = {**own, **dict(symbol for main in group for symbol in main.variables)}
    stamps = {symbol: fields[role] for symbol, role in roles.items()}
    more = [templates.expand(text, fields, "builds.ldflags") for text in builds.ldflags]
    flags = ldflags(stamps, more)
    tags = tag_flags(builds)
    fixed = [
        "-trimpath",
        f"-buildvcs={str(builds.buildvcs and bool(facts.commit)).lower()}",
        *tags,
        f"-ldflags={flags}",
    ]
    packages = [main.path for main in group]
    given = {key: templates.expand(value, fields, f"builds.env.{key}") for key, value in builds.env.items()}
    env = {"CGO_ENABLED": "0", **given, **target.env}
    files = {f"{WORK}/{target.suffix}/{m.program}{target.exe}": binary_name(m, target, builds, fields) for m in group}
    outputs = {
        binary_name(main, target, builds, fields): {
            **_place(target),
            "kind": "binary",
            "meta": {
                "main": main.path,
                "program": main.program,
                "ldflags": flags,
                "tags": list(builds.tags),
                "env": env,
                "trimpath": True,
                "stamps": [*main.stamps, *(symbol for symbol, _ in main.variables)],
            },
        }
        for main in group
    }
    argv = ["go", "build", "-v", f"-p={tempo.cpus}", *fixed, "-o", f"{WORK}/{target.suffix}/", *packages]
    return BuildStep(
        id=identity,
        kind="build",
        target=str(target),
        needs=needs,
        cpus=tempo.cpus,
        memory=tempo.memory,
        cost=17 + len(group),
        reads=tuple(packages),
        writes=tuple(outputs),
        argv=tuple(argv),
        env={**env, **tempo.env},
        files=files,
        outputs=outputs,
    )


def _archive(facts: Facts, builds: model.Builds, target: BuildTarget, made: Sequence[BuildStep]) -> BuildStep:
    name = _named(builds.archive_name, _fields(facts, target), "builds.archive-name") + f".{target.archive}"
    members = {source.rsplit("/", 1)[1]: f"DIST/{final}" for step in made for source, final in step.files.items()}
    extra_files = {_member(path): path for path in facts.extra_files}
    for name in sorted(members.keys() & extra_files.keys()):
        raise ArchiveFileInvalid(
            f"the file {printable(name, 200)} would take the place of the program of that name in the archives",
            state="Nothing was built.",
            advice=["rename the file or the program's folder", "or leave the file out of builds.files in goferry.yml"],
        )
    members = dict(sorted({**members, **extra_files}.items()))
    meta = {"format": target.archive, "members": list(members)}
    return BuildStep(
        id=f"archive {target}",
        kind="archive",
        target=str(target),
        needs=tuple(step.id for step in made),
        cost=len(made),
        reads=tuple(members.values()),
        writes=(name,),
        members=members,
        outputs={name: {**_place(target), "kind": "archive", "meta": meta}},
    )


def binary_name(main: MainPackage, target: BuildTarget, builds: model.Builds, fields: Mapping[str, str]) -> str:
    """Return a program's file name in DIST."""
    own = {**fields, **templates.values(templates.OF_PROGRAM, main)}
    return _named(builds.binary_name, own, "builds.binary-name") + target.exe


def _fields(facts: Facts, target: BuildTarget) -> dict[str, str]:
    """Return the values of a template's fields for a target."""
    return {**templates.values(templates.FIELDS, facts), **templates.values(templates.OF_PLATFORM, target)}


def _named(template: str, fields: Mapping[str, str], key: str) -> str:
    name = templates.expand(template, fields, key)
    if not re.fullmatch(_FILE, name):
        raise TemplateInvalid(
            f"{key} makes {name[:100]!a}, and GitHub would store such a file under another name",
            state="Nothing was built.",
            advice=["use letters, digits, _ - + and single dots; {platform} has no slash, {target} has"],
        )
    return name


def _member(path: str) -> str:
    """Return a document's name in an archive: its path in the project, or its bare name when it lies above."""
    return path if not path.startswith("..") else path.rsplit("/", 1)[-1]


def _place(target: BuildTarget) -> dict[str, str]:
    return {"goos": target.goos, "goarch": target.goarch, "variant": target.variant}


def _refuse_collisions(steps: Sequence[BuildStep]) -> None:
    """Refuse two files of one name; a step's `outputs` have each name once, its `files` each program's."""
    seen: set[str] = set()
    for name in (name for step in steps for name in (step.files.values() or step.writes)):
        if name.lower() in seen:
            raise ProgramCollision(
                f"two files would be named {name}",
                state="Nothing was built.",
                advice=[
                    "tell them apart in goferry.yml:  builds: {binary-name: '{program}_{platform}'}",
                    "archives need {platform} in builds.archive-name as well, where there are several targets",
                    "or rename one of the main packages' folders",
                ],
            )
        seen.add(name.lower())
