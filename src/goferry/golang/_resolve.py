"""Which Go a run uses: the first of these that applies.

    asked for (`--go-version`, the input `go-version`)      → exactly that; a language version means its newest patch
    setup-go of the same job, which was asked for it        → the one that it set up
    go.version in goferry.yml                               → as asked for
    GOTOOLCHAIN=go1.27.3 in Go's own settings               → that; with `+auto` or `+path`, at least that
    the go.work that counts (config.workspace), else go.mod → the higher of its `go` and `toolchain` lines

In the last two a Go that setup-go found for the job is taken where it is new enough, so that its steps use one Go.

A line that names a release (`go 1.27.3`) is taken exactly. One that names only a language version (`go 1.27`) says
nothing about the patch, so it gets the newest patch of that language version: the fixes without the risk of a new
language. Go itself would take 1.27.0, with every hole found since. A line below 1.21 never demanded a toolchain, and
any newer one compiles the older language faithfully: it gets the newest release, as does a folder without go.mod.

For the newest, setup-go asks the proxies. A stage asks only where no Go that was proved before serves (golang.setup).

Whatever was chosen, a Go older than the `go` line is refused here: no go command would run with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from goferry.config import model, workspace
from goferry.golang import _gomod as gomod
from goferry.golang._goenv import GoEnv
from goferry.golang.earlier import By, EarlierGo
from goferry.golang.versions import TOOLCHAINS_SINCE, GoVersion, Spec, of_toolchain, spec
from goferry.kernel.errors import Failed, Misuse, printable

_IN_JOB = "set up by setup-go in this job"


class GoVersionUnavailable(Failed):
    """No toolchain that matches the requested version is available.

    Usual causes: the version is not released yet, or the module proxy does not have it for this platform.
    """

    name = "go-version-unavailable"


class GoVersionTooLow(Misuse):
    """The selected Go is older than the `go` line of go.mod or go.work requires, so it would refuse to work there.

    Usual causes: a matrix that still lists a Go version that the module no longer supports, a go.work whose `go` line
    was not raised with its modules', or an old GOTOOLCHAIN setting.
    """

    name = "go-version-too-low"


class WantedGo(Struct, frozen=True):
    """What to look for.

    Attributes:
        spec: the version or the rule to choose it by.
        source: where it was said, for people: `go.mod: go 1.27`.
        minimum: whether a newer Go would do as well (go.mod's lines are such, a person's choice is not).
        by: who said it.
        floors: lines that no older Go may serve: version → where it stands.
    """

    spec: Spec
    source: str
    minimum: bool = False
    by: By = By.FOUND
    floors: tuple[tuple[GoVersion, str], ...] = ()

    def serves(self, version: GoVersion) -> bool:
        """Whether a version that was chosen elsewhere is new enough, where a newer one would do as well."""
        least = [floor for floor, _ in self.floors] + ([self.spec.version] if self.spec.version else [])
        return self.minimum and all(version >= each for each in least)

    def hold(self, version: GoVersion) -> None:
        """Refuse a version below the `go` lines.

        Raises:
            GoVersionTooLow: with the line, in Go's words.
        """
        for floor, where in self.floors:
            if version < floor:
                raise GoVersionTooLow(
                    f"{where} requires go >= {floor}, and Go {version} would be used ({self.source})",
                    state="Nothing was installed.",
                    advice=[
                        f"ask for a newer one:  goferry setup-go --go-version {floor}",
                        f"or lower the line, if the code allows it:  go mod edit -go={version}",
                    ],
                )


class Resolved(Struct, frozen=True):
    """The version to install: `1.27.3`, where it was said, who said it, and whether a newer Go would do as well."""

    version: str
    source: str
    minimum: bool = False
    by: By = By.FOUND


def wanted(
    directory: Path, asked: str, goenv: GoEnv, config: model.Project | None = None, earlier: EarlierGo | None = None
) -> WantedGo:
    """Return what a run in `directory` wants.

    Args:
        directory: the project's folder.
        asked: a spec that a person gave, or empty.
        goenv: Go's own settings.
        config: goferry.yml; None means its defaults.
        earlier: what setup-go set up for the job.

    Raises:
        GoVersionInvalid: for a spec that is none.
        GoModInvalid: when a file that decides can't be read.
        GoVersionTooLow: when go.work lists a lower version than one of its modules.
    """
    config = config or model.Project()
    found = _Files.read(directory, workspace.gowork(directory, config.builds.env))
    if asked:
        return found.exactly(spec(asked), f"asked for: {asked.strip()}", By.ASKED)
    if earlier and earlier.by is By.ASKED:
        return found.exactly(_exact(earlier.version), _IN_JOB, By.ASKED)
    if config.go.version:
        configured = spec(config.go.version)
        same = earlier is not None and configured.version is not None and configured.choose([earlier.version])
        chosen = _exact(earlier.version) if earlier and same == earlier.version else configured
        return found.exactly(chosen, f"goferry.yml: go.version {config.go.version}", By.CONFIGURED)
    want = _of_settings(goenv.get("GOTOOLCHAIN"), found)
    if earlier and want.serves(earlier.version):
        return WantedGo(_exact(earlier.version), _IN_JOB, minimum=True, floors=found.floors)
    return want


def _of_settings(gotoolchain: str, found: _Files) -> WantedGo:
    toolchain, plus, _ = gotoolchain.partition("+")
    setting = of_toolchain(toolchain)
    version = found.lines.wanted
    if setting is not None and not plus:
        return WantedGo(spec(setting.text), f"GOTOOLCHAIN={toolchain}", floors=found.floors)
    if setting is not None and (version is None or setting > version):
        return WantedGo(spec(setting.text), f"GOTOOLCHAIN={toolchain}+", minimum=True, floors=found.floors)
    return _of_file(found, version)


def _exact(version: GoVersion) -> Spec:
    return Spec(version.text, "exact", version)


class _Files(Struct, frozen=True):
    """The file that decides: its name, its lines, and the `go` lines that hold whatever is chosen."""

    name: str
    lines: gomod.Lines
    floors: tuple[tuple[GoVersion, str], ...]

    @classmethod
    def read(cls, directory: Path, gowork: str) -> _Files:
        path = gomod.find(directory, gowork)
        if path is None:
            return cls("", gomod.Lines(), ())
        lines = gomod.read(path)
        if gowork != workspace.OFF:
            _hold_modules(path, lines)
        own = ((GoVersion(lines.go), path.name),) if lines.go else ()
        return cls(path.name, lines, own)

    def exactly(self, chosen: Spec, source: str, by: By) -> WantedGo:
        return WantedGo(chosen, source, by=by, floors=self.floors)


def _hold_modules(path: Path, lines: gomod.Lines) -> None:
    """Refuse a go.work below its modules, as every go command does (cmd/go/internal/modload, since Go 1.21)."""
    listed = GoVersion(lines.go or "1.18")
    for folder in lines.use:
        file = path.parent / folder / "go.mod"
        own = gomod.read(file).go if file.is_file() else ""
        if own and GoVersion(own) >= TOOLCHAINS_SINCE and GoVersion(own) > listed:
            raise GoVersionTooLow(
                f"module {printable(folder, 200)} listed in go.work file requires go >= {own}, "
                f"but go.work lists go {listed}",
                state="Nothing was installed.",
                advice=["update go.work and commit it:  go work use"],
            )


def _of_file(found: _Files, version: GoVersion | None) -> WantedGo:
    name, lines = found.name, found.lines
    if version is None or version < TOOLCHAINS_SINCE:
        origin = f"{name}: go {lines.go}" if version else (f"{name} without a go line" if name else "no go.mod")
        rule = Spec("stable", "stable")
        return WantedGo(rule, f"{origin}; the newest release", minimum=True, floors=found.floors)
    line = f"go {lines.go}" if lines.go and GoVersion(lines.go) == version else f"toolchain {lines.toolchain}"
    if version.is_language:
        rule = Spec(version.text, "language", version)
        return WantedGo(rule, f"{name}: {line}; its newest patch", minimum=True, floors=found.floors)
    return WantedGo(_exact(version), f"{name}: {line}", minimum=True, floors=found.floors)


def resolve(want: WantedGo, available: Callable[[], Iterable[GoVersion]]) -> Resolved:
    """Choose the version; `available` is asked only when the rule needs a choice.

    Raises:
        GoVersionUnavailable: when nothing answers the rule.
        GoVersionTooLow: when what answers it is below the `go` line.
    """
    if want.spec.kind == "exact" and want.spec.version is not None:
        found: GoVersion | None = want.spec.version
    else:
        choice = sorted(set(available()))
        found = want.spec.choose(choice)
        if found is None:
            newest = ", ".join(str(version) for version in choice[-3:]) or "none"
            raise GoVersionUnavailable(
                f"no release of Go answers {want.spec.text} ({want.source}); the newest that can be had: {newest}",
                state="Nothing was installed.",
                advice=["name one that can be had:  goferry setup-go --go-version VERSION"],
            )
    assert found is not None
    want.hold(found)
    return Resolved(found.text, want.source, want.minimum, want.by)
