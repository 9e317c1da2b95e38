"""Whether a program can start in an image: nothing is there but the program."""

from __future__ import annotations

import io

from goferry.image.errors import BinaryDynamic, BinaryWrongPlatform
from goferry.kernel import elf


def check(data: bytes, name: str, goarch: str) -> None:
    """Refuse a program that would not start in an image of this architecture.

    Raises:
        BinaryWrongPlatform: when it is for another machine, or no program at all.
        BinaryDynamic: when it needs a dynamic loader.
    """
    again = "build it again:  goferry build"
    try:
        found = elf.read(io.BytesIO(data))
    except ValueError as error:
        raise BinaryWrongPlatform(f"{name} is {error}", state="No image was written.", advice=[again]) from None
    if found.goarch != goarch:
        what = f"{name} is a program for {found.goarch or 'another machine'}, and the ledger says {goarch}"
        raise BinaryWrongPlatform(what, state="No image was written.", advice=[again], file=name, found=found.goarch)
    if found.interpreter:
        raise BinaryDynamic(
            f"{name} is dynamic: it asks for {found.interpreter}, which the image does not have",
            state="No image was written.",
            advice=["build it static, as it is without CGO_ENABLED=1:  goferry build"],
            file=name,
            interpreter=found.interpreter,
        )
