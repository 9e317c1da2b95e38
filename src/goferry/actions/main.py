"""The outer main of every action: outputs set, failures reported by name, and no traceback in a log."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from types import FrameType
from typing import Any, NoReturn, TextIO

from goferry.kernel.errors import Failed, GoferryError, Interrupted, Misuse
from goferry.runner.job import Job

ACTIONS = (
    "goferry",
    "setup-go",
    "inspect",
    "restore-caches",
    "save-caches",
    "sign-caches",
    "test",
    "cross-compile",
    "build-image",
    "sign",
    "verify",
    "release",
    "deploy",
    "rollback",
    "notify",
)


class ActionFailed(Failed):
    """An action of Goferry itself failed: this is a bug in it.

    Please report it with the log of a run that is repeated with debug logging.
    """

    name = "action-failed"


class RunnerUnsupported(Misuse):
    """The runner is a Windows machine, and Goferry needs POSIX file locks and permissions.

    Binaries for Windows can be built on Linux and macOS: only change the job's `runs-on`.
    """

    name = "runner-unsupported"


_ANYWHERE = frozenset({"notify"})


def run(name: str, environ: Mapping[str, str], out: TextIO) -> int:
    """Run one action and return its exit code; `environ` is the step's, commands and lines go to `out`."""
    job = Job.from_environ(environ, out, action=name)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        outputs = _load(name).run(job)
        for key, value in outputs.items():
            job.set_output(key, value)
        job.close()
    except GoferryError as error:
        return _failed(job, error)
    except KeyboardInterrupt as error:
        return job.fail(Interrupted.by(error, "run the job again to go on"))
    except Exception as error:  # noqa: BLE001  the last net: a defect must not look like a traceback
        if job.debug:
            traceback.print_exc(file=sys.stderr)
        return job.fail(
            ActionFailed(f"{type(error).__name__}: {error}", advice=["see where:  re-run with debug logging"])
        )
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _failed(job: Job, error: GoferryError) -> int:
    """Tell a failure; what it knows for later steps (`outcome` of a deploy that went back) are outputs all the same."""
    outputs = error.facts.get("outputs")
    for key, value in (outputs if isinstance(outputs, dict) else {}).items():
        job.set_output(key, value)
    return job.fail(error)


def _load(name: str) -> Any:
    if name not in ACTIONS:
        raise Misuse(f"there is no action {name!r}", advice=[f"one of  {', '.join(ACTIONS)}"])
    if os.name == "nt" and name not in _ANYWHERE:
        raise RunnerUnsupported(
            "this runner is a Windows machine",
            state="Nothing was started.",
            advice=["runs-on: ubuntu-latest", "binaries for Windows are built there too:  targets: windows/amd64"],
        )
    return importlib.import_module(f"goferry.actions.{name.replace('-', '_')}")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
