"""What passes between stages: the ledger of a `dist/` folder, and the toolchain that made it."""

from goferry.artifacts.ledger import Artifact, Compiled, Ledger, LedgerPack, Uncommitted
from goferry.artifacts.toolchain import Toolchain

__all__ = ["Artifact", "Compiled", "Ledger", "LedgerPack", "Toolchain", "Uncommitted"]
