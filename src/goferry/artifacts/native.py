"""What this machine is called by Go."""

from __future__ import annotations

import platform

from goferry.kernel.errors import Failed

_GOARCH = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "i686": "386", "i386": "386"}
_GOARCH |= {"armv7l": "arm", "armv6l": "arm", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x"}


class PlatformUnknown(Failed):
    """Go has no toolchain for this machine's operating system or processor.

    Usual causes: a processor on which the Go toolchain does not run.
    """

    name = "platform-unknown"


def host() -> tuple[str, str]:
    """Return this machine's GOOS and GOARCH.

    Raises:
        PlatformUnknown: when Go has no name for them.
    """
    goos, machine = platform.system().lower(), platform.machine().lower()
    if goos not in ("linux", "darwin", "freebsd", "windows") or machine not in _GOARCH:
        raise PlatformUnknown(f"this machine is {goos} on {machine}")
    return goos, _GOARCH[machine]
