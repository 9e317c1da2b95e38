"""What an ELF file says of the machine that it runs on (System V ABI, gABI 4.1, chapters 4 "ELF Header" and 5)."""

from __future__ import annotations

import struct
from typing import IO, NamedTuple

_PT_INTERP = 3
_ET_EXEC, _ET_DYN = 2, 3
_LITTLE, _BIG = 1, 2
MAX_SEGMENTS = 256
"""Program headers that are read; Go's linker writes about ten."""
_MACHINES = {
    # e_machine, EI_CLASS (1: 32 bits, 2: 64 bits), EI_DATA → GOARCH
    (3, 1, _LITTLE): "386",
    (8, 1, _BIG): "mips",
    (8, 1, _LITTLE): "mipsle",
    (8, 2, _BIG): "mips64",
    (8, 2, _LITTLE): "mips64le",
    (21, 2, _BIG): "ppc64",
    (21, 2, _LITTLE): "ppc64le",
    (22, 2, _BIG): "s390x",
    (40, 1, _LITTLE): "arm",
    (62, 2, _LITTLE): "amd64",
    (183, 2, _LITTLE): "arm64",
    (243, 2, _LITTLE): "riscv64",
    (258, 2, _LITTLE): "loong64",
}


class Elf(NamedTuple):
    """An executable's platform.

    Attributes:
        goarch: Go's name, or empty for a machine that Go does not know.
        interpreter: the dynamic loader that it asks for, or empty when it is static.
    """

    goarch: str
    interpreter: str


def read(file: IO[bytes]) -> Elf:
    """Read an executable's headers, and nothing else of the file: it may be larger than the memory.

    Raises:
        ValueError: when it is not an ELF executable, or its headers lead outside of it.
    """
    head = file.read(64)
    # A whole header of 32 bits; what a file of 64 bits lacks is found when it is unpacked.
    if len(head) < 52 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (_LITTLE, _BIG):
        raise ValueError("not an ELF file")
    order = "<" if head[5] == _LITTLE else ">"
    wide = head[4] == 2
    try:
        kind, machine = struct.unpack_from(order + "HH", head, 16)
        # An executable whose place in memory is chosen when it starts is of type DYN, as a shared library is.
        if kind not in (_ET_EXEC, _ET_DYN):
            raise ValueError("an ELF file, but not an executable")
        interpreter = _interpreter(file, head, order, wide=wide)
    except (struct.error, OverflowError, OSError):
        raise ValueError("an ELF file that is cut off") from None
    return Elf(_MACHINES.get((machine, head[4], head[5]), ""), interpreter)


def _interpreter(file: IO[bytes], head: bytes, order: str, *, wide: bool) -> str:
    (table,) = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)
    size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    form = order + ("I4xQQQQ" if wide else "IIIII")  # type, offset, two addresses, size in the file
    if count > MAX_SEGMENTS:
        raise ValueError(f"an ELF file with {count} program headers; at most {MAX_SEGMENTS} are read")
    for number in range(count):
        segment, place, _, _, length = struct.unpack(form, _at(file, table + number * size, struct.calcsize(form)))
        if segment == _PT_INTERP:
            # An empty name is a loader too: the file must not count as static.
            return _at(file, place, min(length, 4096)).split(b"\0")[0].decode("utf-8", "replace") or "unnamed"
    return ""


def _at(file: IO[bytes], offset: int, size: int) -> bytes:
    if offset >= 1 << 62:  # further than any file; Python says so in several ways
        raise OverflowError
    file.seek(offset)
    return file.read(size)
