"""The module cache and the module files: go mod download, verify and tidy, with their failures in named errors.

`env` is `builds.env`; which go.work counts is the same as for the build (config.workspace).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from goferry.artifacts import fetching
from goferry.artifacts.toolchain import Toolchain
from goferry.config import workspace
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.golang.versions import GoVersion
from goferry.kernel.errors import Failed, GoferryError, Refused, printable
from goferry.system.process import Completed, run

TIDY_DIFF_SINCE = GoVersion("1.23rc1")
_SHOWN = 20
_NOTHING: Mapping[str, str] = MappingProxyType({})


class ModulesInvalid(Failed):
    """A go command about modules failed for a reason without a name of its own.

    Usual causes: a go.mod that Go can't read, or a module cache that it can't write.
    """

    name = "modules-invalid"


class ModulesModified(Refused):
    """Modules in the cache differ from what was downloaded.

    Usual causes: an edit in the module cache, or a cache that was damaged when it was restored.
    """

    name = "modules-modified"


class ModulesUntidy(Failed):
    """go.mod or go.sum is not what `go mod tidy` would write.

    Usual causes: an import was added or removed without running it.
    """

    name = "modules-untidy"


def download(ctx: Context, toolchain: Toolchain, directory: Path, env: Mapping[str, str] = _NOTHING) -> None:
    """Fill the module cache; a vendored or module-less folder needs nothing.

    Raises:
        ModulesInvalid: a go command about modules failed for a reason without a name of its own.
        Those of artifacts.fetching: go could not get a module.
    """
    with ctx.stream.span("go-mod-download") as span:
        if _vendored(directory, env):
            span.skip("vendored")
            return
        done = _go(toolchain, ["mod", "download"], directory, ctx.settings, env)
        if done.code == 0:
            return
        advice = ["see it yourself:  go mod download"]
        raise _fault(done.errors) or ModulesInvalid(_tail(done.errors), state="Nothing was built.", advice=advice)


def verify(ctx: Context, toolchain: Toolchain, directory: Path, env: Mapping[str, str] = _NOTHING) -> None:
    """Hold the module cache to the hashes that were recorded at download.

    Raises:
        ModulesModified: naming what differs. ModulesInvalid: when it could not be checked.
    """
    with ctx.stream.span("go-mod-verify") as span:
        if _vendored(directory, env):
            span.skip("vendored")
            return
        done = _go(toolchain, ["mod", "verify"], directory, ctx.settings, env)
        if done.code == 0:
            return
        if "modified" in done.errors or "missing ziphash" in done.errors:
            raise ModulesModified(
                _tail(done.errors),
                state="Nothing was built.",
                advice=["empty the cache:  go clean -modcache", "and try again"],
            )
        raise ModulesInvalid(_tail(done.errors), advice=["see it yourself:  go mod verify"])


def tidy_diff(ctx: Context, toolchain: Toolchain, directory: Path, env: Mapping[str, str] = _NOTHING) -> None:
    """Check that go.mod and go.sum are tidy, without changing them (`go mod tidy -diff`, since Go 1.23).

    Raises:
        ModulesUntidy: with the difference. ModulesInvalid, and those of artifacts.fetching: when that failed.
    """
    with ctx.stream.span("go-mod-tidy") as span:
        if GoVersion(toolchain.version) < TIDY_DIFF_SINCE:
            span.skip(f"Go {toolchain.version} cannot do it; 1.23 can")
            return
        done = _go(toolchain, ["mod", "tidy", "-diff"], directory, ctx.settings, env)
        if done.code == 0:
            return
        if done.text.strip():
            raise ModulesUntidy(_tail(done.text), state="Nothing was changed.", advice=["write them:  go mod tidy"])
        advice = ["see it yourself:  go mod tidy -diff"]
        raise _fault(done.errors) or ModulesInvalid(_tail(done.errors), advice=advice)


def _go(
    toolchain: Toolchain, words: Sequence[str], directory: Path, settings: Settings, env: Mapping[str, str]
) -> Completed:
    environ = {**settings.environ, **env, "GOWORK": workspace.gowork(directory, env)}
    return run([toolchain.go, *words], environ=toolchain.environ(environ), cwd=directory)


def _vendored(directory: Path, env: Mapping[str, str]) -> bool:
    counts = workspace.gowork(directory, env)
    folder = directory if counts == workspace.OFF else Path(counts).parent
    return (folder / "vendor" / "modules.txt").is_file()


def _fault(text: str) -> GoferryError | None:
    return fetching.fault(text, _tail(text))


def _tail(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if not line.startswith("go: downloading ")]
    cut = lines[-_SHOWN:]
    return "\n".join(printable(line, 300) for line in cut) or "the go command said nothing"
