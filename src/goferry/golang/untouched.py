"""Whether a toolchain that is there is still the one that was proven."""

from __future__ import annotations

from goferry.dist.toolchain import Toolchain
from goferry.golang import tree
from goferry.kernel.errors import Refused
from goferry.observe.events import Stream


class ToolchainModified(Refused):
    """The toolchain's files are not those that were proven when it was installed.

    It usually is a kept machine, where something that ran before has written to them.
    """

    name = "toolchain-modified"


def hold(toolchain: Toolchain, stream: Stream) -> None:
    """Hash every file of a proven toolchain again, and hold them to the proof.

    Raises:
        ToolchainModified: they are not what was proven.
    """
    if toolchain.proof != "checksum-database":
        return
    with stream.span("toolchain-verify"):
        module, h1 = str(toolchain.evidence["module"]), str(toolchain.evidence["h1"])
        if tree.hash_folder(toolchain.goroot, f"{module}/") != h1:
            raise ToolchainModified(
                f"Go {toolchain.version} in {toolchain.goroot} is not as it was proven",
                state="Nothing was built.",
                advice=["remove that folder, and set it up again:  goferry setup-go"],
            )
