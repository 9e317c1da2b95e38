"""A fake of GitHub's cache service: it keeps the documented rules, and is down, slow, full or lies when it is told to.

It is not GitHub. It speaks the first version of the service's protocol, which GitHub's own client speaks to act's server
as well; which scopes a run has stands in its address here and in its token there. The rules are those of GitHub's
"Dependency caching reference":

    scopes        a run reads what its own ref wrote, then its pull request's base, then the default branch; it writes
                  for its own ref alone
    matching      the name itself, then names that begin with it, then with each of the restore keys; the newest wins
    immutable     a name that a ref has is never written again
    eviction      what nobody read for seven days goes, and beyond 10 GB what was read longest ago

    with FakeCache() as cache:
        env = cache.run("refs/heads/main")          # {"ACTIONS_CACHE_URL": …}, for the jobs of one run
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

LIMIT = 10 * 1000**3
DAYS = 7 * 86_400
DEFAULT = "refs/heads/main"


@dataclass
class Entry:
    """An entry of the cache; `made` and `used` are seconds since 1970."""

    ref: str
    name: str
    version: str
    made: float
    used: float
    data: bytearray = field(default_factory=bytearray)
    whole: bool = False


@dataclass(frozen=True)
class Run:
    """What a run may do: `reads` are refs in their order, `writes` is its own, or empty."""

    reads: tuple[str, ...]
    writes: str


class FakeCache:
    """A server on loopback.

    Attributes:
        entries: by number. limit: bytes that all may have. now: a clock, for eviction.
        fault: what is wrong with it: `down` (every answer is 503), `stalled` (downloads begin and never end), `full`
            (nothing is taken in); lies: name of an entry → the bytes that it is served with.
        asked: (method, path) of every request.
    """

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.runs: dict[str, Run] = {}
        self.limit, self.now, self.fault = LIMIT, time.time, ""
        self.lies: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.lock = threading.RLock()
        self.ended = threading.Event()
        handler = type("Handler", (_Handler,), {"fake": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def run(self, ref: str, base: str = "", *, reads_only: bool = False) -> dict[str, str]:
        """Return what a runner gives the jobs of a run of this ref; `base`: the branch that its pull request is for.

        A pull request's ref is `refs/pull/7/merge`, from a fork or not.
        """
        name = str(len(self.runs))
        reads = tuple(dict.fromkeys(each for each in (ref, base, DEFAULT) if each))
        self.runs[name] = Run(reads, "" if reads_only else ref)
        return {"ACTIONS_CACHE_URL": f"{self.url}/{name}/"}

    def names(self, ref: str = "") -> list[str]:
        """Return the names of the entries that a ref has, or all, oldest first."""
        with self.lock:
            return [each.name for each in self.entries.values() if each.whole and ref in ("", each.ref)]

    @property
    def bytes(self) -> int:
        return sum(len(each.data) for each in self.entries.values() if each.whole)

    def find(self, run: Run, keys: list[str], version: str) -> int | None:
        """Return the number of the entry that serves for the keys."""
        self.evict()
        for ref in run.reads:
            there = [
                (n, e) for n, e in self.entries.items() if e.whole and (e.ref, e.version) == (ref, version)
            ]  # fmt: skip
            exact = [n for n, e in there if e.name == keys[0]]
            if exact:
                return exact[-1]
            for key in keys:
                begun = [(e.made, n) for n, e in there if e.name.startswith(key)]
                if begun:
                    return max(begun)[1]
        return None

    def reserve(self, run: Run, name: str, version: str, size: int) -> int | str:
        """Return the number of a new entry, or why there is none."""
        if not run.writes:
            return "cache write denied: the token is read-only"
        if self.fault == "full":
            return f"Cache size of {size} bytes is over the limit"
        same = (run.writes, name, version)
        if any((each.ref, each.name, each.version) == same for each in self.entries.values()):
            return f"Cache already exists. Scope: {run.writes}, Key: {name}, Version: {version}"
        number = max(self.entries, default=0) + 1
        self.entries[number] = Entry(run.writes, name, version, self.now(), self.now())
        return number

    def evict(self) -> None:
        """Remove what nobody read for seven days and, beyond the limit, what was read longest ago."""
        with self.lock:
            for number, entry in list(self.entries.items()):
                if entry.whole and entry.used < self.now() - DAYS:
                    del self.entries[number]
            while self.bytes > self.limit:
                del self.entries[min((e.used, n) for n, e in self.entries.items() if e.whole)[1]]


class _Handler(BaseHTTPRequestHandler):
    fake: FakeCache
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, record: Any = None) -> None:
        data = b"" if record is None else json.dumps(record).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_one(self) -> None:
        fake = self.fake
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            body = self.chunks()
        fake.asked.append((self.command, self.path))
        if fake.fault == "down":
            return self.answer(503, {"message": "the service is unavailable"})
        address = urlsplit(self.path)
        match = re.fullmatch(r"/(\d+)/_apis/artifactcache/(cache|caches|caches/(\d+)|artifacts/(\d+))", address.path)
        if not match or match[1] not in fake.runs:
            return self.answer(404, {"message": "there is nothing"})
        run, query = fake.runs[match[1]], parse_qs(address.query)
        with fake.lock:
            match (self.command, match[2].partition("/")[0]):
                case ("GET", "cache"):
                    number = fake.find(run, query["keys"][0].split(","), query["version"][0])
                    if number is None:
                        return self.answer(204)
                    entry = fake.entries[number]
                    entry.used = fake.now()
                    where = f"{fake.url}/{match[1]}/_apis/artifactcache/artifacts/{number}"
                    return self.answer(200, {"archiveLocation": where, "cacheKey": entry.name, "scope": entry.ref})
                case ("POST", "caches") if match[3] is None:
                    asked = json.loads(body)
                    made = fake.reserve(run, asked["key"], asked["version"], asked.get("cacheSize") or 0)
                    if isinstance(made, str):
                        return self.answer(409 if "already" in made else 400, {"message": made})
                    return self.answer(201, {"cacheId": made})
                case ("PATCH", _):
                    start = int(re.findall(r"bytes (\d+)-", self.headers["Content-Range"])[0])
                    data = fake.entries[int(match[3])].data
                    data[start : start + len(body)] = body
                    return self.answer(204)
                case ("POST", _):
                    fake.entries[int(match[3])].whole = True
                    fake.evict()
                    return self.answer(204)
        return self.download(int(match[4]))

    def chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def download(self, number: int) -> None:
        entry = self.fake.entries[number]
        data = self.fake.lies.get(entry.name, bytes(entry.data))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.fake.fault == "stalled":
            self.wfile.write(data[:100])
            self.wfile.flush()
            self.fake.ended.wait(60)
            return
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = handle_one  # noqa: N815  http.server's names
