"""The example services as a user's repository: tidy, vetted, tested, and small."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1_000_000
PLATFORMS = ["linux/amd64"]
if os.environ.get("GOFERRY_TEST_FULL"):
    PLATFORMS += ["linux/arm64", "darwin/arm64", "windows/amd64"]  # a minute each while nothing is cached


def go(part, directory, *arguments, **environ):
    """Run the go command as the build does, on whatever Go of 1.26 or later is there."""
    return subprocess.run(
        [part("go"), *arguments],
        cwd=directory,
        env=os.environ | {"CGO_ENABLED": "0"} | environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("example", ["shop", "plain"])
@pytest.mark.parametrize(
    "arguments", [("mod", "tidy", "-diff"), ("mod", "verify"), ("vet", "./..."), ("test", "./...")]
)
def test_the_module_is_whole(part, example, arguments):
    done = go(part, ROOT / "examples" / example, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", ["shop", "plain"])
def test_the_source_is_formatted(part, example):
    done = subprocess.run(
        [part("gofmt"), "-l", str(ROOT / "examples" / example)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_hand_over_package_needs_the_standard_library_alone(part):
    done = go(
        part, ROOT / "examples" / "shop", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./ferry"
    )
    assert done.stdout.split() == ["example.com/shop/ferry"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_it_compiles_for_every_platform_of_the_demo(part, tmp_path, platform):
    goos, goarch = platform.split("/")
    arguments = ("build", "-trimpath", "-ldflags", "-s -w", "-o", f"{tmp_path}/", "./cmd/...")
    done = go(part, ROOT / "examples" / "shop", *arguments, GOOS=goos, GOARCH=goarch)
    assert done.returncode == 0, done.stderr
    sizes = {path.stem: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"shop", "shop-server"}
    assert sizes["shop-server"] < 9.7 * MEGABYTE  # with certificates the image stays below 10 MB
