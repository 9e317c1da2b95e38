"""A Go toolchain as the stages see it: where it lies and how it was proven."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field


class Toolchain(Struct, frozen=True):
    """A Go toolchain on this machine.

    Attributes:
        version: as Go spells it without the prefix: `1.27.3`, `1.28rc1`.
        goroot: the folder that holds bin/go.
        source: `module` (installed by Goferry), `tool-cache` or `machine`.
        proof: `checksum-database` when every byte was checked against a signed tree head, else `unproven`.
        evidence: what was checked, for the release manifest: `{"module", "h1", "tree", "root", "log"}`; JSON types.
    """

    version: str
    goroot: Path
    source: str
    proof: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def go(self) -> Path:
        """The go command."""
        return self.goroot / "bin" / ("go.exe" if os.name == "nt" else "go")

    def environ(self, base: Mapping[str, str], **settings: str) -> dict[str, str]:
        """Return the environment for a go process: `base` with this toolchain first on PATH and no switching.

        GOTOOLCHAIN is `local`: another version would run unproven. GOROOT is unset: go finds its own.
        """
        kept = {name: value for name, value in base.items() if name != "GOROOT"}
        path = os.pathsep.join(filter(None, [str(self.goroot / "bin"), base.get("PATH", "")]))
        return {**kept, "PATH": path, "GOTOOLCHAIN": "local", **settings}

    def as_record(self) -> dict[str, object]:
        """Return what the ledger and the release manifest keep."""
        return {"version": self.version, "source": self.source, "proof": self.proof, **dict(self.evidence)}
