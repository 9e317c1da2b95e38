"""One supervisord a target: its configuration, its life, and its XML-RPC over a unix socket.

Every path in the configuration is relative to `.goferry`, where supervisord runs, so no folder name needs quoting. The
package is the interpreter's that runs this; it is started as a program and never imported.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from goferry.host import processes, shim
from goferry.host.control import UnixConnection
from goferry.host.processes import Process
from goferry.kernel.files import link_atomically, write_atomically
from goferry.kernel.outcomes import GuardFailed

if TYPE_CHECKING:
    from goferry.host.target import HostTarget

BACKLOG = 4096
SOCKET = "supervisor.sock"
FOLDER = 200
"""The descriptor through which supervisord names its socket's folder when the folder's own name is too long."""
ROOM = 4 << 20
"""Bytes that supervisord may answer."""
SECONDS, LIMITS = 10.0, {"getProcessInfo": 2.0, "getPID": 2.0, "stopProcess": 2.0}
"""Seconds that it may take; a question that is asked again and again may take less than an order."""
STARTS_WITHIN = 15.0
"""Seconds from its start until supervisord answers."""
NOT_RUNNING, ALREADY_ADDED, BAD_NAME, STILL_RUNNING = 70, 90, 10, 91


class Group(NamedTuple):
    """The processes of a service that have one configuration.

    Attributes:
        folder: the service's, relative to the root. port: of the socket that they share, or 0.
    """

    name: str
    folder: str
    port: int
    drain_ms: int


class Info(NamedTuple):
    """A slot's process as supervisord sees it; the defaults are of one that it does not know.

    Attributes:
        state: its `statename`. status: its `exitstatus`, negative after a signal.
    """

    pid: int = 0
    state: str = "gone"
    status: int = 0


def render(groups: Sequence[Group], socket: str) -> str:
    """Return supervisord.conf; pure."""
    lines = [
        "[unix_http_server]",
        f"file={socket}",
        "chmod=0600",
        "[supervisord]",
        # A daemon would go on under another pid than the one that is noted.
        "nodaemon=true",
        "silent=true",
        "logfile=supervisord.log",
        "logfile_maxbytes=1MB",
        "logfile_backups=1",
        "pidfile=supervisord.pid",
        "umask=027",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for group in sorted(groups):
        lines += _section(group)
    return "\n".join(lines) + "\n"


def _section(group: Group) -> list[str]:
    if group.port:
        # supervisord opens such a group's socket itself and keeps it while processes come and go.
        lines = [f"[fcgi-program:{group.name}]", f"socket=tcp://127.0.0.1:{group.port}"]
        lines.append(f"socket_backlog={BACKLOG}")
    else:
        lines = [f"[program:{group.name}]"]
    return [
        *lines,
        f"command=bin/python -I -S shim.py {group.folder} %(process_num)d",
        "process_name=%(process_num)d",
        "numprocs=2",
        "autostart=false",
        # Every end but the shim's 77 is unexpected, and with startsecs=0 each start counts as one that
        # succeeded: so supervisord starts a committed version again forever.
        "autorestart=unexpected",
        f"exitcodes={shim.REFUSED}",
        "startsecs=0",
        "startretries=0",
        "stopsignal=TERM",
        f"stopwaitsecs={group.drain_ms // 1000 + 2}",
        "redirect_stderr=true",
        f"stdout_logfile=../{group.folder}/log/%(process_num)d.log",
        "stdout_logfile_maxbytes=1MB",
        "stdout_logfile_backups=1",
    ]


class Transport(xmlrpc.client.Transport):
    """XML-RPC on a unix socket; each call ends within its limit."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__()
        self._path, self._seconds = path, seconds

    def make_connection(self, host: tuple[str, dict[str, str]] | str) -> http.client.HTTPConnection:
        """Return a new connection; it is kept where the base class closes it."""
        made = UnixConnection(self._path, self._seconds, ROOM)
        self._connection = host, made
        return made

    def parse_response(self, response: http.client.HTTPResponse) -> tuple[xmlrpc.client._Marshallable, ...]:
        """Return what was answered; an answer that does not end leaves no socket behind."""
        with contextlib.closing(response):
            return super().parse_response(response)


