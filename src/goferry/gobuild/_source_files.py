"""Which files go into programs: Go's own list of what it reads (`go list -deps`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from goferry.artifacts import Toolchain, fetching
from goferry.config import model
from goferry.gobuild import _golist as golist
from goferry.gobuild._golist import GoModule, GoPackage
from goferry.gobuild.environment import GoFailed, tag_flags
from goferry.gobuild.mains import MainPackage
from goferry.gobuild.targets import BuildTarget
from goferry.system import process


def read(
    directory: Path,
    mains: Sequence[MainPackage],
    targets: Sequence[BuildTarget],
    builds: model.Builds,
    toolchain: Toolchain,
    environ: Mapping[str, str],
) -> list[Path]:
    """Return the files that Go reads for these programs on any of the targets, those of the module cache left out.

    Args:
        directory: the project's folder.
        mains: the programs.
        targets: the platforms.
        builds: tags and variables.
        toolchain: the go that answers.
        environ: the clean environment.

    Raises:
        GoFailed, and those of artifacts.fetching: when Go can't tell.
    """
    found = [directory / main.path / "default.pgo" for main in mains]
    tags = tag_flags(builds)
    for target in targets:
        packages = [main.path for main in mains if str(target) in main.targets]
        fields = ",".join(("Dir", "Standard", "Module", *golist.READ))
        words = [str(toolchain.go), "list", "-deps", f"-json={fields}", *tags, *packages]
        env = {"CGO_ENABLED": "0", **environ, **builds.env, **target.env}
        done = process.run(words, environ=env, cwd=directory)
        if done.code:
            stderr = done.errors.strip()
            advice = ["see:  go list -deps ./..."]
            raise fetching.fault(stderr, stderr) or GoFailed(stderr, state="Nothing was built.", advice=advice)
        found += read_by(golist.objects(done.text, GoPackage))
    return found


def read_by(packages: Sequence[GoPackage]) -> Iterator[Path]:
    """Yield the files that Go reads for packages and that the repository answers for."""
    for package in packages:
        if not package.standard and not _of_module_cache(package.module):
            yield from (Path(package.dir, name) for name in package.read)


def _of_module_cache(module: GoModule | None) -> bool:
    """Tell whether Go took a module from its cache, which may lie in the repository: go.sum says what that may be."""
    source = (module and module.replace) or module
    return bool(source and source.version and source.dir)
