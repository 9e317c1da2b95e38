"""A host as a program in ssh's place: it speaks frames, remembers what it serves, and fails where its script says.

`<folder>/<host>.json` is its state, `{"live", "previous", "faults": {request: kind}, "gone", "busy": seconds,
"passed": what a step back from a newly committed release leads to, "ignorant": it knows no release to go back to,
"environment": the one that it serves}`; sequences stand for releases. A fault happens once. Kinds: `refuse` answers an
error; `cut-before` and `cut-after` break the connection before or after the work; `gone-before` and `gone-after` do too, and nobody reaches the host from then on. As
on a real host, an open transaction whose client is gone goes back. `"says": {request: fields}` replaces fields of its
answers. `Connection` serves a connection from a thread, for tests that make many; as a program it imports little.
"""

import json
import os
import select
import subprocess
import sys
import threading

from goferry.kernel import frames

PLATFORM = "linux/amd64"


class End(Exception):
    """The connection breaks."""


class Host:
    def __init__(self, folder, name, said=0):
        """`said` is the descriptor from which requests are read."""
        self.folder, self.name, self.said = folder, name, said
        with open(f"{folder}/{name}.json") as file:
            self.state = json.load(file)
        self.open = None

    def save(self, **changes):
        self.state.update(changes)
        with open(f"{self.folder}/{self.name}.json", "w") as file:
            json.dump(self.state, file)

    def answer(self, request):
        kind = self.state["faults"].pop(request["request"], "")
        self.save()
        with open(f"{self.folder}/{self.name}.heard", "a") as heard:
            heard.write(request["request"] + "\n")
        if kind.endswith("-before"):
            raise End(kind)
        if kind == "refuse":
            return {"ok": False, "error": self.refuse(request["request"])}
        wanted = self.state.get("environment", "")
        if request["request"] in ("prepare", "rollback") and wanted not in ("", request.get("environment")):
            what = f"this host serves {wanted}"
            return {"ok": False, "error": {"name": "environment-refused", "exit_code": 3, "what": what}}
        if request["request"] == "restart" and self.state.get("ignorant"):
            what = "the host agent knows no request 'restart'"
            return {"ok": False, "error": {"name": "request-malformed", "exit_code": 2, "what": what}}
        done = getattr(self, request["request"])(request)
        if kind.endswith("-after"):
            raise End(kind)
        return {"ok": True, **done, **self.state.get("says", {}).get(request["request"], {})}

    def refuse(self, request):
        """Say no in the way in which the real host does in this phase."""
        if request == "commit":  # the version before could not be ended: the next one who asks ends it
            self.commit({})
        after_switch = self.open is not None and request == "switch"
        self.silence()
        name, code = ("rolled-back", 4) if after_switch else ("host-failed", 1)
        return {"name": name, "exit_code": code, "what": f"{self.name}: no {request} today"}

    def silence(self):
        if self.open is not None:
            self.save(live=self.open[0], slot=self.slot)
            self.open = None

    def hello(self, _request):
        return {"platform": PLATFORM, "held": []}

    def upload(self, request):
        have = request["offset"] + request["payload"]
        return {"have": have, "done": have == request["size"]}

    def changes(self, to):
        live = self.state["live"]
        change = {"service": "api", "from": f"v{live}", "from_sequence": live, "to": f"v{to}", "sequence": to}
        change["slot"] = 1 - self.state.get("slot", 0)
        return {"project": "shop", "version": f"v{to}", "changes": [change]}

    def prepare(self, _request):
        with open(f"{self.folder}/wanted") as file:
            to = int(file.read())
        if to == self.state["live"]:
            return {**self.changes(to), "changes": [], "unchanged": True}
        self.slot = self.state.get("slot", 0)
        self.open = (self.state["live"], to, self.state["previous"])
        return self.changes(to)

    def rollback(self, request):
        assert self.open is None
        to = request.get("sequence") or int(request.get("to", "v0")[1:])
        if not to or self.state.get("ignorant"):
            to = self.state["previous"]
        self.slot = self.state.get("slot", 0)
        self.open = (self.state["live"], to, None)
        return self.changes(to)

    def restart(self, _request):
        self.slot = self.state.get("slot", 0)
        self.open = (self.state["live"], self.state["live"], self.state["previous"])
        return self.changes(self.state["live"])

    def switch(self, _request):
        self.save(live=self.open[1], slot=1 - self.slot)
        if select.select([self.said], [], [], self.state.get("bake", 0))[0] and not os.read(self.said, 1):
            self.silence()
            error = {
                "name": "rolled-back",
                "exit_code": 4,
                "what": "the client went away",
                "facts": {"cause": "client-silent"},
            }
            return {"ok": False, "error": error}
        return {"switch_ms": 1}

    def commit(self, _request):
        old, new, _ = self.open
        self.open = None
        self.save(live=new, previous=self.state.get("passed", old if new > old else None))
        return {"switch_ms": 1, "gap_ms": {}, "services": self.live()}

    def abort(self, _request):
        self.silence()
        return {}

    def live(self):
        live, slot = self.state["live"], self.state.get("slot", 0)
        return {"api": {"project": "shop", "service": "api", "version": f"v{live}", "sequence": live, "slot": slot}}

    def status(self, _request):
        busy = self.state.get("busy", 0)
        if busy:
            self.save(busy=busy - 1)
            return {"live": {"api": {**self.live()["api"], "sequence": 2}}, "recovered": [], "busy": True}
        return {"live": self.live(), "recovered": [], "busy": False}


