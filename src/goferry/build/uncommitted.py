"""What is in a release beside the commit: files that git does not keep and the build reads, listed by SHA-256.

Which files a build reads is Go's to say (`go list -deps`), and is asked for only where git knows of files that could be
among them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from goferry.build import index as indexes
from goferry.build import modules, replaced
from goferry.build.environment import GoFailed
from goferry.build.facts import Facts
from goferry.build.index import Index
from goferry.build.revision import git_environ
from goferry.config import model
from goferry.dist import Ledger, Toolchain, fetching
from goferry.kernel.files import sha256_file
from goferry.system import process

_LISTS = (
    *("GoFiles", "CgoFiles", "CFiles", "CXXFiles", "MFiles", "HFiles", "FFiles", "SFiles", "SwigFiles", "SwigCXXFiles"),
    *("SysoFiles", "EmbedFiles"),
)


def packed(index: Index, facts: Facts, builds: model.Builds, config_file: Path | None) -> dict[str, str]:
    """Return path → SHA-256 of the uncommitted files that need not be asked for.

    They are those that Goferry itself reads, goferry.yml and what goes into archives; the checksums that modules are
    held to; and a profile that GOFLAGS names.
    """
    paths = [facts.directory / name for name in facts.documents]
    paths += [facts.directory / folder / "go.sum" for folder in facts.modules.values()]
    work = builds.env.get("GOWORK") or facts.environ.get("GOWORK", "")
    if work.endswith(".work"):
        paths.append(Path(f"{work}.sum"))
    given = replaced.options(builds.env.get("GOFLAGS", ""))
    if given.get("pgo", "auto") not in ("", "auto", "off"):
        paths.append(facts.directory / given["pgo"])
    return _listed(index, [*paths, *([config_file] if config_file else [])])


def compiled(
    index: Index,
    facts: Facts,
    builds: model.Builds,
    toolchain: Toolchain,
    environ: Mapping[str, str],
    *,
    without: Iterable[Path] = (),
) -> dict[str, str]:
    """Return path → SHA-256 of the uncommitted files that Go reads for any of the targets.

    Args:
        index: what git keeps.
        facts: what was found.
        builds: what is built.
        toolchain: the go that answers.
        environ: the clean environment.
        without: folders that are the run's own.

    Raises:
        GitFailed, GoFailed: when one of them can't tell.
    """
    if not _any(index, environ, frozenset(path.resolve() for path in without)):
        return {}
    read = [facts.directory / main.path / "default.pgo" for main in facts.mains]
    tags = [f"-tags={','.join(builds.tags)}"] if builds.tags else []
    for target in facts.targets:
        packages = [main.path for main in facts.mains if str(target) in main.targets]
        fields = ",".join(("Dir", "Standard", "Module", *_LISTS))
        words = [str(toolchain.go), "list", "-deps", f"-json={fields}", *tags, *packages]
        env = {"CGO_ENABLED": "0", **environ, **builds.env, **target.env}
        done = process.run(words, environ=env, cwd=facts.directory)
        if done.code:
            said = done.errors.strip()
            advice = ["see:  go list -deps ./..."]
            raise fetching.fault(said, said) or GoFailed(said, state="Nothing was built.", advice=advice)
        read += read_by(modules.objects(done.text))
    inside = Path(os.path.realpath(facts.root))
    paths = [
        path for path in dict.fromkeys(read) if any(each.is_relative_to(inside) for each in (path, path.resolve()))
    ]
    return _listed(index, paths)


def kept(index: Index, before: Ledger, now: Mapping[str, str]) -> dict[str, str] | None:
    """Return the list of an earlier build whose programs Go found unchanged, or None when it does not tell.

    The same programs were made of the same files; `now` is what `packed` says.
    """
    listed = {entry["path"]: entry["sha256"] for entry in before.uncommitted}
    if before.dirty or any(listed.get(path) != digest for path, digest in now.items()):
        return None
    return _listed(index, [index.root / path for path in listed])


def _listed(index: Index, paths: Iterable[Path]) -> dict[str, str]:
    """Return path → SHA-256 of those that are there and that git does not keep."""
    return {
        os.path.relpath(path, index.root).replace(os.sep, "/"): sha256_file(path)
        for path in paths
        if path.is_file() and not index.holds(path)
    }


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


def _any(index: Index, environ: Mapping[str, str], without: frozenset[Path]) -> bool:
    """Tell whether git knows of any file that a build may read and that is not committed."""
    names = [name for name in indexes.others(index, environ) if not _own(index.root / name, without)]
    if not names:
        return False
    if any(entry.is_link and indexes.source(name) for name, entry in index.entries.items()):
        return True
    if any(indexes.source(name) or (index.root / name).is_symlink() for name in names):
        return True
    below = ["--recurse-submodules"] if any(index.submodules.values()) else []
    words = ["git", "grep", *below, "--quiet", "-F", "//go:embed", "--", "*.go"]
    if process.run(words, environ=git_environ(index.root, environ), cwd=index.root).code == 0:
        return True
    folders = (index.root / name for name in names if name.endswith("/"))
    return any(indexes.source(file) for folder in folders for _, _, files in os.walk(folder) for file in files)


def _own(path: Path, without: frozenset[Path]) -> bool:
    resolved = path.resolve()
    return any(resolved == own or own in resolved.parents for own in without)
