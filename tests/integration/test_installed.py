"""Goferry installed as a user installs a tool, into an empty environment: what it needs comes with it."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pages import script
from sampling import sample

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
INDEX = re.compile(r"(?i)(.*_proxy|PIP_.*|UV_.*|SSL_CERT_.*|.*_CA_BUNDLE|GOPROXY|GOSUMDB|GONOSUMDB|TMPDIR)")
"""What a machine says about its package indexes and certificates; nothing else of the environment is kept."""

INSTALL = {
    "pip": [
        [sys._base_executable, "-m", "venv", "{base}/venv"],
        ["{base}/venv/bin/python", "-m", "pip", "--quiet", "install", "{what}"],
    ],
    "pipx": [[TOOLS / "pipx", "install", "--python", sys._base_executable, "{what}"]],
    "uv tool": [[TOOLS / "uv", "tool", "install", "--quiet", "--python", sys._base_executable, "{what}"]],
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that the checkout makes."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(words, check=True, capture_output=True)
    return next(folder.glob("goferry-*.whl"))


@pytest.fixture
def user(tmp_path):
    """A folder of a user who has nothing yet, and their environment."""
    (tmp_path / "work").mkdir()
    (tmp_path / "home").mkdir()
    cache = ROOT / ".demo" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    environ = {name: value for name, value in os.environ.items() if INDEX.fullmatch(name)} | {
        "HOME": str(tmp_path / "home"), "PIPX_HOME": f"{tmp_path}/pipx", "PIPX_BIN_DIR": f"{tmp_path}/bin",
        "UV_TOOL_DIR": f"{tmp_path}/tools", "UV_TOOL_BIN_DIR": f"{tmp_path}/bin", "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(cache / "uv"), "PIP_CACHE_DIR": str(cache / "pip"),
        "PATH": f"{tmp_path}/bin:{tmp_path}/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "GOFERRY_CACHE": str(cache), "GOCACHE": str(cache / "go-build"), "GOMODCACHE": str(cache / "go-mod"),
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
    }  # fmt: skip
    return tmp_path, environ


def run(words, user, **more):
    folder, environ = user
    done = subprocess.run(
        [str(word) for word in words], cwd=folder / "work", env=environ, capture_output=True, text=True, check=False,
        timeout=400, **more,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.parametrize("way", sample(sorted(INSTALL)))
def test_the_first_steps_of_the_tutorial_work_with_the_wheel(way, wheel, user):
    folder, _ = user
    for words in INSTALL[way]:
        run([str(word).format(base=folder, what=wheel) for word in words], user)
    page = (ROOT / "docs" / "tutorial.md").read_text()
    first = page[: page.index("\n## 4.")]
    assert "goferry up --target local" in first
    try:
        run(["bash", "-xc", f"{script(first)}\ngoferry rollback --help\ngoferry release --help"], user)
    finally:
        run(["goferry", "down", "--target", "local", "--root", folder / "work" / "services"], user)


@pytest.mark.parametrize("way", sample([*INSTALL, "uvx"]))
def test_a_checkout_installs_as_well(way, user):
    folder, environ = user
    if way == "uvx":
        uvx = [TOOLS / "uvx", "--quiet", "--python", sys._base_executable, "--from", ROOT, "goferry"]
    else:
        for words in INSTALL[way]:
            run([str(word).format(base=folder, what=ROOT) for word in words], user)
        uvx = [shutil.which("goferry", path=environ["PATH"])]
    assert run([*uvx, "--version"], user).startswith("goferry ")
    assert "shop-server" in run([*uvx, "inspect", "--dir", ROOT / "examples" / "shop"], user)
    assert not {*ROOT.glob("build"), *ROOT.glob("*.egg-info"), *(ROOT / "src").glob("*.egg-info")}


def test_a_type_checker_is_told_that_the_wheel_has_types(wheel):
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("goferry/py.typed") == b""


def test_every_module_of_the_wheel_is_importable_with_what_comes_with_it(wheel, user):
    folder, _ = user
    for words in INSTALL["pip"]:
        run([str(word).format(base=folder, what=wheel) for word in words], user)
    program = (
        "import importlib, pkgutil, goferry\n"
        "for each in pkgutil.walk_packages(goferry.__path__, 'goferry.'):\n"
        "    if not each.name.endswith('__main__'): importlib.import_module(each.name)\n"
    )
    run([folder / "venv" / "bin" / "python", "-I", "-c", program], user)
