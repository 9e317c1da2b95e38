"""The environment of the go command: what may change bytes is set here or in goferry.yml, never by the caller.

Every GO* and CGO_* variable of the caller is dropped, and so are the C compilers' (CC, CPATH, …). What only says where
modules come from and where caches lie is asked of `go env` once (so that `go env -w` files count) and passed on
explicitly; GOENV=off then keeps those files from adding the rest. GOFLAGS must not be empty: go would read its file.
Which go.work counts is said in config.workspace, for set-up as well; `builds.env` may say otherwise by GOWORK.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from goferry.artifacts import Toolchain
from goferry.config import model
from goferry.config.workspace import gowork
from goferry.kernel.errors import Failed, Misuse
from goferry.system import process

KEPT = (
    "GOPROXY",
    "GOPRIVATE",
    "GONOPROXY",
    "GONOSUMDB",
    "GOSUMDB",
    "GOINSECURE",
    "GOVCS",
    "GOAUTH",
    "GOPATH",
    "GOMODCACHE",
    "GOCACHE",
    "GOCACHEPROG",
    "GOTMPDIR",
)
"""Where modules come from and where caches lie: none of it changes what is built, which go.sum holds."""

RESERVED = ("GOOS", "GOARCH", "GOROOT", "GOTOOLCHAIN", "GOENV", "PATH")
"""What `builds.env` may not set: the target and the toolchain are chosen elsewhere."""

FLAGS = "-buildvcs=false"
"""GOFLAGS where `builds.env` sets none."""

UNINDEXED = {"GODEBUG": "goindex=0"}
"""Has `go list` read packages where they lie. Anybody may have written their index in GOCACHE, and where there is none,
writing it takes longer than reading what one question asks for (cmd/go/internal/modindex)."""

_DROPPED = (
    *("CC", "CXX", "FC", "AR", "GCCGO", "SOURCE_DATE_EPOCH"),
    *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "OBJCPLUS_INCLUDE_PATH"),
    *("LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "CCC_OVERRIDE_OPTIONS"),
    *("LD_RUN_PATH", "LDEMULATION", "GNUTARGET", "DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"),
)
"""What compilers and linkers of C read (gcc(1) "Environment", ld(1), clang(1)): Go keeps no account of it."""
_REPOSITORY = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_CONFIG"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE"),
    *("GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE", "GIT_CEILING_DIRECTORIES", "GIT_ATTR_SOURCE"),
)
"""What says which repository git works in, such as in a hook (`git rev-parse --local-env-vars`): Go's git has another.

What says how git reaches others (GIT_SSH_COMMAND, GIT_ASKPASS, GIT_CONFIG_COUNT) stays: modules come by it.
"""
_DROPPED_WITH = ("GO", "CGO_", "PKG_CONFIG")
"""How the names of all others begin; pkg-config(1) has PKG_CONFIG_PATH, _LIBDIR, _SYSROOT_DIR and more."""


class GoFailed(Failed):
    """The go command failed when it was asked about the repository.

    Usual causes: a go.mod or go.work that it can't read, or one that requires a newer Go.
    """

    name = "go-failed"


class BuildEnvReserved(Misuse):
    """`builds.env` sets a variable that Goferry sets itself.

    Usual causes: GOOS or GOARCH, which `builds.targets` sets for every target.
    """

    name = "build-env-reserved"


def clean(environ: Mapping[str, str], toolchain: Toolchain, directory: Path) -> dict[str, str]:
    """Return the environment that every go command for `directory` starts from, with KEPT as `go env` answers.

    Raises:
        GoFailed: when `go env` does.
    """
    done = process.run([toolchain.go, "env", "-json", *KEPT], environ=toolchain.environ(_without(environ, KEPT)))
    if done.code:
        raise GoFailed(done.errors.strip(), advice=["see what is wrong:  goferry doctor"])
    answers: dict[str, str] = json.loads(done.text)
    kept = {key: value for key, value in answers.items() if value}
    settings = {"GOENV": "off", "GOFLAGS": FLAGS, "GOWORK": gowork(directory, {})}
    return toolchain.environ({**_without(environ, ()), **kept}, **settings)


def check(env: Mapping[str, str]) -> None:
    """Refuse reserved names in `builds.env`.

    Raises:
        BuildEnvReserved: with the first such name.
    """
    for key in env:
        if key in RESERVED:
            raise BuildEnvReserved(
                f"builds.env sets {key}",
                state="Nothing was built.",
                advice=["choose platforms with builds.targets, and the Go version with go.version"],
            )


def tag_flags(builds: model.Builds) -> list[str]:
    """Return the words by which a go command gets the build tags; none where there are none."""
    return [f"-tags={','.join(builds.tags)}"] if builds.tags else []


def _without(environ: Mapping[str, str], keep: tuple[str, ...]) -> dict[str, str]:
    return {
        key: value
        for key, value in environ.items()
        if key in keep or not (key.startswith(_DROPPED_WITH) or key in (*_DROPPED, *_REPOSITORY))
    }
