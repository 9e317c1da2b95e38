"""Packs in a bucket of S3, or of a server that speaks its protocol.

boto3 is loaded when a bucket is used and not before. It finds credentials, the region and the server's address itself
(AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL; boto3 docs, "Credentials" and "Configuration").

Nothing that is there is written over: each object is put with `If-None-Match: *` (S3 User Guide, "Conditional writes").
What goes wrong is a BucketFailed, which is an OSError as of a folder that can't be read.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

from goferry.caches.storage import MOST_NOTE, PlaceUnknown, Stored

SCHEME = "s3://"
CONNECT, READ = 5, 10
"""Seconds that a connection, and each answer, may take."""
ATTEMPTS = 2
PATIENCE, LEAST = 20, 100_000
"""After so many seconds a pack must have come with so many bytes a second; one that stalls costs more than it saves."""
_MOST_PAGES = 100
_NAME = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([\w!.*'()=/-]*))?", re.ASCII)
_PACK = re.compile(r"([\w.-]+/[\w.-]+/[\w.-]+)/([\w-]+)\.(json|pack)", re.ASCII)

_SAID = {
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "these credentials may not do that",
    "AllAccessDisabled": "these credentials may not do that",
    "InvalidAccessKeyId": "nobody has this access key",
    "InvalidClientTokenId": "nobody has this access key",
    "SignatureDoesNotMatch": "the secret key is not that of the access key",
    "ExpiredToken": "the credentials have expired",
    "InvalidToken": "the session token is not that of the access key",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "NotImplemented": "the server knows no conditional writes (If-None-Match)",
    "NoCredentialsError": "there are no credentials, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "a part of the credentials is missing",
    "ConnectTimeoutError": "the server did not answer",
    "ReadTimeoutError": "the server did not answer",
    "EndpointConnectionError": "the server can't be reached",
}
"""What an answer's code, or an error of boto3's own, means."""
_ABSENT = frozenset({"NoSuchKey", "404"})
_THERE = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
"""The object is there, or another job puts it there at this moment."""


class BucketFailed(OSError):
    """A bucket did not do what was asked of it; the message says which and why."""


def opened(text: str) -> Bucket:
    """Return the bucket that `s3://NAME/PREFIX` names; it is reached when something is asked of it.

    Raises:
        PlaceUnknown: when it names none.
    """
    match = _NAME.fullmatch(text)
    name, prefix = match.groups("") if match else ("..", "")
    parts = prefix.strip("/").split("/")
    if ".." in name or (parts != [""] and not {"", ".", ".."}.isdisjoint(parts)):
        raise PlaceUnknown(
            f"{text!r} names no bucket",
            advice=[
                "name a bucket and a prefix in it:  s3://NAME/PREFIX",
                "where it is:  AWS_ENDPOINT_URL_S3=https://…",
            ],
        )
    return Bucket(name, "/".join(parts))


class _Client(Protocol):
    """What of boto3's client is used; it has no types of its own."""

    def get_object(self, **asked: object) -> Mapping[str, _Stream]: ...

    def put_object(self, **asked: object) -> object: ...

    def delete_object(self, **asked: object) -> object: ...

    def get_paginator(self, name: str) -> _Paginator: ...


class _Paginator(Protocol):
    """A list, page by page."""

    def paginate(self, **asked: object) -> Iterable[Mapping[str, Sequence[Mapping[str, object]]]]: ...


class _Stream(Protocol):
    """An object's content, as a client hands it out."""

    def read(self, size: int = ..., /) -> bytes: ...

    def close(self) -> None: ...


class _Object(NamedTuple):
    """An object of a listing: its key below the bucket, its bytes, and when it was written."""

    key: str
    size: int
    modified: datetime

    @classmethod
    def of(cls, record: Mapping[str, object]) -> _Object:
        key, size, modified = (record[name] for name in ("Key", "Size", "LastModified"))
        return cls(str(key), cast("int", size), cast("datetime", modified))


