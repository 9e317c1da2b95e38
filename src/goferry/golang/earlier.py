"""What setup-go leaves to the later steps of its job: which Go it set up, and who chose it.

    GOFERRY_GO=1.25.4 asked         the input `go-version` or the option `--go-version`
    GOFERRY_GO=1.25.4 configured    `go.version` in goferry.yml
    GOFERRY_GO=1.25.4 found         go.mod, go.work or GOTOOLCHAIN

It names a version and proves nothing: a stage looks for the record beside the toolchain, as it does without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from goferry.golang.versions import GoVersion, GoVersionInvalid
from goferry.kernel.errors import printable

VARIABLE = "GOFERRY_GO"


class By(Enum):
    """Who chose a Go version."""

    ASKED = "asked"
    CONFIGURED = "configured"
    FOUND = "found"


class EarlierGo(Struct, frozen=True):
    """A Go that was set up for the whole job."""

    version: GoVersion
    by: By

    @property
    def text(self) -> str:
        """The variable's value."""
        return f"{self.version} {self.by.value}"

    @property
    def pins(self) -> bool:
        """Whether the go command of later steps must not switch to another version."""
        return self.by is not By.FOUND


def read(environ: Mapping[str, str]) -> EarlierGo | None:
    """Return what an earlier setup-go of the job set up, or None.

    Raises:
        GoVersionInvalid: when the variable holds something else.
    """
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    version, _, by = text.partition(" ")
    try:
        return EarlierGo(GoVersion(version), By(by))
    except ValueError:
        raise GoVersionInvalid(
            f"the environment variable {VARIABLE} is {printable(text, 80)!r}, which setup-go never writes",
            state="Nothing was installed.",
            advice=[f"unset it:  unset {VARIABLE}"],
        ) from None
