"""Open a project: its configuration, its toolchain and what its repository is, in the order of their needs."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from goferry import golang
from goferry.artifacts import Toolchain
from goferry.config import model
from goferry.config.context import Context
from goferry.config.load import load
from goferry.gobuild import facts, project_modules
from goferry.gobuild.facts import Facts


class ProjectRequest(Struct, frozen=True):
    """Which project is opened, and as what; every stage that builds takes the same.

    Attributes:
        directory: the repository, or a folder in it.
        project: one of several in goferry.yml.
        version: instead of the one that git says.
        targets: instead of `builds.targets`.
        out: the folder that a build writes, which does not count as a change; default DIR/dist.
        go_version: instead of the one that goferry.yml or go.mod says.
        tag: the tag that a workflow releases, in place of the one that its own run is of.
    """

    directory: Path
    project: str = ""
    version: str = ""
    targets: tuple[str, ...] = ()
    out: Path | None = None
    go_version: str = ""
    tag: str = ""


class OpenProject(Struct, frozen=True):
    """A project that stages can work on.

    Attributes:
        config: goferry.yml with every default in place. file: where it was read, or None.
        name: the project's name. root: the repository's folder; directory: the project's.
        toolchain: the Go that it is built with. facts: what was found.
    """

    config: model.Project
    file: Path | None
    name: str
    root: Path
    directory: Path
    toolchain: Toolchain
    facts: Facts


def open_project(ctx: Context, request: ProjectRequest) -> OpenProject:
    """Load the configuration, set up Go and look at the repository; changes nothing in it.

    Raises:
        ConfigInvalid, and what `golang.setup_go` and `gobuild.facts.inspect_repository` raise.
    """
    loaded = load(request.directory, project=request.project)
    config = loaded.project
    project_modules.require(loaded.directory)
    with ctx.stream.span("setup-go") as span:
        go = golang.GoRequest(loaded.directory, request.go_version, config)
        toolchain = golang.setup_go(ctx, go)
        span.numbers.update(version=toolchain.version, proof=toolchain.proof)
    with ctx.stream.span("inspect") as span:
        found = facts.inspect_repository(
            loaded.directory,
            toolchain,
            ctx.settings,
            config,
            name=loaded.name,
            wanted=request.version,
            asked=request.targets,
            out=request.out or default_out(loaded.directory),
            tag=request.tag,
            others=loaded.others,
        )
        for hint in found.hints:
            span.note(hint)
        span.numbers.update(version=found.version, mains=len(found.mains))
    return OpenProject(config, loaded.file, found.project, loaded.root, loaded.directory, toolchain, found)


def default_out(directory: Path) -> Path:
    """Return the folder that a build writes when none is named."""
    return directory / "dist"
