"""What is wrong with an answer to a health check, in words, and what to do where it stays so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goferry.host import control
from goferry.host.shim import Slot, Template
from goferry.kernel.errors import printable

_TLS = "let it speak plain HTTP on the address that it is given: what stands in front of it has the certificates"
_LISTEN = (
    "say how it takes its address, at the service in goferry.yml:  "
    "listen: {env: NAME}, or {port-env: NAME}, or {flag: --NAME}"
)
_OWN_FILE = "or does its own configuration file say {}? what stands there may count for more"
_CONTROL = "let it answer as docs/deploy.md says of GOFERRY_CONTROL, or say how else it listens:  listen: {env: NAME}"
_SINCE = "; since then no answer in time"
_ASKED_BY_HTTPS = b"client sent an http request to an https server"  # net/http


class HealthFailure(str):
    """Why a health check failed, for a person; empty where it passed.

    Attributes:
        advice: what to do where it stays so. transient: whether more time alone may mend it.
        status: the status of the HTTP answer, 0 where there was none. late: none came in time.
    """

    __slots__ = ("advice", "late", "status", "transient")
    advice: tuple[str, ...]
    transient: bool
    status: int
    late: bool

    def __new__(  # noqa: PYI034
        cls, text: str = "", advice: Sequence[str] = (), *, transient: bool = True, status: int = 0, late: bool = False
    ) -> HealthFailure:
        """Make the words."""
        made = super().__new__(cls, text)
        made.advice, made.transient, made.status, made.late = tuple(advice), transient, status, late
        return made


NO_FAILURE = HealthFailure()
_STATUSES: tuple[tuple[Sequence[int], bool, str], ...] = (
    (range(200, 300), False, "200 alone says that it is well"),
    (range(300, 400), False, "nothing is followed"),
    ((401, 403, 407), False, "the check has no credentials"),
    ((408, 425, 429, *range(500, 600)), True, ""),
    (range(100, 600), False, ""),
)
"""Which statuses, whether more time alone may mend them, and what to know of them; the first that fits counts."""


def of_status(status: int, path: str, *, location: str = "", body: bytes = b"") -> HealthFailure:
    """Return what an HTTP answer other than 200 means, which `path` gave."""
    if status == 400 and _ASKED_BY_HTTPS in body[:200].lower():
        return HealthFailure(
            f"it speaks TLS at {path}, and is asked in plain HTTP", (_TLS,), transient=False, status=status
        )
    transient, note = next(((transient, note) for among, transient, note in _STATUSES if status in among), (False, ""))
    to = f" to {printable(location, 200)}" if location else ""
    if location.startswith("https://") and 300 <= status < 400:
        note = "the check comes in plain HTTP"
    why = f"{note}: " if note else ""
    advice = f"{why}name a path that answers 200, at the service in goferry.yml:  health: /PATH"
    return HealthFailure(
        f"HTTP {status} at {path}{to}", () if transient else (advice,), transient=transient, status=status
    )


def of_error(error: Exception) -> HealthFailure:
    """Return what it means that no whole answer came."""
    message = printable(str(error), 200) or type(error).__name__
    if not isinstance(error, control.NotHTTP) or error.closed:
        return HealthFailure(message, late=isinstance(error, control.Late))
    if error.tls:
        return HealthFailure("it speaks TLS, and is asked in plain HTTP", (_TLS,), transient=False)
    return HealthFailure(message, ("let it answer GET over HTTP/1.1 on the address that it is given",), transient=False)


def of_control(error: Exception) -> HealthFailure:
    """Return what it means that a service of the app contract does not answer as such on its control socket."""
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
        return HealthFailure("nothing listens on its control socket", (_CONTROL,))
    if isinstance(error, ValueError):
        return HealthFailure(printable(str(error), 200), (_CONTROL,), transient=False)
    return of_error(error)


def followed_by(before: HealthFailure, failure: HealthFailure, *, cut: bool) -> HealthFailure:
    """Return what is reported when `failure` follows `before`: its last answer, and that none came since.

    `cut` says that the last question had less time than an answer may take: that none came then means nothing.
    """
    if not failure.late or not before or before.late:
        return failure
    if cut or before.endswith(_SINCE):
        return before
    return HealthFailure(before + _SINCE, before.advice, transient=before.transient, status=before.status)


def not_listening(slot: Slot, port: int, other_ports: Sequence[int]) -> HealthFailure:
    """Return that a plain service does not listen on its port; `other_ports` are those on which its process does."""
    settings = ", ".join(_listen_settings(slot))
    what = f"nothing listens on 127.0.0.1:{port}, which it is told{' by ' + settings if settings else ''}"
    if not other_ports:
        return HealthFailure(what, (_LISTEN,))
    ports = ", ".join(map(str, other_ports))
    return HealthFailure(f"{what}; it listens on port {ports}", (_LISTEN, _OWN_FILE.format(ports)))


def _listen_settings(slot: Slot) -> Iterator[str]:
    """Yield the variables and arguments that tell a service where to listen."""
    template = slot.template or Template()
    yield from (printable(name, 100) for name, text in sorted(template.env.items()) if "%(" in text)
    if any("%(" in text for text in template.args):
        yield "its arguments"
