"""What passes between stages: the ledger of a `dist/` folder, and the toolchain that made it."""

from goferry.artifacts.ledger import Artifact, Ledger
from goferry.artifacts.toolchain import Toolchain

__all__ = ["Artifact", "Ledger", "Toolchain"]
