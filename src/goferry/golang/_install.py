"""Install one toolchain module: download, proof and extraction, and nothing in place until all of it holds.

    in one thread   the zip streams to a workspace beside its place, unless another job's is here (golang.zips)
    in another      the checksum database is asked and its answer proven
    then            the zip is extracted and hashed in one pass; h1 must be the proven one
    then            execute bits, go.mod copies, record, one rename

Whatever fails, the workspace goes and the place is as before.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from goferry.artifacts.toolchain import Toolchain
from goferry.golang import _modzip as modzip, _toolchain_store as toolchain_store, _tree as tree, _zips as zips
from goferry.golang._proof import Proof
from goferry.golang._proxies import ProxyList, escaped
from goferry.golang._sumdb import ChecksumDatabase
from goferry.golang._untouched import TreeWatch
from goferry.kernel.errors import Failed, Refused, printable
from goferry.observe.events import Span, Stream


class ModuleHashWrong(Refused):
    """The downloaded toolchain is not the one that the checksum database recorded.

    Usual causes: a proxy or mirror changed it on the way.
    """

    name = "module-hash-wrong"


class ToolchainUnwritable(Failed):
    """A toolchain cannot be written to its folder.

    Usual causes: a full disk, a cache folder that is read-only or belongs to another user, or a path that is too long.
    """

    name = "toolchain-unwritable"


@dataclass(frozen=True)
class Sources:
    """Where a toolchain and its proof come from.

    Attributes:
        proxies, database: whom to ask. watch: notes what was hashed.
        zipped: where another job's zip may lie. keep: whether to leave the zip there for others.
    """

    proxies: ProxyList
    database: ChecksumDatabase
    watch: TreeWatch
    zipped: Path
    keep: bool = False


def install(
    place: toolchain_store.ToolchainPlace, version: str, goos: str, goarch: str, *, sources: Sources, stream: Stream
) -> Toolchain:
    """Install a version into `place` and return it, proven; another process's finished install is taken as it is.

    Raises:
        ModuleHashWrong, ZipUnsafe, ZipDamaged, and the refusals of sumdb, proof and note: nothing is left then.
        ProxyLacks, ProxyRefuses, ProxyOff, Unreachable: when it cannot be had.
        ToolchainUnwritable: when it cannot be written.
    """
    try:
        return _install(place, version, goos, goarch, sources=sources, stream=stream)
    except OSError as error:
        raise ToolchainUnwritable(
            f"Go {version} cannot be written to {place.root}: {error.strerror or error}",
            state="Nothing was installed.",
            advice=["choose another folder for it:  GOFERRY_CACHE=FOLDER", "see what is free:  df -h"],
        ) from error


def _install(
    place: toolchain_store.ToolchainPlace, version: str, goos: str, goarch: str, *, sources: Sources, stream: Stream
) -> Toolchain:
    key = sources.database.key
    with place.locked():
        kept = toolchain_store.read_installed(place, version, goos, goarch, watch=sources.watch, key=key)
        if kept.toolchain:
            return kept.toolchain
        with place.workspace() as folder:
            module_version = toolchain_store.module_version(version, goos, goarch)
            proof = _extract_kept_zip(folder / "brought", module_version, sources, stream)
            root = folder / "brought"
            if proof is None:
                with stream.span("toolchain-download", target=f"{goos}/{goarch}") as span:
                    proof = _fetch(folder / "module.zip", module_version, sources, span)
                root = folder / "tree"
                _extract(folder / "module.zip", root, proof, stream)
                if sources.keep:
                    with contextlib.suppress(OSError):
                        zips.keep(sources.zipped, folder / "module.zip")
            tree.finish(root)
            place.put(root, proof, key)
            with contextlib.suppress(OSError):
                sources.watch.keep(place.root, proof.h1)
    return toolchain_store.toolchain(place.root, version, proof, key)


def _extract_kept_zip(root: Path, version: str, sources: Sources, stream: Stream) -> Proof | None:
    """Extract the zip that was brought here, which goes then; None where there is none, or it is not what is proven."""
    if not sources.zipped.is_file():
        return None
    proof = sources.database.lookup(toolchain_store.MODULE, version)
    try:
        _extract(sources.zipped, root, proof, stream)
    except (modzip.ZipUnsafe, modzip.ZipDamaged, ModuleHashWrong) as error:
        with stream.span("toolchain-brought") as span:
            span.note(f"the toolchain's zip that was kept does not count: {printable(error.what, 300)}", "warning")
        shutil.rmtree(root, ignore_errors=True)
        return None
    finally:
        with contextlib.suppress(OSError):
            sources.zipped.unlink()
    return proof


def _extract(archive: Path, root: Path, proof: Proof, stream: Stream) -> None:
    with stream.span("toolchain-extract") as span:
        root.mkdir()
        found = modzip.extract(archive, root, f"{proof.module}@{proof.version}/")
        _hold(found, proof)
        span.numbers["h1"] = found


def _hold(found: str, proof: Proof) -> None:
    if found != proof.h1:
        raise ModuleHashWrong(
            f"{proof.module}@{proof.version} is {found}; the checksum database recorded {proof.h1}",
            state="Nothing was installed.",
            advice=["use another proxy in GOPROXY"],
            found=found,
            recorded=proof.h1,
        )


def _fetch(path: Path, version: str, sources: Sources, span: Span) -> Proof:
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="proof") as pool:
        future = pool.submit(sources.database.lookup, toolchain_store.MODULE, version)
        with path.open("wb") as file:
            address = f"{toolchain_store.MODULE}/@v/{escaped(version)}.zip"
            got = sources.proxies.download(address, file, zips.LIMIT, _progress(span, future))
        span.numbers["bytes"] = got.size
        return future.result()


def _progress(span: Span, proof: Future[Proof]) -> Callable[[int, int], None]:
    """Report every tenth of the download, and end it as soon as the proof has failed."""
    tenth = -1

    def report(got: int, total: int) -> None:
        nonlocal tenth
        if proof.done():
            proof.result()
        if total and got * 10 // total != tenth:
            tenth = got * 10 // total
            span.progress(f"{got >> 20} of {total >> 20} MiB", bytes=got)

    return report
