"""What a repository is: its module, its main packages for each target, its version; found by looking, never by asking.

`inspect_repository` runs `go list` once a target (main packages differ by GOOS and by build tags) and git once, and
changes nothing.
Everything after it is pure.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from goferry.artifacts import Toolchain
from goferry.config import aside, model
from goferry.config.settings import Settings
from goferry.gobuild import (
    _converted as converted,
    _extra_files as extra_files,
    _index as indexes,
    _source_files as source_files,
    _version as version,
    environment,
    mains,
    project_modules,
    replaced,
    revision,
    stamp,
    tags,
    targets,
)
from goferry.gobuild._index import PackageIndex
from goferry.gobuild.mains import MainPackage
from goferry.gobuild.replaced import Replacement
from goferry.gobuild.tags import GO, Tags
from goferry.gobuild.targets import BuildTarget
from goferry.gobuild.trigger import Trigger
from goferry.kernel.errors import GoferryError
from goferry.system.threads import beside


class Facts(Struct, frozen=True):
    """What was found.

    Attributes:
        directory: the project's folder. root: the repository's top (the project's folder outside git).
        folder: the first relative to the second, with slashes; `.` where they are the same.
        module: the module path; of a go.work alone, what its modules' paths have in common.
        modules: path → folder relative to `directory`, of every module of the project.
        project: its name.
        go: the toolchain's version, `1.27.3`.
        patterns: what `go list`, `go vet` and `go test` take: `./...`, or one for each module of a go.work.
        targets: the platforms.
        mains: main packages, by package path; each lists the targets that it builds for.
        version, tag, commit, date, dirty, snapshot: as in the ledger. epoch: the date in seconds since 1970.
        bears: the tree bears the version, by a tag or by a person's word, whatever the run makes of it.
        tags: how the project's tags are read. here: every tag on the commit.
        changes: lines of `git status`. hints: sentences about the choice of version and of main packages.
        extra_files: files that go into every archive, relative to `directory` or absolute (license, read-me).
        commit_date: the commit's own time, RFC 3339 UTC, whatever SOURCE_DATE_EPOCH says; empty without a commit.
        top: the module path of the go.mod at the repository's top, or empty.
        lack: why there is no commit. index: what git keeps; None without a commit.
        replaced: what stands in place of committed code.
        filtered: files that git keeps and for a release a filter made anew (gobuild.converted); relative to `root`.
        environ: what go commands start from (gobuild.environment); empty where it was not asked for.
    """

    directory: Path
    root: Path
    folder: str
    module: str
    modules: Mapping[str, str]
    project: str
    go: str
    patterns: tuple[str, ...]
    targets: tuple[BuildTarget, ...]
    mains: tuple[MainPackage, ...]
    version: str
    commit: str
    date: str
    epoch: int
    dirty: bool
    bears: bool
    snapshot: bool
    tag: str = ""
    tags: Tags = GO
    here: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    extra_files: tuple[str, ...] = ()
    commit_date: str = ""
    top: str = ""
    lack: revision.Lack | None = None
    index: PackageIndex | None = None
    replaced: tuple[Replacement, ...] = ()
    filtered: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return what names it; the environment may hold secrets."""
        return f"Facts({self.project!r}, {self.version!r})"


def inspect_repository(
    directory: Path,
    toolchain: Toolchain,
    settings: Settings,
    config: model.Project,
    *,
    name: str = "",
    wanted: str = "",
    asked: Sequence[str] = (),
    out: Path | None = None,
    tag: str = "",
    others: Sequence[str] = (),
) -> Facts:
    """Look at the project in `directory`.

    Args:
        directory: the project's folder.
        toolchain: the go that answers.
        settings: the surroundings.
        config: goferry.yml with its defaults.
        name: the project's name where goferry.yml gives several.
        wanted: a version that a person asked for.
        asked: targets that a person asked for; they replace `builds.targets`.
        out: the folder that the build writes; it does not make the tree dirty.
        tag: the tag that a person asked to release, where the run is not that tag's own.
        others: what tags of the repository's other projects begin with.

    Raises:
        ModuleMissing, MainMissing, MainUnknown, ProgramCollision, TargetUnknown, VersionInvalid, SourceDateInvalid,
        BuildEnvReserved: `builds.env` sets a variable that Goferry sets itself.
        GitFailed: git could not read the repository.
        GoFailed: the go command failed when it was asked about the repository.
    """
    directory = directory.resolve()
    environment.check(config.builds.env)
    chosen = targets.parse(asked or config.builds.targets, targets.ports(toolchain, settings.environ))
    clean = environment.clean(settings.environ, toolchain, directory)
    environ = clean | dict(config.builds.env)
    with beside(partial(revision.read, directory, settings.environ)) as asked_git:
        found = project_modules.find(directory, toolchain, environ)
        patterns = project_modules.patterns(found, directory)
        packages = mains.find(
            directory,
            toolchain,
            environ,
            builds=config.builds,
            targets=chosen,
            patterns=patterns,
            found=found,
            cache=settings.cache,
        )
        found_revision = asked_git()
    root = found_revision.root or directory
    index = indexes.read(root, settings.environ) if found_revision.commit else None
    flags = config.builds.env.get("GOFLAGS", "")
    folder = os.path.relpath(directory, root).replace(os.sep, "/")
    module = project_modules.name(found, directory)
    changes = tuple(_counting(found_revision.changes, root, directory, out))
    trigger = Trigger.from_environ(settings.environ, tag=tag)
    rule = tags.of(config.version, folder=folder, module=module, others=[*others, *_neighbours(trigger, root, folder)])
    rule = rule.after(found_revision.before)
    chosen_version = version.choose(
        found_revision, tags=rule, trigger=trigger, wanted=wanted, environ=settings.environ, dirty=changes
    )
    packed = extra_files.find(directory, root, config.builds.files)
    other = converted.Converted()
    if index:
        asked_of_go = directory, packages, chosen, config.builds, toolchain, environ
        other = converted.find(
            index,
            settings.environ,
            lambda: _read(*asked_of_go),
            packed=[directory / name for name in packed],
            release=not (chosen_version.snapshot or chosen_version.dirty),
        )
    return Facts(
        directory=directory,
        root=root,
        folder=folder,
        module=module,
        modules={path: os.path.relpath(folder, directory).replace(os.sep, "/") for path, folder in found.items()},
        project=name or config.project or mains.program_of(module) or directory.name,
        go=toolchain.version,
        patterns=patterns,
        targets=chosen,
        mains=packages,
        version=chosen_version.version,
        commit=chosen_version.commit,
        date=chosen_version.date,
        epoch=chosen_version.epoch,
        dirty=chosen_version.dirty,
        bears=chosen_version.bears,
        snapshot=chosen_version.snapshot,
        tag=chosen_version.tag,
        tags=rule,
        here=found_revision.here,
        changes=changes,
        hints=(
            *chosen_version.hints,
            *extra_files.left_out(directory, root),
            *converted.hints(other),
            *([] if config.builds.mains else aside.notes([main.path for main in packages], module)),
        ),
        extra_files=packed,
        commit_date=datetime.fromtimestamp(found_revision.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if found_revision.commit
        else "",
        top=stamp.module_of(root / "go.mod"),
        lack=found_revision.lack,
        index=index,
        replaced=(
            (*replaced.find(index, directory, list(found.values()), environ, flags), *other.replaced) if index else ()
        ),
        filtered=other.filtered,
        environ=clean,
    )


def _read(*asked: Any) -> list[Path]:
    """Return the files that Go reads; where it can't tell, the build will say so."""
    try:
        return source_files.read(*asked)
    except GoferryError:
        return []


def own_folders(directory: Path, out: Path | None) -> list[Path]:
    """Return the folders that are Goferry's and no source: a release's, and the record beside it."""
    folders = [directory / ".goferry"]
    folders += [folder for folder in (directory / "dist",) if _ours(folder)]
    return folders + ([out, out.parent / ".goferry"] if out else [])


def _counting(changes: Sequence[str], root: Path, directory: Path, out: Path | None) -> list[str]:
    """Drop untracked entries that are Goferry's own."""
    own = [os.path.relpath(folder.resolve(), root).replace(os.sep, "/") for folder in own_folders(directory, out)]
    return [
        line
        for line in changes
        if not (line.startswith("?? ") and any(_within(line[3:].rstrip("/"), folder) for folder in own))
    ]


def _neighbours(trigger: Trigger, root: Path, folder: str) -> list[str]:
    """Return what tags of other modules begin with, as far as the run's own tag may be one of theirs."""
    above = trigger.tag.rpartition("/")[0]
    own = (root / folder).resolve()
    places = [above] if above else []
    places += [""] if "/" not in trigger.tag else []
    return [
        f"{place}/" if place else ""
        for place in places
        if tags.plain_path(place) and any(found.parent.resolve() != own for found in _modules_at(root / place))
    ]


def _modules_at(folder: Path) -> list[Path]:
    """Return the go.mod files of the modules that are tagged with this folder: its own, and those of `v2` and on."""
    return [file for file in (folder / "go.mod", *sorted(folder.glob("v[0-9]*/go.mod"))) if file.is_file()]


def _ours(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("goferry.json", "release.json"))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")
