"""The assets' bytes: sent and received in blocks, never whole in memory, and with a limit on every silence.

PyGithub keeps downloads whole in memory and forgets its timeout for the host that takes uploads; so these requests are
made here, over the same pool of connections as Goferry's other downloads.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, cast
from urllib.parse import quote

import msgspec
from msgspec import Struct

from goferry.config.settings import Settings
from goferry.observe.events import Span
from goferry.release import _retry as retry
from goferry.release._api import READ, WRITE, Api, message_of
from goferry.release._inventory import UPLOADED, Asset, GitHubRelease, ReleaseFile
from goferry.release.errors import AssetDamaged, AssetRenamed, GitHubUnexpected
from goferry.system.http import Client, Response, ServerFailing, ServerUnreachable

_SMALL = 1 << 20
_REFUSED = frozenset({401, 403, 404})


class _Uploaded(Struct, frozen=True):
    """GitHub's answer to an upload; older GitHub Enterprise Servers say no digest."""

    id: int
    name: str
    size: int
    digest: str | None = None
    state: str = UPLOADED


class Transfer:
    """Uploads to and downloads from one repository's releases.

    Attributes:
        api: the repository's other requests; every method here raises what it raises.
    """

    def __init__(self, api: Api, settings: Settings) -> None:
        self.api = api
        self._client = Client(settings.environ, timeout=60.0, attempts=1)

    def upload(self, folder: Path, file: ReleaseFile, release: GitHubRelease) -> Asset:
        """Upload one file; return the asset once GitHub has it whole.

        After each failure GitHub's list is looked at: what is whole there is taken, what is not is deleted.

        Raises:
            AssetRenamed: when GitHub stores it under another name.
            AssetDamaged: when what it has is not what was sent, on every attempt.
        """
        attempt = 0
        while True:
            status, headers, reason, answer = self._send(folder / file.name, file, release)
            if status in _REFUSED and not retry.is_limit(status, headers, reason):
                found = None
            else:
                found = self._whole(status, answer, file, release)
            if found:
                return found
            taken = status == 422 and "already_exists" in reason
            if status != 201 and not taken:
                what = f"upload {file.name}"
                self.api.pause_or_raise(status, headers, reason, attempt=attempt, what=what, permission=WRITE)
            elif attempt + 1 < retry.ATTEMPTS:  # damaged on the way, or a name that was taken and is free now
                retry.sleep(retry.FIRST_WAIT * 2**attempt)
            else:
                raise AssetDamaged(
                    f"GitHub did not keep {file.name} as it was sent, {retry.ATTEMPTS} times ({reason})",
                    state=_state(release),
                    advice=["run the same command again"],
                )
            attempt += 1

    def fingerprint(self, asset: Asset, span: Span | None = None) -> tuple[int, str]:
        """Download an asset and return its size and SHA-256; nothing is kept."""
        answer = self.download(asset, cast("IO[bytes]", Nowhere()), size=asset.size, span=span)
        return answer.size, answer.sha256

    def download(self, asset: Asset, file: IO[bytes], *, size: int, span: Span | None = None) -> Response:
        """Stream an asset's bytes into `file`, which is cut back when an attempt fails; the caller compares them.

        The token goes to the API's host alone: the storage that it sends us to gets none.
        """
        url = f"{self.api.github.api_url.rstrip('/')}/repos/{self.api.github.repository}/releases/assets/{asset.id}"
        headers = {"Accept": "application/octet-stream", **self._authorization()}
        start, attempt = file.tell(), 0

        def progress(got: int, _total: int) -> None:
            if span:
                span.progress(f"{got} of {size} bytes")

        while True:
            status, found, reason, answer = _attempt(
                lambda: self._client.download(url, file, limit=max(size, _SMALL), headers=headers, progress=progress)
            )
            if answer and status == 200:
                return answer
            file.seek(start)
            file.truncate()
            what = f"download {asset.name}"
            self.api.pause_or_raise(status, found, reason, attempt=attempt, what=what, permission=READ)
            attempt += 1

    def _send(
        self, path: Path, file: ReleaseFile, release: GitHubRelease
    ) -> tuple[int, Mapping[str, str], str, Response | None]:
        if not self.api.github.takes(release.upload_url):
            raise GitHubUnexpected("the address for uploads that GitHub names is not GitHub's; no token was sent there")
        headers = {
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/octet-stream",  # what the API's description allows
            "Content-Length": str(file.size),
            **self._authorization(),
        }
        with path.open("rb") as body:
            url = f"{release.upload_url}?name={quote(file.name, safe='')}"
            return _attempt(lambda: self._client.send("POST", url, body=body, headers=headers))

    def _whole(self, status: int, answer: Response | None, file: ReleaseFile, release: GitHubRelease) -> Asset | None:
        """Return the asset that an upload made, when it is whole; delete it, and remains of one, when not."""
        if status == 201 and answer:
            asset = _asset(answer.body)
            if asset.name != file.name:
                self.api.delete_asset(asset.id)
                raise AssetRenamed(
                    f"GitHub stores {file.name} as {asset.name}",
                    state=_state(release),
                    advice=["choose a name of letters, digits, dots, dashes and underscores"],
                )
            if _is(asset, file):
                return asset
        for asset in self.api.assets(release.id):
            if asset.name != file.name:
                continue
            if _is(asset, file):
                return asset
            self.api.delete_asset(asset.id)
        return None

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api.github.token}"} if self.api.github.token else {}


class Nowhere(io.RawIOBase):
    """A file that keeps nothing."""

    def write(self, data: object) -> int:
        """Forget the bytes."""
        return len(cast("bytes", data))

    def seek(self, _offset: int, _whence: int = 0) -> int:
        """Stay at the only place there is."""
        return 0

    def tell(self) -> int:
        """Return the only place there is."""
        return 0

    def truncate(self, _size: int | None = None) -> int:
        """Be as short as ever."""
        return 0


def _state(release: GitHubRelease) -> str:
    return "The release is still a draft." if release.draft else "The release lacks files of ours still."


def _is(asset: Asset, file: ReleaseFile) -> bool:
    return asset.state == UPLOADED and asset.size == file.size and asset.sha256 in ("", file.sha256)


def _attempt(request: Callable[[], Response]) -> tuple[int, Mapping[str, str], str, Response | None]:
    """Return an attempt's status (0: no answer), headers, GitHub's words and answer."""
    try:
        answer = request()
    except ServerFailing as error:
        headers = {"retry-after": str(error.facts.get("retry_after", ""))}
        return (
            int(str(error.facts["status"])),
            {name: value for name, value in headers.items() if value},
            error.what,
            None,
        )
    except ServerUnreachable as error:
        return 0, {}, error.what, None
    return answer.status, answer.headers, _words(answer.body), answer


def _words(body: bytes) -> str:
    try:
        return message_of(json.loads(body))
    except (ValueError, RecursionError):
        return "no explanation"


def _asset(body: bytes) -> Asset:
    try:
        uploaded = msgspec.json.decode(body, type=_Uploaded)
    except (ValueError, RecursionError):
        raise GitHubUnexpected("GitHub answered an upload with something that is not an asset") from None
    algorithm, _, digest = (uploaded.digest or "").partition(":")
    return Asset(uploaded.id, uploaded.name, uploaded.size, digest if algorithm == "sha256" else "", uploaded.state)
