"""Starts an action: puts the locked packages that it needs on the path, once a machine, and calls it in this process.

    python -I -S src/start.py ACTION | --install GROUP...

No virtual environment is made. Each group of requirements/ is installed by the pip that is there into a folder of the
runner's tool cache whose name carries the lock's digest, beside which it is built and then renamed, so that jobs which
share the cache never see half of one. A folder counts when all of its files are there and nobody but this user, root
and the runner's own user could have written them: what lies there runs beside the job's secrets. The standard library
alone is used here, and nothing of the workspace.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence

GROUPS = {
    "sign": ("release",),
    "verify": ("release", "github"),
    "release": ("release", "github"),
    "deploy": ("release", "github"),
    "rollback": ("release",),
    "restore-caches": ("caches",),
    "save-caches": ("caches",),
    "sign-caches": ("caches", "release"),
    "goferry": ("release", "github"),
}
"""What an action needs besides `core`."""
SOURCE = os.path.dirname(os.path.abspath(__file__))
LOCKS = os.path.join(os.path.dirname(SOURCE), "requirements")
WHEELS = os.path.join(LOCKS, "wheels")
"""The locked packages as files, where somebody put them there for an installation without a network."""

LIST = ".goferry-files"
"""In each folder: size and path of every file that was installed, a line each."""

CONTRARY = frozenset(
    "PIP_" + name
    for name in ("TARGET", "PREFIX", "ROOT", "CONSTRAINT", "REQUIREMENT", "DRY_RUN", "EDITABLE", "NO_DEPS", "PYTHON")
)
"""Settings of pip that would install something else, or elsewhere."""


class NotStarted(Exception):
    """The action could not be started: a name, what happened, and what to type."""

    def __init__(self, name: str, what: str, advice: Sequence[str]) -> None:
        super().__init__(what)
        self.name, self.what, self.advice = name, what, advice


def main() -> int:
    """Run the action that is named on the command line; with --install only install the groups named after it."""
    action = sys.argv[1] if len(sys.argv) > 1 else ""
    installing = action == "--install"
    try:
        groups = sys.argv[2:] if installing else ("core", *GROUPS.get(action, ()))
        paths = packages(groups, os.environ)
    except NotStarted as error:
        text = "\n".join([error.what, "Nothing was started.", *error.advice])
        sys.stdout.write(f"::error title={error.name}::{_escape(text)}\n")
        return 2
    if installing:
        return 0
    sys.path[:0] = [SOURCE, *paths]
    remember(os.environ)
    from goferry.actions.main import run
    from goferry.system import _undumpable as undumpable

    undumpable.hide()  # the environment holds the step's secrets
    return run(action, os.environ, sys.stdout)


def remember(environ: Mapping[str, str]) -> None:
    """Tell the job's later steps which interpreter was found."""
    if not environ.get("GOFERRY_PYTHON") and environ.get("GITHUB_ENV") and "\n" not in sys.executable:
        with open(environ["GITHUB_ENV"], "a", encoding="utf-8") as file:
            file.write(f"GOFERRY_PYTHON={sys.executable}\n")


