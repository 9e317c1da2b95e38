"""Runs on a host as root, with its Python alone: says which variables a service is given there, or changes them.

It is sent over ssh with a JSON request behind it (`_variables_request_on_host`), and prints one JSON object with names
and never values. The file changes as a whole or not at all; what it holds besides stays.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Callable

from goferry.deploy.provision._variables_request_on_host import AMBIGUOUS, INVALID, NOT_PROVISIONED, VariablesRequest
from goferry.deploy.provision.changes_on_host import ChangeFailure, beside, gone, sync, text, write
from goferry.deploy.provision.on_host import LOCK, alone
from goferry.kernel.envfile import EnvFileError, checked, edited
from goferry.kernel.fields import Fields

Answer = dict[str, object]
HOST_FILE, FOLDER = "/etc/goferry/host.json", "/etc/goferry/env"


class EnvironmentRefusal(Exception):
    """The request can't be done; `name` is that of the error."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(what)
        self.name = name


def listed(request: VariablesRequest) -> Answer:
    """Return the names in the file, `{"names": [name]}`."""
    return {"names": [*checked(load(place(request)))]}


def check(request: VariablesRequest) -> Answer:
    """Return what a change would change, `{"changed": [name]}`."""
    return {"changed": differing(load(place(request)), request)}


def change(request: VariablesRequest) -> Answer:
    """Change the file; return what changed, `{"changed": [name]}`."""
    with alone(LOCK, "a provision"):
        path = place(request)
        data = load(path)
        changed = differing(data, request)
        if changed:
            replace(path, edited(data, request.values, request.removed))
    return {"changed": changed}


def place(request: VariablesRequest) -> str:
    """Return the path of the service's file, a link followed.

    Raises:
        EnvironmentRefusal: the host was not provisioned for the service, or for one of that name in several projects.
    """
    try:
        projects = Fields(json.loads(text(HOST_FILE) or "{}"), HOST_FILE).mapping("projects", {})
        having = [
            name for name, entry in projects.items() if request.service in Fields(entry, name).mapping("services")
        ]
    except (ValueError, TypeError) as error:
        raise EnvironmentRefusal(NOT_PROVISIONED, f"{HOST_FILE} can't be read: {error}") from None
    found = [name for name in having if request.project in ("", name)]
    if not found:
        whose = f"{request.project}/{request.service}" if request.project else request.service
        raise EnvironmentRefusal(NOT_PROVISIONED, f"{whose}: this host was not provisioned for it")
    if len(found) > 1:
        what = f"several projects have a service {request.service}: {', '.join(sorted(found))}"
        raise EnvironmentRefusal(AMBIGUOUS, what)
    return os.path.realpath(os.path.join(FOLDER, f"{found[0]}-{request.service}"))


def load(path: str) -> bytes:
    """Return the file's bytes, nothing where there is none.

    Raises:
        EnvironmentRefusal: systemd does not read it as it looks; with the line.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
        checked(data)
    except FileNotFoundError:
        return b""
    except EnvFileError as error:
        raise EnvironmentRefusal(INVALID, f"{path}: {error}") from None
    return data


def differing(data: bytes, request: VariablesRequest) -> list[str]:
    """Return the names of what would get another value, or go."""
    before = checked(data)
    changed = {name for name, value in request.values.items() if before.get(name) != value}
    return sorted(changed | {name for name in request.removed if name in before})


def replace(path: str, data: bytes) -> None:
    """Write the file beside its place, root's alone, and rename it into it."""
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    new = beside(path)
    try:
        write(new, data, 0o600, (os.geteuid(), os.getegid()))
        os.rename(new, path)
    except OSError:
        gone(new)
        raise
    sync(os.path.dirname(path))


def main() -> None:
    """Answer the one request."""
    request = VariablesRequest.of(json.loads(sys.stdin.buffer.read().decode()))
    # A connection that is cut must not stop a change between its steps.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        answer: Answer = DOES[request.do](request)
    except EnvironmentRefusal as error:
        answer = {"error": str(error), "name": error.name}
    except ChangeFailure as error:
        answer = {"error": str(error)}
    except OSError as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(answer) + "\n")


DOES: dict[str, Callable[[VariablesRequest], Answer]] = {"list": listed, "check": check, "change": change}