def serve(folder, argv, said, answers, complaints):
    """Serve one connection over three binary streams, and return ssh's exit code."""
    name = argv[argv.index("--") + 1]
    host = Host(folder, name, said.fileno())
    if host.state["gone"]:
        complaints.write(f"ssh: connect to host {name} port 22: Connection refused\n".encode())
        return 255
    try:
        frame = frames.read(said)
        while frame is not None:
            answers.write(frames.encode(host.answer({**frame[0], "payload": len(frame[1])})))
            frame = frames.read(said)
    except End as end:
        host.silence()
        host.save(gone=str(end).startswith("gone"))
        complaints.write(f"client_loop: send disconnect: Connection reset by {name}\n".encode())
        return 255
    host.silence()
    return 0


def main(folder):
    with open(0, "rb", 0) as said, open(1, "wb", 0) as answers, open(2, "wb", 0) as complaints:
        return serve(folder, sys.argv, said, answers, complaints)


class Connection:
    """What `subprocess.Popen` returns to the client, with a thread in ssh's place: a process costs 60 ms to start.

    Of its folder it knows where the program `ssh` lies, `<folder>/bin/ssh` on the PATH that the client gives it.
    """

    def __init__(self, argv, env, **_):
        folder = os.path.dirname(env["PATH"].partition(":")[0])
        (heard, self.stdin), (self.stdout, says), (self.stderr, complains) = (self._pipe() for _ in range(3))
        self.pid, self.returncode = os.getpid(), None
        self._thread = threading.Thread(target=self._serve, args=(folder, argv, heard, says, complains), daemon=True)
        self._thread.start()

    @staticmethod
    def _pipe():
        read, write = os.pipe()
        return open(read, "rb", buffering=0), open(write, "wb", buffering=0)

    def _serve(self, folder, argv, heard, says, complains):
        with complains, says, heard:
            try:
                self.returncode = serve(folder, argv, heard, says, complains)
            except BrokenPipeError:  # nobody listens any more
                self.returncode = 1

    def wait(self, timeout=None):
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise subprocess.TimeoutExpired("ssh", timeout)
        return self.returncode

    def kill(self):
        """End the stream, which a thread ends by."""
        self.stdin.close()

    terminate = kill