class Bucket:
    """The objects of a bucket below a prefix. A pack counts as used when it was written: reading leaves no mark."""

    def __init__(self, name: str, prefix: str = "", make: Callable[[], _Client] | None = None) -> None:
        """`make` makes the client; boto3's by default."""
        self._name, self._prefix = name, f"{prefix}/v1/" if prefix else "v1/"
        self._make, self._lock = make or _client, threading.Lock()
        self._made: _Client | None = None

    def names(self, where: str) -> list[str]:
        """See Place."""
        begin = f"{self._prefix}{where}/"
        keys = (each.key.removeprefix(begin) for each in self._listed(begin))
        return sorted(key.removesuffix(".json") for key in keys if key.endswith(".json") and "/" not in key)

    def note(self, where: str, name: str) -> bytes:
        """See Place."""
        with self._asked():
            return bytes(self._body(f"{where}/{name}.json").read(MOST_NOTE))

    def open(self, where: str, name: str) -> BinaryIO:
        """See Place."""
        with self._asked():
            body = self._body(f"{where}/{name}.pack")
        return io.BufferedReader(_Body(body, self._asked), 1 << 20)

    def put(self, where: str, name: str, pack: Path, note: bytes) -> bool:
        """See Place."""
        with pack.open("rb") as file:
            self._put(f"{where}/{name}.pack", file)
        self._put(f"{where}/{name}.json", note)
        return True

    def write(self, where: str, name: str, note: bytes) -> None:
        """See Place."""
        self._put(f"{where}/{name}.json", note)

    def remove(self, where: str, name: str) -> None:
        """See Place."""
        for end in ("json", "pack"):
            with self._asked():
                self._client.delete_object(Bucket=self._name, Key=f"{self._prefix}{where}/{name}.{end}")

    def all(self) -> Iterator[Stored]:
        """See Place."""
        sizes: dict[tuple[str, str], int] = {}
        noted: dict[tuple[str, str], float] = {}
        for each in self._listed(self._prefix):
            match = _PACK.fullmatch(each.key.removeprefix(self._prefix))
            if match is None:
                continue
            where, name, end = match.groups()
            if end == "pack":
                sizes[where, name] = each.size
            else:
                noted[where, name] = each.modified.timestamp()
        for where, name in sorted(sizes.keys() & noted.keys()):
            yield Stored(where, name, sizes[where, name], noted[where, name])

    @property
    def _client(self) -> _Client:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _body(self, name: str) -> _Stream:
        return self._client.get_object(Bucket=self._name, Key=self._prefix + name)["Body"]

    def _put(self, name: str, content: BinaryIO | bytes) -> None:
        with self._asked(fine=_THERE):
            self._client.put_object(Bucket=self._name, Key=self._prefix + name, Body=content, IfNoneMatch="*")

    def _listed(self, begin: str) -> list[_Object]:
        found: list[_Object] = []
        with self._asked():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=begin)
            for number, page in enumerate(pages):
                if number == _MOST_PAGES:
                    break
                listed = page.get("Contents", [])
                found += [_Object.of(each) for each in listed]
        return found

    @contextlib.contextmanager
    def _asked(self, fine: frozenset[str] = frozenset()) -> Iterator[None]:
        """Raise whatever the library raises as a BucketFailed, but for codes that are `fine`.

        Raises:
            FileNotFoundError: there is no such object. BucketFailed: anything else.
        """
        try:
            yield
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("botocore", "boto3", "s3transfer", "urllib3"):
                raise
            code, message = _code(error)
            if code in fine:
                return
            if code in _ABSENT:
                raise FileNotFoundError(f"{SCHEME}{self._name} does not have it") from None
            why = _SAID.get(code) or f"{code}: {message or error}"
            raise BucketFailed(f"{SCHEME}{self._name}: {why}") from None


def _code(error: Exception) -> tuple[str, str]:
    """Return the code and the message of a server's answer, or the name of an error of the library's own."""
    answer = getattr(error, "response", None)
    record = answer.get("Error", {}) if isinstance(answer, dict) else {}
    return str(record.get("Code", "")) or type(error).__name__, str(record.get("Message", ""))


class _Body(io.RawIOBase):
    """An object's content as it comes; a stream of boto3's raises errors of its own, and may trickle for hours."""

    def __init__(self, body: _Stream, asked: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._body, self._asked = body, asked
        # What has come, without waiting for more: urllib3's own, where boto3 has none.
        self._some: Callable[[int], bytes] = getattr(getattr(body, "_raw_stream", None), "read1", body.read)
        self._since, self._read = time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        room = memoryview(cast("bytearray", buffer))
        with self._asked():
            data = self._some(len(room))
        self._read += len(data)
        taken = time.monotonic() - self._since
        if taken > PATIENCE and self._read < taken * LEAST:
            raise BucketFailed(f"it came too slowly: {self._read} bytes in {taken:.0f} s")
        room[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()


def _client() -> _Client:
    """Return boto3's client for S3.

    Raises:
        BucketFailed: boto3 is not installed, or its settings are wrong.
    """
    try:
        boto3, botocore = importlib.import_module("boto3"), importlib.import_module("botocore.config")
    except ImportError:
        raise BucketFailed("for buckets boto3 is missing: install it beside goferry, or goferry[s3]") from None
    options = {
        "connect_timeout": CONNECT,
        "read_timeout": READ,
        "retries": {"total_max_attempts": ATTEMPTS, "mode": "standard"},
        # Other servers than Amazon's know no checksums in trailers; a pack is held to its own digest all the same.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    try:
        session = boto3.session.Session()
        region = session.region_name or "us-east-1"
        client = session.client("s3", region_name=region, config=botocore.Config(**options))
        if not re.match(r"https://[^/]+\.amazonaws\.com(\.cn)?(/|$)", client.meta.endpoint_url):
            options["s3"] = {"addressing_style": "path"}  # few of them have a name for each bucket
            client = session.client("s3", region_name=region, config=botocore.Config(**options))
    except Exception as error:  # noqa: BLE001  a profile, an address or a file of settings that is none: each its own
        raise BucketFailed(f"boto3 can't be set up: {error}") from None
    return cast("_Client", client)
