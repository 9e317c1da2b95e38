"""What is in a release beside the commit: files that git does not keep and the build reads, listed by SHA-256.

Which files a build reads is Go's to say (`go list -deps`), and is asked for only where git knows of files that could be
among them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from goferry.artifacts import Ledger, Toolchain
from goferry.config import model
from goferry.gobuild import _index as indexes, _source_files as source_files, replaced
from goferry.gobuild._index import PackageIndex
from goferry.gobuild.facts import Facts
from goferry.gobuild.revision import git_environ
from goferry.kernel.files import sha256_file
from goferry.system import process


def packed(index: PackageIndex, facts: Facts, builds: model.Builds, config_file: Path | None) -> dict[str, str]:
    """Return path → SHA-256 of the uncommitted files that need not be asked for.

    They are those that Goferry itself reads, goferry.yml and what goes into archives; the checksums that modules are
    held to; a profile that GOFLAGS names; and what a filter made of a file that git keeps.
    """
    paths = [facts.directory / name for name in facts.extra_files]
    paths += [facts.directory / folder / "go.sum" for folder in facts.modules.values()]
    work = builds.env.get("GOWORK") or facts.environ.get("GOWORK", "")
    if work.endswith(".work"):
        paths.append(Path(f"{work}.sum"))
    given = replaced.options(builds.env.get("GOFLAGS", ""))
    if given.profile:
        paths.append(facts.directory / given.profile)
    return {
        **_listed(index, [*paths, *([config_file] if config_file else [])]),
        **{name: sha256_file(index.root / name) for name in facts.filtered},
    }


def compiled(
    index: PackageIndex,
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
    read = source_files.read(facts.directory, facts.mains, facts.targets, builds, toolchain, environ)
    inside = Path(os.path.realpath(facts.root))
    paths = [
        path for path in dict.fromkeys(read) if any(each.is_relative_to(inside) for each in (path, path.resolve()))
    ]
    return _listed(index, paths)


def kept(index: PackageIndex, before: Ledger, now: Mapping[str, str]) -> dict[str, str] | None:
    """Return the list of an earlier build whose programs Go found unchanged, or None when it does not say.

    The same programs were made of the same files; `now` is what `packed` says.
    """
    listed = {entry.path: entry.sha256 for entry in before.uncommitted}
    if before.dirty or any(listed.get(path) != digest for path, digest in now.items()):
        return None
    return _listed(index, [index.root / path for path in listed])


def _listed(index: PackageIndex, paths: Iterable[Path]) -> dict[str, str]:
    """Return path → SHA-256 of those that are there and that git does not keep."""
    return {
        os.path.relpath(path, index.root).replace(os.sep, "/"): sha256_file(path)
        for path in paths
        if path.is_file() and not index.holds(path)
    }


def _any(index: PackageIndex, environ: Mapping[str, str], without: frozenset[Path]) -> bool:
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
