"""Targets: `goos/goarch` or `goos/goarch/variant`, checked against the ports that the toolchain has.

The variant is the value of the port's own variable (GOAMD64, GOARM, …; https://go.dev/doc/install/source#environment).
Every target sets its variable, with Go's documented default when it names none, so that the caller's environment can't
choose another processor level.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from goferry.artifacts import Toolchain
from goferry.kernel.errors import Misuse
from goferry.system import process

DEFAULT = ("linux/amd64", "linux/arm64")
"""What is built when nothing else is asked for."""

_FLOAT = ("hardfloat", "softfloat")
_POWER = ("power8", "power9", "power10")
_VARIANTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "amd64": ("GOAMD64", ("v1", "v2", "v3", "v4")),
    "arm": ("GOARM", ("7", "5", "6")),
    "arm64": ("GOARM64", (*(f"v8.{n}" for n in range(10)), *(f"v9.{n}" for n in range(6)))),
    "386": ("GO386", ("sse2", "softfloat")),
    "mips": ("GOMIPS", _FLOAT),
    "mipsle": ("GOMIPS", _FLOAT),
    "mips64": ("GOMIPS64", _FLOAT),
    "mips64le": ("GOMIPS64", _FLOAT),
    "ppc64": ("GOPPC64", _POWER),
    "ppc64le": ("GOPPC64", _POWER),
    "riscv64": ("GORISCV64", ("rva20u64", "rva22u64", "rva23u64")),
}
"""GOARCH → its variable and the values that it takes; the first is the default."""

_PORT = r'(?m)^\s*\{"(\w+)", "(\w+)"\}(: \{.*Broken: true.*\})?'


class TargetUnknown(Misuse):
    """A target is not a platform that this Go can build for.

    Usual causes: a typing error (`linux/x86_64` for `linux/amd64`), or a port that newer Go versions dropped.
    """

    name = "target-unknown"


class BuildTarget(Struct, frozen=True):
    """One platform.

    Attributes:
        goos, goarch: as Go spells them. variant: `v3`, `7`, …; empty for the port's default.
    """

    goos: str
    goarch: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.goos, self.goarch, self.variant) if part)

    @property
    def suffix(self) -> str:
        """What file names carry: `linux_arm_7`."""
        return str(self).replace("/", "_")

    @property
    def exe(self) -> str:
        """What a program's file name ends in."""
        return ".exe" if self.goos == "windows" else ""

    @property
    def archive(self) -> str:
        """The archive format that people of this platform expect."""
        return "zip" if self.goos == "windows" else "tar.gz"

    @property
    def env(self) -> dict[str, str]:
        """The variables that choose the platform."""
        chosen = {"GOOS": self.goos, "GOARCH": self.goarch}
        if self.goarch in _VARIANTS:
            variable, values = _VARIANTS[self.goarch]
            chosen[variable] = self.variant or values[0]
        return chosen


def parse(texts: Sequence[str], ports: Iterable[str]) -> tuple[BuildTarget, ...]:
    """Return the targets that `texts` name, each once, in their order; DEFAULT when there are none.

    Args:
        texts: each one target, or several with commas between.
        ports: what this Go builds for, `goos/goarch` each.

    Raises:
        TargetUnknown: with the nearest known target.
    """
    known = tuple(ports)
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    return tuple(dict.fromkeys(_one(word, known) for word in words or DEFAULT))


def _one(word: str, ports: Sequence[str]) -> BuildTarget:
    goos, _, rest = word.partition("/")
    goarch, _, variant = rest.partition("/")
    if f"{goos}/{goarch}" not in ports:
        raise _unknown(word, f"{goos}/{goarch}", ports)
    if variant and variant not in _VARIANTS.get(goarch, ("", ()))[1]:
        names = [f"{goos}/{goarch}/{value}" for value in _VARIANTS.get(goarch, ("", ()))[1]]
        raise _unknown(word, word, names or [f"{goos}/{goarch}"])
    return BuildTarget(goos, goarch, variant)


_ALIASES = {"x86_64": "amd64", "x64": "amd64", "aarch64": "arm64", "armv7": "arm/7", "armhf": "arm/7", "i386": "386"}
_SYSTEMS = {"macos": "darwin", "osx": "darwin", "win": "windows", "win64": "windows"}


def _unknown(word: str, key: str, known: Sequence[str]) -> TargetUnknown:
    import difflib

    goos, _, goarch = key.lower().partition("/")
    plain = f"{_SYSTEMS.get(goos, goos)}/{_ALIASES.get(goarch, goarch)}"
    base = "/".join(plain.split("/")[:2])
    near = [plain] if base in known else difflib.get_close_matches(plain, known, 1, 0.5)
    advice = [f"did you mean {near[0]}?"] if near else []
    return TargetUnknown(
        f"{word!r} is not a target of this Go",
        state="Nothing was built.",
        advice=[*advice, "see them all:  go tool dist list"],
        target=word,
        nearest=near[0] if near else "",
    )


def ports(toolchain: Toolchain, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ports of this toolchain, `goos/goarch` each, without those that Go lists as broken.

    Go's own table is read where it lies in the source tree; `go tool dist list`, which newer toolchains must compile
    first, is asked when it does not.
    """
    try:
        text = (toolchain.goroot / "src/internal/platform/zosarch.go").read_text("utf-8")
    except OSError:
        text = ""
    found = table(text)
    return found or _asked(toolchain, environ)


def table(source: str) -> tuple[str, ...]:
    """Return the ports that `internal/platform/zosarch.go` lists."""
    listed = [(f"{goos}/{goarch}", bool(broken)) for goos, goarch, broken in re.findall(_PORT, source)]
    unusable = {name for name, broken in listed if broken}
    return tuple(dict.fromkeys(name for name, _ in listed if name not in unusable))


def _asked(toolchain: Toolchain, environ: Mapping[str, str]) -> tuple[str, ...]:
    done = process.run([toolchain.go, "tool", "dist", "list", "-json"], environ=toolchain.environ(environ))
    if done.code:
        raise TargetUnknown(f"go tool dist list failed: {done.errors.strip()}", advice=["see:  goferry doctor"])
    return tuple(f"{port['GOOS']}/{port['GOARCH']}" for port in json.loads(done.text))