class Supervisor:
    """The supervisord of one target."""

    def __init__(self, root: HostTarget) -> None:
        self.root = root
        self.own = root.own
        self.note = self.own / "supervisord.json"
        self.socket = self.own / "run" / SOCKET

    def alive(self) -> bool:
        """Whether the supervisord that was started here runs."""
        return processes.same(self._noted())

    @property
    def pid(self) -> int:
        """Its process id, or 0."""
        return self._noted().pid if self.alive() else 0

    def _noted(self) -> Process:
        try:
            record = json.loads(self.note.read_text())
            return Process(**{key: int(record[key]) for key in Process._fields})
        except (OSError, ValueError, KeyError, TypeError):
            return Process()

    def call(self, method: str, *arguments: object) -> Sequence[Sequence[Sequence[str]]]:
        """Call `supervisor.METHOD`.

        Raises:
            GuardFailed: when it does not answer or says no.
        """
        try:
            return cast("Sequence[Sequence[Sequence[str]]]", self._call(method, *arguments))
        except xmlrpc.client.Fault as fault:
            raise GuardFailed(f"supervisord: {method}{arguments!r}: {fault.faultString}") from fault

    def _call(self, method: str, *arguments: Any) -> Any:
        server = xmlrpc.client.ServerProxy(
            "http://localhost", transport=Transport(self.socket, LIMITS.get(method, SECONDS))
        )
        try:
            return getattr(server, "supervisor." + method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise GuardFailed(f"supervisord does not answer: {error}", state=f"See {self.log}") from error

    @property
    def log(self) -> Path:
        """Its log."""
        return self.own / "supervisord.log"

    def configure(self, groups: Sequence[Group]) -> None:
        """Write the configuration, start supervisord when it does not run, and add and remove groups."""
        write_atomically(self.own / "supervisord.conf", render(groups, self._socket_name()).encode(), 0o600)
        if not self.alive():
            self._start()
            return
        added, changed, removed = self.call("reloadConfig")[0]
        for name in [*removed, *changed]:
            if self._stopped(name):
                # Another thread may have started it since, or removed it.
                self._tolerate("removeProcessGroup", (name,), (BAD_NAME, STILL_RUNNING))
        for name in [*added, *changed]:
            self._add(name)

    def _add(self, name: str) -> None:
        self._tolerate("addProcessGroup", (name,), (ALREADY_ADDED,))

    def _stopped(self, name: str) -> bool:
        return all(self.info(name, number).pid == 0 for number in (0, 1))

    def _tolerate(self, method: str, arguments: Sequence[Any], codes: Sequence[int]) -> None:
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in codes:
                raise GuardFailed(f"supervisord: {method}{tuple(arguments)!r}: {fault.faultString}") from fault

    def info(self, group: str, number: int) -> Info:
        """Return supervisord's view of a slot's process."""
        try:
            info = self._call("getProcessInfo", f"{group}:{number}")
        except xmlrpc.client.Fault:
            return Info()
        return Info(int(info.get("pid", 0)), str(info.get("statename", "gone")), int(info.get("exitstatus", 0)))

    def knows(self, group: str) -> bool:
        """Whether supervisord runs and has the group."""
        return self.alive() and self.info(group, 0) != Info()

    def start(self, group: str, number: int) -> None:
        """Start a slot's process and return at once."""
        self.call("startProcess", f"{group}:{number}", False)  # noqa: FBT003  XML-RPC has no names

    def stop(self, group: str, number: int) -> None:
        """Ask a slot's process to end (SIGTERM, SIGKILL after its drain time) and return at once."""
        self._tolerate("stopProcess", (f"{group}:{number}", False), (NOT_RUNNING, BAD_NAME))

    def _socket_name(self) -> str:
        path = os.fspath(self.socket)
        # supervisord binds a longer name at first, with its pid behind it, of the 108 bytes that there are.
        # In its file `%` and `;` mean something else.
        fits = len(os.fsencode(path)) <= 90 and path.isascii() and not set(path) & set("%;# \"'\\")
        return path if fits else f"/proc/self/fd/{FOLDER}/{SOCKET}"

    def _start(self) -> None:
        for path in (self.socket, self.note):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        link_atomically(self.own / "bin" / "python", os.path.realpath(sys.executable))  # the shim needs no environment
        write_atomically(self.own / "shim.py", Path(str(shim.__file__)).read_bytes(), 0o644)
        process = self._spawn()
        write_atomically(self.note, json.dumps(processes.identity(process.pid)._asdict()).encode(), 0o600)
        self._await(process)

    def _spawn(self) -> subprocess.Popen[bytes]:
        folder = os.open(str(self.own / "run"), os.O_RDONLY | os.O_DIRECTORY)
        # Other threads start programs too; pass_fds gives it to this one alone.
        os.dup2(folder, FOLDER, inheritable=False)
        os.close(folder)
        try:
            with open(str(self.own / "supervisord.err"), "wb") as errors:
                return subprocess.Popen(
                    [sys.executable, "-I", "-m", "supervisor.supervisord", "-n", "-c", "supervisord.conf"],
                    cwd=str(self.own),
                    env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    # So that ^C in the client's terminal ends the client, and no service.
                    start_new_session=True,
                    pass_fds=(FOLDER,),
                )
        finally:
            os.close(FOLDER)

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(GuardFailed):
                if self._call("getPID") == process.pid:
                    process.returncode = 0  # it outlives us by intent: nobody is to wait for it
                    return
            time.sleep(0.03)
        code = process.poll()
        stderr = (self.own / "supervisord.err").read_text("utf-8", "replace").strip().splitlines()[-5:]
        processes.end(processes.identity(process.pid), 2)
        words = ": " + " / ".join(stderr) if stderr else ""
        if code is None:
            raise GuardFailed(
                f"supervisord did not answer within {STARTS_WITHIN:g} s of its start{words}",
                advice=["when the machine is busy, type it again; else look:  uptime"],
            )
        raise GuardFailed(f"supervisord did not start: it ended with {code}{words}")

    def shutdown(self, grace: float) -> None:
        """End supervisord and everything that it runs; nothing happens when it does not run."""
        if self.alive():
            with contextlib.suppress(GuardFailed):
                self.call("shutdown")
            record, deadline = self._noted(), time.monotonic() + grace
            while processes.same(record) and time.monotonic() < deadline:
                time.sleep(0.02)
            processes.end(record, 5)
        for path in (self.note, self.socket, self.own / "supervisord.pid"):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
