"""What an ELF file says of the machine that it runs on (System V ABI, gABI 4.1, chapters 4 "ELF Header" and 5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_PT_INTERP = 3
_ET_EXEC, _ET_DYN = 2, 3
_LITTLE, _BIG = 1, 2
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


@dataclass(frozen=True)
class Elf:
    """An executable's platform.

    Attributes:
        goarch: Go's name, or empty for a machine that Go does not know.
        interpreter: the dynamic loader that it asks for, or empty when it is static.
    """

    goarch: str
    interpreter: str


def read(data: bytes) -> Elf:
    """Read an executable's headers.

    Raises:
        ValueError: when it is no ELF executable, or its headers lead outside of it.
    """
    if len(data) < 52 or data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] not in (_LITTLE, _BIG):
        raise ValueError("not an ELF file")
    order = "<" if data[5] == _LITTLE else ">"
    wide = data[4] == 2
    try:
        kind, machine = struct.unpack_from(order + "HH", data, 16)
        if kind not in (_ET_EXEC, _ET_DYN):
            raise ValueError("an ELF file, but not an executable")
        interpreter = _interpreter(data, order, wide=wide)
    except (struct.error, OverflowError):
        raise ValueError("an ELF file that is cut off") from None
    return Elf(_MACHINES.get((machine, data[4], data[5]), ""), interpreter)


def _interpreter(data: bytes, order: str, *, wide: bool) -> str:
    (table,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 32 if wide else 28)
    size, count = struct.unpack_from(order + "HH", data, 54 if wide else 42)
    for number in range(count):
        at = table + number * size
        (segment,) = struct.unpack_from(order + "I", data, at)
        if segment == _PT_INTERP:
            form, offset = ("QQQQ", 8) if wide else ("IIII", 4)
            place, _, _, length = struct.unpack_from(order + form, data, at + offset)
            return data[place : place + min(length, 4096)].split(b"\0")[0].decode("utf-8", "replace") or "unnamed"
    return ""
