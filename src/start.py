"""Starts an action: puts the locked packages that it needs on the path, once a machine, and calls it in this process.

    python -I -S src/start.py ACTION | --install GROUP...

No virtual environment is made. Each group of requirements/ is installed by the pip that is there into a folder of the
runner's tool cache whose name carries the lock's digest, beside which it is built and then renamed, so that jobs which
share the cache never see half of one. The standard library alone is used here, and nothing of the workspace.
"""

from __future__ import annotations

import hashlib
import os
import shutil
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
    "goferry": ("release", "github"),
    "notify": ("github",),
}
"""What an action needs besides `core`."""
SOURCE = os.path.dirname(os.path.abspath(__file__))
LOCKS = os.path.join(os.path.dirname(SOURCE), "requirements")
WHEELS = os.path.join(LOCKS, "wheels")
"""The locked packages as files, where somebody put them there for an installation without a network."""


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
        paths = [packages(group, os.environ) for group in groups]
    except NotStarted as error:
        text = "\n".join([error.what, "Nothing was started.", *error.advice])
        sys.stdout.write("::error title=%s::%s\n" % (error.name, _escape(text)))
        return 2
    if installing:
        return 0
    sys.path[:0] = [SOURCE, *paths]
    remember(os.environ)
    from goferry.actions.main import run

    return run(action, os.environ, sys.stdout)


def remember(environ: Mapping[str, str]) -> None:
    """Tell the job's later steps which interpreter was found."""
    if not environ.get("GOFERRY_PYTHON") and environ.get("GITHUB_ENV") and "\n" not in sys.executable:
        with open(environ["GITHUB_ENV"], "a", encoding="utf-8") as file:
            file.write("GOFERRY_PYTHON=%s\n" % sys.executable)


def packages(group: str, environ: Mapping[str, str]) -> str:
    """Return the folder with a group's packages, installed now when it is not there."""
    lock = os.path.join(LOCKS, group + ".txt")
    with open(lock, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    name = "%s-%d%d-%s-%s" % (group, sys.version_info[0], sys.version_info[1], _platform(), digest)
    places = list(caches(environ))
    for place in places:
        if os.path.isdir(os.path.join(place, name)):
            return os.path.join(place, name)
    for place in places:
        try:
            os.makedirs(place, exist_ok=True)
            building = tempfile.mkdtemp(prefix="." + name + "-", dir=place)
        except OSError:
            continue
        try:
            return install(lock, building, os.path.join(place, name))
        finally:
            shutil.rmtree(building, ignore_errors=True)
    raise NotStarted(
        "cache-unwritable",
        "No folder for Goferry's packages can be written: %s" % ", ".join(places),
        ["set RUNNER_TOOL_CACHE or GOFERRY_CACHE to one that can"],
    )


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


def install(lock: str, building: str, place: str) -> str:
    """Install a lock into `building` and rename it to `place`; another job may have been quicker."""
    options = ["install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--no-deps"]
    options += ["--only-binary", ":all:", "--no-compile", "--target", building, "-r", lock]
    if os.path.isdir(WHEELS):
        options += ["--no-index", "--find-links", WHEELS]
    done = subprocess.run(
        [*pip(), *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()[-5:]
        raise NotStarted(
            "packages-missing",
            "pip could not install Goferry's locked packages:\n" + "\n".join(said),
            ["check the runner's network and pip's own settings:  pip config list"],
        )
    try:
        os.rename(building, place)
    except OSError:
        if not os.path.isdir(place):
            raise
    return place


def pip() -> list[str]:
    """Return the command of the pip that is there: this interpreter's, or the one that it could install."""
    probe = [sys.executable, "-I", "-c", "import pip"]
    if not subprocess.run(probe, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        return [sys.executable, "-I", "-m", "pip"]
    for wheel in bundled():
        return [sys.executable, "-I", os.path.join(wheel, "pip")]
    raise NotStarted(
        "pip-missing",
        "%s has neither pip nor ensurepip, so Goferry's locked packages can't be installed." % sys.executable,
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
    return "%s%s-%s" % (sys.platform, libc, machine.lower())


def _glibc() -> bool:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") is not None
    except (AttributeError, OSError, ValueError):
        return False


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


if __name__ == "__main__":
    sys.exit(main())
