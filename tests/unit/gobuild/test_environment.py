"""What of the caller's environment reaches the go command and the C compiler behind it."""

import json
import stat

import pytest

from goferry.artifacts import Toolchain
from goferry.gobuild import environment

FOREIGN = (
    *(
        "GOFLAGS",
        "GOEXPERIMENT",
        "GOFIPS140",
        "GODEBUG",
        "GOAMD64",
        "GOARM64",
        "GOOS",
        "GOROOT",
        "GOWORK",
        "GO111MODULE",
    ),
    *("CGO_CFLAGS", "CGO_LDFLAGS", "CGO_ENABLED", "CC", "CXX", "AR", "GCCGO"),
    *(
        "CPATH",
        "C_INCLUDE_PATH",
        "CPLUS_INCLUDE_PATH",
        "LIBRARY_PATH",
        "COMPILER_PATH",
        "GCC_EXEC_PREFIX",
        "LD_RUN_PATH",
    ),
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_REPLACE_REF_BASE", "GIT_GRAFT_FILE"),
    *("PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR", "SOURCE_DATE_EPOCH"),
)
OWN = ("HOME", "LANG", "HTTPS_PROXY", "LD_LIBRARY_PATH", "SSH_AUTH_SOCK", "TMPDIR", "GIT_SSH_COMMAND")


@pytest.fixture
def toolchain(tmp_path):
    """Return a go that answers `go env` and nothing else."""
    go = tmp_path / "go" / "bin" / "go"
    go.parent.mkdir(parents=True)
    go.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps({'GOPROXY': 'off', 'GOCACHE': '/c'})}\nEND\n")
    go.chmod(go.stat().st_mode | stat.S_IXUSR)
    return Toolchain("1.27.3", tmp_path / "go", "machine", "unproven")


def test_what_may_change_a_program_s_bytes_comes_from_goferry_yml_alone(toolchain, tmp_path):
    caller = {name: f"of the caller: {name}" for name in (*FOREIGN, *OWN)}
    clean = environment.clean({**caller, "PATH": "/usr/bin:/bin"}, toolchain, tmp_path)
    assert {name for name, value in clean.items() if value.startswith("of the caller")} == set(OWN)
    assert clean["GOFLAGS"] == "-buildvcs=false"
    assert (clean["GOENV"], clean["GOTOOLCHAIN"], clean["GOPROXY"]) == ("off", "local", "off")
