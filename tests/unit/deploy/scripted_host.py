"""A host as a program in ssh's place: it speaks frames, remembers what it serves, and fails where its script says.

`<folder>/<host>.json` is its state, `{"live", "previous", "faults": {request: kind}, "gone", "busy": seconds,
"passed": what a step back from a newly committed release leads to, "ignorant": it knows no release to go back to,
"environment": the one that it serves}`; sequences stand for releases. A fault happens once. Kinds: `refuse` answers an
error; `cut-before` and `cut-after` break the connection before or after the work; `gone-before` and `gone-after` do too, and nobody reaches the host from then on. As
on a real host, an open transaction whose client is gone goes back. `"says": {request: fields}` replaces fields of its
answers. It starts for each connection, so it imports little.
"""

import json
import os
import select
import sys

from goferry.kernel import frames

FOLDER, HOST = sys.argv[1], sys.argv[sys.argv.index("--") + 1]
STATE = f"{FOLDER}/{HOST}.json"
PLATFORM = "linux/amd64"


class End(Exception):
    """The connection breaks."""


class Host:
    def __init__(self):
        with open(STATE) as file:
            self.state = json.load(file)
        self.open = None

    def save(self, **changes):
        self.state.update(changes)
        with open(STATE, "w") as file:
            json.dump(self.state, file)

    def answer(self, request):
        kind = self.state["faults"].pop(request["request"], "")
        self.save()
        with open(f"{FOLDER}/{HOST}.heard", "a") as heard:
            heard.write(request["request"] + "\n")
        if kind.endswith("-before"):
            raise End(kind)
        if kind == "refuse":
            return {"ok": False, "error": self.refuse(request["request"])}
        wanted = self.state.get("environment", "")
        if request["request"] in ("prepare", "rollback") and wanted not in ("", request.get("environment")):
            what = f"this host serves {wanted}"
            return {"ok": False, "error": {"name": "environment-refused", "exit_code": 3, "what": what}}
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
        return {"name": name, "exit_code": code, "what": f"{HOST}: no {request} today"}

    def silence(self):
        if self.open is not None:
            self.save(live=self.open[0])
            self.open = None

    def hello(self, _request):
        return {"platform": PLATFORM, "held": []}

    def upload(self, request):
        have = request["offset"] + request["payload"]
        return {"have": have, "done": have == request["size"]}

    def changes(self, to):
        live = self.state["live"]
        change = {"service": "api", "from": f"v{live}", "from_sequence": live, "to": f"v{to}", "sequence": to}
        return {"project": "shop", "version": f"v{to}", "changes": [change]}

    def prepare(self, _request):
        with open(f"{FOLDER}/wanted") as file:
            to = int(file.read())
        if to == self.state["live"]:
            return {**self.changes(to), "changes": [], "unchanged": True}
        self.open = (self.state["live"], to, self.state["previous"])
        return self.changes(to)

    def rollback(self, request):
        assert self.open is None
        to = request.get("sequence") or int(request.get("to", "v0")[1:])
        if not to or self.state.get("ignorant"):
            to = self.state["previous"]
        self.open = (self.state["live"], to, None)
        return self.changes(to)

    def switch(self, _request):
        self.save(live=self.open[1])
        if select.select([0], [], [], self.state.get("bake", 0))[0] and not os.read(0, 1):
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
        live = self.state["live"]
        return {"api": {"project": "shop", "service": "api", "version": f"v{live}", "sequence": live}}

    def status(self, _request):
        busy = self.state.get("busy", 0)
        if busy:
            self.save(busy=busy - 1)
            return {"live": {"api": {**self.live()["api"], "sequence": 2}}, "recovered": [], "busy": True}
        return {"live": self.live(), "recovered": [], "busy": False}


def main():
    host = Host()
    if host.state["gone"]:
        sys.stderr.write(f"ssh: connect to host {HOST} port 22: Connection refused\n")
        return 255
    with open(0, "rb", buffering=0) as reader:
        try:
            frame = frames.read(reader)
            while frame is not None:
                sys.stdout.buffer.write(frames.encode(host.answer({**frame[0], "payload": len(frame[1])})))
                sys.stdout.buffer.flush()
                frame = frames.read(reader)
        except End as end:
            host.silence()
            host.save(gone=str(end).startswith("gone"))
            sys.stderr.write(f"client_loop: send disconnect: Connection reset by {HOST}\n")
            return 255
    host.silence()
    return 0
