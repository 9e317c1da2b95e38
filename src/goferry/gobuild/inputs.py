"""Which files go into programs: Go's own list of what it reads (`go list -deps`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from goferry.artifacts import Toolchain, fetching
from goferry.config import model
from goferry.gobuild import modules
from goferry.gobuild.environment import GoFailed, tag_flags
from goferry.gobuild.mains import Main
from goferry.gobuild.targets import Target
from goferry.system import process

_LISTS = (
    *("GoFiles", "CgoFiles", "CFiles", "CXXFiles", "MFiles", "HFiles", "FFiles", "SFiles", "SwigFiles", "SwigCXXFiles"),
    *("SysoFiles", "EmbedFiles"),
)


def read(
    directory: Path,
    mains: Sequence[Main],
    targets: Sequence[Target],
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
        fields = ",".join(("Dir", "Standard", "Module", *_LISTS))
        words = [str(toolchain.go), "list", "-deps", f"-json={fields}", *tags, *packages]
        env = {"CGO_ENABLED": "0", **environ, **builds.env, **target.env}
        done = process.run(words, environ=env, cwd=directory)
        if done.code:
            said = done.errors.strip()
            advice = ["see:  go list -deps ./..."]
            raise fetching.fault(said, said) or GoFailed(said, state="Nothing was built.", advice=advice)
        found += read_by(modules.objects(done.text))
    return found


def read_by(records: Sequence[Mapping[str, Any]]) -> Iterator[Path]:
    """Yield the files that Go reads for packages (records of `go list`) and that the repository answers for."""
    for record in records:
        if not record.get("Standard") and not _of_module_cache(record.get("Module") or {}):
            for kind in _LISTS:
                for name in record.get(kind) or ():
                    yield Path(record["Dir"], name)


def _of_module_cache(module: Mapping[str, Any]) -> bool:
    """Tell whether Go took a module from its cache, which may lie in the repository: go.sum says what that may be."""
    source = module.get("Replace") or module
    return bool(source.get("Version") and source.get("Dir"))
