"""What `go list` said of a project's packages, kept by everything that decides it.

Before it prints anything `go list` resolves what the packages import, the standard library included: 70 to 80 ms of CPU
for a server of one file. What is asked of it is less: which packages there are, what they are called, and which of
their files are for a target. That hangs on

    the go command, its words, and its environment (GO…, CGO_…)
    go.mod, go.sum, go.work and vendor/modules.txt
    the names of what Go may read in the modules' folders, and of each Go file its text down to the first declaration

and the answer is kept by the digest of just these. No file's time is believed, and an answer with an error in it is not
kept. Only which programs there are is answered so: what they are built of, `go build` looks at each time.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from goferry.config.gocode import LEXEME
from goferry.config.workspace import OFF
from goferry.gobuild._golist import GoPackage
from goferry.gobuild._index import source
from goferry.gobuild.environment import FLAGS
from goferry.kernel.files import write_atomically

_DECLARATION = rf"(?m){LEXEME}|^(?:func|type|var|const)\b"
_MODULE_FILES = ("go.mod", "go.sum", "vendor/modules.txt")
_MOST = 5000
"""Files and folders that are looked at: with more, as below node_modules, Go is asked, which walks faster."""
_LARGEST = 4 << 20
"""Bytes of one Go file."""


class _Kept(Struct, frozen=True):
    """The file that keeps an answer: what decided it, and what it was."""

    key: str
    records: list[GoPackage]


class _Unsure(Exception):
    """Go must be asked."""


def sources(environ: Mapping[str, str], folders: Iterable[Path]) -> str:
    """Return the digest of the files that decide what `go list -find` prints, or nothing where Go must be asked.

    Args:
        environ: its environment.
        folders: the modules' folders.
    """
    work = environ.get("GOWORK", "")
    if environ.get("GOFLAGS") != FLAGS or "GO111MODULE" in environ or not (work == OFF or Path(work).is_absolute()):
        return ""
    try:
        return _digest(_files(Path(work), folders))
    except (OSError, _Unsure):
        return ""


def key(sources: str, words: Sequence[str], environ: Mapping[str, str], directory: Path) -> str:
    """Return the digest of everything that decides an answer; nothing where `sources` says nothing.

    Args:
        sources: what `sources` returned.
        words: the command, with the go command's path.
        environ: its environment.
        directory: where it runs.
    """
    settings = sorted(f"{name}={value}" for name, value in environ.items() if name.startswith(("GO", "CGO_")))
    parts = [sources, str(directory), *words, "", *settings]
    return _digest(map(os.fsencode, parts)) if sources else ""


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


def _files(work: Path, folders: Iterable[Path]) -> Iterator[bytes]:
    if work.is_absolute():
        yield work.read_bytes()
    left = _MOST
    for folder in sorted(folders):
        for name in _MODULE_FILES:
            file = folder / name
            yield file.read_bytes() if file.is_file() else b""
        for base, below, files in os.walk(folder, onerror=_raise):
            left -= len(below) + len(files)
            if left < 0:
                raise _Unsure
            below[:] = sorted(
                name for name in below if not _passed_over(name) and Path(base, name) != folder / "vendor"
            )
            for name in sorted(files):
                file = Path(base, name)
                if name.endswith(".go"):
                    yield os.fsencode(file)
                    yield header(_content(file))
                elif source(name):
                    yield os.fsencode(file)


def _passed_over(folder: str) -> bool:
    """Tell whether `./...` leaves out a folder of this name (`go help packages`)."""
    return folder.startswith((".", "_")) or folder == "testdata"


def _content(file: Path) -> bytes:
    """Return what a plain file holds; a link may lead to one, or to a device without end."""
    if not file.is_file() or file.stat().st_size > _LARGEST:
        raise _Unsure
    return file.read_bytes()


def _raise(error: OSError) -> None:
    raise error


def header(text: bytes) -> bytes:
    """Return a Go file down to its first declaration behind the imports; all of it where it embeds files.

    Constraints, package clause and imports stand there (go.dev/ref/spec, "Source file organization").
    """
    whole = text.decode("latin-1")
    if '"embed"' in whole:
        return text
    first = (match for match in re.finditer(_DECLARATION, whole) if match[0] in ("func", "type", "var", "const"))
    found = next(first, None)
    return text[: found.start()] if found else text


def place(cache: Path, directory: Path, target: str, words: Sequence[str]) -> Path:
    """Return the file that keeps the answer to one question: a project has one for each target."""
    asked = "\0".join([str(directory), target, *words])
    return cache / "listed" / f"{hashlib.sha256(os.fsencode(asked)).hexdigest()[:32]}.json"


def read(place: Path, key: str) -> list[GoPackage] | None:
    """Return the answer that is kept in the file `place` by this key, or None."""
    try:
        kept = msgspec.json.decode(place.read_bytes(), type=_Kept)
    except (OSError, ValueError, RecursionError):
        return None
    return kept.records if key and kept.key == key else None


def keep(place: Path, key: str, packages: Sequence[GoPackage]) -> None:
    """Keep an answer, in place of an older one; where that can't be done, Go is asked the next time too."""
    if not key or any(package.error for package in packages):
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, msgspec.json.encode(_Kept(key, list(packages))), 0o600)
    except OSError:
        return
