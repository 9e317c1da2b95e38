"""What `go list -json` prints: objects one after another, each a package or a module (`go help list`).

Go leaves out what is empty, so every field has a default. Fields that nobody here asks for are passed over.
"""

from __future__ import annotations

import json
from typing import TypeVar

import msgspec
from msgspec import Struct, field

_Kind = TypeVar("_Kind")


class GoModule(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """A module: its path, the folder that it lies in, its version, and the module that Go takes in its place."""

    path: str = ""
    version: str = ""
    replace: GoModule | None = None
    dir: str = ""


class GoProblem(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """What Go says against a package, and the place in a file, where there is one."""

    pos: str = ""
    err: str = ""


class GoPackage(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """A package; the names of its files are relative to its folder.

    Attributes:
        dir: its folder. import_path: as it is imported. name: its clause; empty where Go can't read it.
        module: whose it is. standard: whether it is Go's own. error: what is wrong with it.
    """

    dir: str = ""
    import_path: str = ""
    name: str = ""
    module: GoModule | None = None
    standard: bool = False
    go_files: tuple[str, ...] = ()
    cgo_files: tuple[str, ...] = ()
    ignored_go_files: tuple[str, ...] = ()
    c_files: tuple[str, ...] = ()
    cxx_files: tuple[str, ...] = field(default=(), name="CXXFiles")
    m_files: tuple[str, ...] = ()
    h_files: tuple[str, ...] = ()
    f_files: tuple[str, ...] = ()
    s_files: tuple[str, ...] = ()
    swig_files: tuple[str, ...] = ()
    swig_cxx_files: tuple[str, ...] = field(default=(), name="SwigCXXFiles")
    syso_files: tuple[str, ...] = ()
    embed_files: tuple[str, ...] = ()
    error: GoProblem | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The Go files that are compiled."""
        return self.go_files + self.cgo_files

    @property
    def read(self) -> tuple[str, ...]:
        """All files that a build reads."""
        c = self.c_files + self.cxx_files + self.m_files + self.h_files + self.f_files + self.s_files
        return self.sources + c + self.swig_files + self.swig_cxx_files + self.syso_files + self.embed_files


READ = (
    *("GoFiles", "CgoFiles", "CFiles", "CXXFiles", "MFiles", "HFiles", "FFiles", "SFiles", "SwigFiles", "SwigCXXFiles"),
    *("SysoFiles", "EmbedFiles"),
)
"""What `-json=` has to name for `GoPackage.read`."""


def objects(text: str, kind: type[_Kind]) -> list[_Kind]:
    """Return the JSON objects that the go command prints one after another.

    Raises:
        ValueError: one is not of this kind.
    """
    decoder = json.JSONDecoder()  # msgspec reads lines or one value: these are neither
    found: list[_Kind] = []
    at = 0
    while (start := text.find("{", at)) >= 0:
        value, at = decoder.raw_decode(text, start)
        found.append(msgspec.convert(value, kind))
    return found
