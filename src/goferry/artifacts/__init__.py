"""What passes between stages: the ledger of a `dist/` folder, and the toolchain that made it.

Contract (what other rooms import; a module with `_` is private):

    ledger     `dist/goferry.json`: what a dist/ folder holds until it is sealed
    toolchain  a Go toolchain, and how it was proven
    native     what Go calls this machine
    given      the dist/ folder that a person names
    ownfolder  `.goferry/`, what Goferry keeps in a repository
    tarball    a dist/ folder as one tar between jobs
    schemes    version schemes: pre-releases and order
    semver     semantic versions as Go modules spell them
    fetching   why the go command could not get modules
"""

from goferry.artifacts.ledger import Artifact, Compiled, Ledger, LedgerPack, Uncommitted
from goferry.artifacts.toolchain import Toolchain

__all__ = ["Artifact", "Compiled", "Ledger", "LedgerPack", "Toolchain", "Uncommitted"]
