"""Which Go a run uses: from what was asked for, or from go.mod and go.work.

    asked for (`--go-version`, goferry.yml)  → exactly that; a language version means its newest patch
    GOTOOLCHAIN=go1.27.3 in Go's own settings → that; with `+auto` or `+path`, at least that
    go.work, else go.mod                      → the higher of its `go` and `toolchain` lines

A line that names a release (`go 1.27.3`) is taken exactly. One that names only a language version (`go 1.27`) says
nothing about the patch, so it gets the newest patch of that language version: the fixes without the risk of a new
language. Go itself would take 1.27.0, with every hole found since. A line below 1.21 never demanded a toolchain, and
any newer one compiles the older language faithfully: it gets the newest release, as does a folder without go.mod.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from goferry.golang import gomod
from goferry.golang.goenv import GoEnv
from goferry.golang.versions import TOOLCHAINS_SINCE, GoVersion, Spec, of_toolchain, spec
from goferry.kernel.errors import Failed


class GoVersionUnavailable(Failed):
    """No toolchain that answers what was asked for can be had.

    It usually is a version that is not released yet, or one that the module proxy does not carry for this platform.
    """

    name = "go-version-unavailable"


@dataclass(frozen=True)
class Wanted:
    """What to look for.

    Attributes:
        spec: the version or the rule to choose it by.
        source: where it was said, for people: `go.mod: go 1.27`.
        minimum: whether a newer Go would do as well (go.mod's lines are such, a person's choice is not).
    """

    spec: Spec
    source: str
    minimum: bool = False


@dataclass(frozen=True)
class Resolved:
    """The version to install: `1.27.3`, where it was said, and whether a newer Go would do as well."""

    version: str
    source: str
    minimum: bool = False


def wanted(directory: Path, asked: str, goenv: GoEnv) -> Wanted:
    """Return what a run in `directory` wants.

    Raises:
        GoVersionInvalid, GoModInvalid: as their names say.
    """
    if asked:
        return Wanted(spec(asked), f"asked for: {asked.strip()}")
    toolchain, plus, _ = goenv.get("GOTOOLCHAIN").partition("+")
    floor = of_toolchain(toolchain)
    if floor is not None and not plus:
        return Wanted(spec(floor.text), f"GOTOOLCHAIN={toolchain}")
    path = gomod.find(directory, goenv.get("GOWORK"))
    lines = gomod.read(path) if path else gomod.Lines()
    version = lines.wanted
    if floor is not None and (version is None or floor > version):
        return Wanted(spec(floor.text), f"GOTOOLCHAIN={toolchain}+", minimum=True)
    return _of_file(path.name if path else "", lines, version)


def _of_file(name: str, lines: gomod.Lines, version: GoVersion | None) -> Wanted:
    if version is None or version < TOOLCHAINS_SINCE:
        said = f"{name}: go {lines.go}" if version else (f"{name} without a go line" if name else "no go.mod")
        return Wanted(Spec("stable", "stable"), f"{said}; the newest release", minimum=True)
    line = f"go {lines.go}" if lines.go and GoVersion(lines.go) == version else f"toolchain {lines.toolchain}"
    if version.is_language:
        return Wanted(Spec(version.text, "language", version), f"{name}: {line}; its newest patch", minimum=True)
    return Wanted(Spec(version.text, "exact", version), f"{name}: {line}", minimum=True)


def resolve(want: Wanted, available: Callable[[], Iterable[GoVersion]]) -> Resolved:
    """Choose the version; `available` is asked only when the rule needs a choice.

    Raises:
        GoVersionUnavailable: when nothing answers the rule.
    """
    if want.spec.kind == "exact" and want.spec.version is not None:
        return Resolved(want.spec.version.text, want.source, want.minimum)
    choice = sorted(set(available()))
    found = want.spec.choose(choice)
    if found is None:
        newest = ", ".join(str(version) for version in choice[-3:]) or "none"
        raise GoVersionUnavailable(
            f"no release of Go answers {want.spec.text} ({want.source}); the newest that can be had: {newest}",
            state="Nothing was installed.",
            advice=["name one that can be had:  goferry setup-go --go-version VERSION"],
        )
    return Resolved(found.text, want.source, want.minimum)
