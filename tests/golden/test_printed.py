"""What commands print with `--json`, byte for byte, from what their stages made.

`GOFERRY_WRITE_GOLDEN=1` writes the expected text again; look at the difference before you commit it.
"""

import os
from pathlib import Path

import msgspec
from facts import SHOP

from goferry.artifacts import Artifact, Compiled, Ledger, LedgerPack, Toolchain, Uncommitted
from goferry.cli.output import Output
from goferry.config import model
from goferry.gobuild.facts import Facts
from goferry.gobuild.mains import MainPackage
from goferry.gobuild.targets import BuildTarget
from goferry.pipeline import build, inspection, up
from goferry.pipeline.project import OpenProject

FOLDER = Path(__file__).parent / "json"
EVIDENCE = {"module": "golang.org/toolchain", "h1": "h1:x", "tree": 7, "root": "r", "log": "sum"}
TOOLCHAIN = Toolchain("1.27.3", Path("/go"), "module", "checksum-database", EVIDENCE)
LEDGER = Ledger(
    "shop", "v1.2.3", module="example.com/team/shop", commit="3f" * 20, date="2026-11-23T04:03:22Z",
    toolchain=TOOLCHAIN.as_record(), services={"web": {"binary": "api"}, "api": {"binary": "api"}}, shards=["1/2"],
    uncommitted=(Uncommitted("gen/x.go", "ab" * 32),),
    compiled=(Compiled("go1.27.3-linux-amd64", "packs", (LedgerPack("deps", "cd" * 32, signed=True),)),),
    artifacts={
        "api_linux_amd64": Artifact("api_linux_amd64", "shop", "binary", 7_900_000, "ef" * 32, "linux", "amd64", meta={"main": "./cmd/api"}),
        "shop_sbom.json": Artifact("shop_sbom.json", "shop", "sbom", 4_000, "01" * 32),
    },
)  # fmt: skip


def golden(name, record, capsys):
    """Compare what `--json` prints of a record with the text on record."""
    Output(json=True).result(msgspec.to_builtins(record))
    made, path = capsys.readouterr().out, FOLDER / f"{name}.json"
    if os.environ.get("GOFERRY_WRITE_GOLDEN"):
        path.write_text(made)
    assert made == path.read_text()


def opened(folder):
    """Return a project of two programs and a service that goferry.yml names; its sources are not there."""
    targets = (BuildTarget("linux", "amd64"), BuildTarget("darwin", "arm64"))
    names = tuple(str(target) for target in targets)
    mains = (
        MainPackage(
            "./cmd/api", "example.com/team/shop/cmd/api", "api", names, ("version",), (("example.com/x.Y", "z"),)
        ),
        MainPackage("./cmd/cli", "example.com/team/shop/cmd/cli", "cli", names[:1]),
    )
    facts = Facts(
        **{**SHOP, "directory": folder, "root": folder, "targets": targets, "mains": mains, "hints": ("a hint",)}
    )
    services = {"services": {"web": {"main": "./cmd/api", "listen": {"env": "ADDR"}}}}
    config = msgspec.convert(services, model.Project)
    return OpenProject(config, folder / "goferry.yml", "shop", folder, folder, TOOLCHAIN, facts)


def test_build_and_merge(capsys):
    golden("build", build.record(LEDGER, Path("/src/shop/dist")), capsys)


def test_inspect(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = inspection.Beside({"gen/x.go": "ab" * 32, "a.go": "cd" * 32}, ("it can't be told",))
    golden("inspect", inspection.record(opened(Path()), found), capsys)


RESULT = up.UpResult(
    project="shop", version="v1.2.3", dist="/src/shop/dist", made=("modules", "build"), unchanged=False, no_image="",
    tests=up.Tests(12, 3, 1), keys="throw-away", trust="/keys/goferry.trust", seconds=1.5,
    deploy={"project": "shop", "version": "v1.2.3", "unchanged": False, "hosts": {"local": {"gap_ms": {}}}},
)  # fmt: skip


def test_up(capsys):
    golden("up", RESULT, capsys)
    golden("up-built-alone", msgspec.structs.replace(RESULT, tests=None, deploy=None, no_image="no"), capsys)