def packages(groups: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return the folders with the groups' packages; those that are not there are installed now, at the same time."""
    places, owners = list(caches(environ)), trusted(environ)
    names = [folder_name(group) for group in groups]
    paths = [
        next((path for place in places if usable(path := os.path.join(place, name), owners)), "") for name in names
    ]
    if all(paths):
        return paths
    missing = [number for number, path in enumerate(paths) if not path]
    place = writable(places, [names[number] for number in missing], owners)
    for number in missing:
        paths[number] = os.path.join(place, names[number])
    install([(os.path.join(LOCKS, groups[number] + ".txt"), paths[number]) for number in missing], environ)
    return paths


def trusted(environ: Mapping[str, str]) -> frozenset[int]:
    """Return the users whose packages may run here: root, this one, and the runner's, whom this job serves anyway."""
    if not hasattr(os, "geteuid"):
        return frozenset({0})  # Windows tells no owner but 0
    owners = {0, os.geteuid()}
    with contextlib.suppress(KeyError, OSError):
        owners.add(os.stat(environ["RUNNER_TEMP"]).st_uid)
    return frozenset(owners)


def usable(path: str, owners: frozenset[int]) -> bool:
    """Whether a folder holds all that was installed there, which no user but `owners` could have written."""
    try:
        with open(os.path.join(path, LIST), encoding="utf-8") as file:
            lines = file.read().splitlines()
        for line in lines:
            size, _, name = line.partition(" ")
            found = os.lstat(os.path.join(path, name))
            if found.st_size != int(size) or not (stat.S_ISREG(found.st_mode) and _theirs(found, owners)):
                return False
        return bool(lines) and _theirs(os.stat(path), owners)
    except (OSError, ValueError):
        return False


def _theirs(found: os.stat_result, owners: frozenset[int]) -> bool:
    return found.st_uid in owners and (os.name != "posix" or not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def folder_name(group: str) -> str:
    """Return what names a group's packages: the lock's content, the interpreter's ABI and the machine."""
    with open(os.path.join(LOCKS, group + ".txt"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    abi = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
    return f"{group}-{abi}-{_platform()}-{digest}"


def writable(places: Sequence[str], names: Sequence[str], owners: frozenset[int]) -> str:
    """Return the first of the folders in which `names` can be made; what is left of them there makes room.

    Raises:
        NotStarted: there is none.
    """
    for place in places:
        try:
            os.makedirs(place, exist_ok=True)
            aside = tempfile.mkdtemp(prefix=".try-", dir=place)
            try:
                for name in names:
                    _make_room(os.path.join(place, name), os.path.join(aside, name), owners)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except OSError:
            continue
        return place
    raise NotStarted(
        "cache-unwritable",
        f"No folder for Goferry's packages can be written: {', '.join(places) or 'none is named'}",
        ["set RUNNER_TOOL_CACHE or GOFERRY_CACHE to one that can"],
    )


def _make_room(path: str, aside: str, owners: frozenset[int]) -> None:
    """Move away a folder that lost files; another user's stays, and so ours can't be here."""
    if not os.path.lexists(path) or usable(path, owners):
        return
    if os.lstat(path).st_uid not in owners:
        raise PermissionError(f"{path} is another user's")
    os.rename(path, aside)


def caches(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders in which packages may lie, the best first."""
    if environ.get("GOFERRY_PACKAGES"):
        yield environ["GOFERRY_PACKAGES"]
    if environ.get("RUNNER_TOOL_CACHE"):
        yield os.path.join(environ["RUNNER_TOOL_CACHE"], "goferry", "packages")
    if environ.get("GOFERRY_CACHE"):
        yield os.path.join(environ["GOFERRY_CACHE"], "packages")
    elif environ.get("XDG_CACHE_HOME") or environ.get("HOME"):
        base = environ.get("XDG_CACHE_HOME") or os.path.join(environ["HOME"], ".cache")
        yield os.path.join(base, "goferry", "packages")
    if environ.get("RUNNER_TEMP"):
        yield os.path.join(environ["RUNNER_TEMP"], "goferry", "packages")


def install(wanted: Sequence[tuple[str, str]], environ: Mapping[str, str]) -> None:
    """Install each (lock, folder): beside the folder, then renamed; another job may have been quicker.

    Raises:
        NotStarted: there is no pip, or it failed.
    """
    command, started, failed = pip(), [], ""
    try:
        for lock, path in wanted:
            building = tempfile.mkdtemp(prefix="." + os.path.basename(path) + "-", dir=os.path.dirname(path))
            running = subprocess.Popen(
                [*command, *options(lock, building)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=for_pip(environ),
                umask=0o022,  # readable for whoever shares the tool cache, and writable for nobody else
            )
            started.append((running, building, path))
        for running, building, path in started:
            said = running.communicate()[0].decode("utf-8", "replace")
            if running.returncode:
                failed = failed or "\n".join(said.strip().splitlines()[-5:])
            else:
                settle(building, path, trusted(environ))
    finally:
        for running, building, _ in started:
            if running.poll() is None:
                running.terminate()
                running.wait()
            if running.stdout:
                running.stdout.close()
            shutil.rmtree(building, ignore_errors=True)
    if failed:
        raise NotStarted(
            "packages-missing",
            "pip could not install Goferry's locked packages:\n" + failed,
            ["check the runner's network and pip's own settings:  python3 -m pip config list"],
        )


def options(lock: str, building: str) -> list[str]:
    """Return pip's words: the lock by its hashes; no code of a package runs, and nothing is compiled before its use."""
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-input", "--root-user-action", "ignore"]
    words += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile", "--progress-bar", "off"]
    if os.path.isdir(WHEELS):
        words += ["--no-index", "--find-links", WHEELS]
    return [*words, "--target", building, "-r", lock]


def for_pip(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with pip's index settings, less what would change the place, and less the step's own."""
    kept = {
        name: value
        for name, value in environ.items()
        if name.upper() not in CONTRARY and not name.startswith(("INPUT_", "GOFERRY_", "GITHUB_", "ACTIONS_"))
    }
    return {**kept, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}


def settle(building: str, path: str, owners: frozenset[int]) -> None:
    """List a finished folder's files and give it its name, readable for whoever shares the tool cache."""
    lines = []
    for folder, _, names in os.walk(building):
        for name in names:
            file = os.path.join(folder, name)
            lines.append(f"{os.lstat(file).st_size} {os.path.relpath(file, building)}\n")
    with open(os.path.join(building, LIST), "w", encoding="utf-8") as listed:
        listed.writelines(sorted(lines))
    os.chmod(os.path.join(building, LIST), 0o644)
    os.chmod(building, 0o755)  # noqa: S103  packages are not secret, and other users' jobs look in the same cache
    try:
        os.rename(building, path)
    except OSError:
        if not usable(path, owners):
            raise


def pip() -> list[str]:
    """Return the command of the pip that is there: this interpreter's, or the one that it could install.

    Raises:
        NotStarted: there is none.
    """
    probe = [sys.executable, "-I", "-c", "import importlib.util, sys; sys.exit(not importlib.util.find_spec('pip'))"]
    if not subprocess.run(probe, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        return [sys.executable, "-I", "-m", "pip"]
    for wheel in bundled():
        return [sys.executable, "-I", os.path.join(wheel, "pip")]
    raise NotStarted(
        "pip-missing",
        f"{sys.executable} has neither pip nor ensurepip, so Goferry's locked packages can't be installed.",
        ["install it:  apt-get install python3-pip", "or use actions/setup-python before this step"],
    )


def bundled() -> Iterator[str]:
    """Yield pip's wheels that came with Python or with Debian."""
    for folder in (
        os.path.join(os.path.dirname(os.__file__), "ensurepip", "_bundled"),
        os.path.join(os.sep, "usr", "share", "python-wheels"),
    ):
        if os.path.isdir(folder):
            for name in sorted(os.listdir(folder), reverse=True):
                if name.startswith("pip-") and name.endswith(".whl"):
                    yield os.path.join(folder, name)


def _platform() -> str:
    machine = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "unknown")
    libc = "" if not sys.platform.startswith("linux") or os.path.exists("/lib/ld-linux.so.2") or _glibc() else "-musl"
    return f"{sys.platform}{libc}-{machine.lower()}"


def _glibc() -> bool:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") is not None
    except (AttributeError, OSError, ValueError):
        return False


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


if __name__ == "__main__":
    sys.exit(main())
