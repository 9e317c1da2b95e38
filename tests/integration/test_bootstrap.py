"""src/run.sh and src/start.py on runners of all kinds: they start the action, or say what to do, and leave nothing."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REAL = os.path.realpath(sys.executable)
TOOLS = ("bash", "dirname", "pwd", "env")


@pytest.fixture(scope="module")
def tool_cache(tmp_path_factory):
    """A tool cache that holds the packages already."""
    return tmp_path_factory.mktemp("tools")


@pytest.fixture
def source(tmp_path):
    """Goferry's source in a folder whose name has spaces."""
    folder = tmp_path / "a folder (with spaces)"
    for name in ("src", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def programs(folder, **scripts):
    """A PATH with the shell's own tools and these scripts, and nothing else."""
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    for name, text in scripts.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)
    return str(folder)


def wrapper(python=REAL):
    return f'#!{shutil.which("bash")}\nexec "{python}" "$@"\n'


def start(source, workspace, cache, *, path, action="none", **more):
    temp = workspace / ".temp"
    temp.mkdir(exist_ok=True)
    files = {name: temp / name for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")}
    for file in files.values():
        file.touch()
    kept = ("PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE", "GOPROXY", "HOME", "http_proxy", "https_proxy", "no_proxy")
    environ = {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **{f"GITHUB_{name}": str(file) for name, file in files.items()},
        "PATH": path, "GITHUB_WORKSPACE": str(workspace), "RUNNER_TOOL_CACHE": str(cache), "RUNNER_TEMP": str(temp),
        "GITHUB_REPOSITORY": "acme/hello", **more,
    }  # fmt: skip
    return subprocess.run(
        [shutil.which("bash"), source / "src" / "run.sh", action],
        env=environ, cwd=workspace, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def started(done):
    """The action's own code was reached: it says that there is no action of this name."""
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode == 2 and "::error title=misuse::there is no action 'none'" in done.stdout


def test_spaces_and_a_hostile_workspace(source, tmp_path, tool_cache):
    workspace = tmp_path / "work space"
    workspace.mkdir()
    for name in ("json.py", "sitecustomize.py", "usercustomize.py", "goferry.py", "click.py", "pip.py"):
        (workspace / name).write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')\nraise SystemExit('hostile')\n")
    startup = workspace / "json.py"
    done = start(
        source, workspace, tool_cache, path=programs(tmp_path / "bin", python3=wrapper()),
        PYTHONPATH=str(workspace), PYTHONSTARTUP=str(startup), PYTHONHOME="", PYTHONINSPECT="",
    )  # fmt: skip
    assert started(done)
    assert not (tmp_path / "pwned").exists()
    left = (workspace / ".temp" / "ENV").read_text()
    assert left.startswith("GOFERRY_PYTHON=")
    assert left.count("\n") == 1
    assert (workspace / ".temp" / "PATH").read_text() == ""
    assert (
        sorted(path.name for path in workspace.iterdir() if path.suffix == ".pyc" or path.name == "__pycache__") == []
    )


OLD = "#!{bash}\nexit 1\n"
STUB = "#!{bash}\nexit 9009\n"


@pytest.mark.parametrize("text", [OLD, STUB], ids=["too-old", "store-stub"])
def test_an_old_python_or_a_stub_is_passed_over(source, tmp_path, tool_cache, text):
    bad = text.format(bash=shutil.which("bash"))
    done = start(source, tmp_path, tool_cache, path=programs(tmp_path / "bin", python3=bad, python=wrapper()))
    assert started(done)


def test_the_runners_tool_cache_has_one(source, tmp_path, tool_cache):
    cache = tmp_path / "cache"
    place = cache / "Python" / "3.13.1" / "x64" / "bin"
    place.mkdir(parents=True)
    (place / "python3").write_text(wrapper())
    (place / "python3").chmod(0o755)
    (cache / "goferry").symlink_to(tool_cache / "goferry") if (tool_cache / "goferry").exists() else None
    assert started(start(source, tmp_path, cache, path=programs(tmp_path / "bin")))


@pytest.mark.parametrize("scripts", [{}, {"python3": OLD, "python": STUB}], ids=["none", "unfit"])
def test_without_python_the_annotation_names_the_cure(source, tmp_path, scripts):
    bash = shutil.which("bash")
    path = programs(tmp_path / "bin", **{name: text.format(bash=bash) for name, text in scripts.items()})
    done = start(source, tmp_path, tmp_path / "cache", path=path)
    assert done.returncode == 2
    assert done.stdout.startswith("::error title=python-missing::")
    assert "actions/setup-python" in done.stdout
    assert "apt-get install" in done.stdout
    assert done.stdout.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def test_two_jobs_share_an_empty_tool_cache(source, tmp_path):
    cache = tmp_path / "shared"
    runs = []
    for number in (1, 2):
        workspace = tmp_path / f"job-{number}"
        workspace.mkdir()
        temp = workspace / "t"
        temp.mkdir()
        environ = {**os.environ, "RUNNER_TOOL_CACHE": str(cache), "RUNNER_TEMP": str(temp)}
        runs.append(
            subprocess.Popen(
                [REAL, "-I", "-S", source / "src" / "start.py", "--install", "core"],
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    assert [run.wait(200) for run in runs] == [0, 0], [run.stdout.read() for run in runs]
    for run in runs:
        run.stdout.close()
    (folder,) = (cache / "goferry" / "packages").iterdir()
    assert folder.name.startswith("core-")
    assert (folder / "yaml").is_dir()


def test_an_index_that_does_not_answer_is_named_and_nothing_is_left(source, tmp_path):
    cache = tmp_path / "cache"
    environ = {
        **os.environ,
        "RUNNER_TOOL_CACHE": str(cache),
        "PIP_INDEX_URL": "http://127.0.0.1:9/none",
        "PIP_RETRIES": "0",
    }
    environ.pop("GOFERRY_CACHE", None)
    environ |= {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "xdg"), "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        [REAL, "-I", "-S", source / "src" / "start.py", "--install", "core"],
        env=environ, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout.startswith("::error title=packages-missing::")
    assert "pip config list" in done.stdout
    assert list((cache / "goferry" / "packages").iterdir()) == []


def test_a_tool_cache_that_cannot_be_written_is_passed_over(source, tmp_path):
    cache = tmp_path / "file"
    cache.write_text("no folder")
    environ = {**os.environ, "RUNNER_TOOL_CACHE": str(cache), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    environ.pop("GOFERRY_CACHE", None)
    done = subprocess.run(
        [REAL, "-I", "-S", source / "src" / "start.py", "--install", "core"],
        env=environ, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert len(list((tmp_path / "xdg" / "goferry" / "packages").iterdir())) == 1


def test_without_pip_its_bundled_wheel_is_taken_and_without_that_the_cure_is_named(source, tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import start\n"
        "start.subprocess.run = lambda *a, **k: type('D', (), {'returncode': 1})()\n"
        "print(start.pip()[-1]); start.bundled = lambda: iter(())\n"
        "try: start.pip()\n"
        "except start.NotStarted as error: print(error.name, error.advice[0])\n"
    )
    done = subprocess.run([REAL, "-I", "-c", code, source / "src"], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.endswith(".whl/pip")
    assert second == "pip-missing install it:  apt-get install python3-pip"


def test_the_scripts_are_executable():
    for name in ("run.sh", "container.sh"):
        assert (ROOT / "src" / name).stat().st_mode & stat.S_IXUSR
