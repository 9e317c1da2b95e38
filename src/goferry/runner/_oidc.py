"""The job's identity: an OpenID Connect token from GitHub's issuer, for one audience.

A GET of `$ACTIONS_ID_TOKEN_REQUEST_URL&audience=AUDIENCE` with the bearer `$ACTIONS_ID_TOKEN_REQUEST_TOKEN` answers
`{"value": TOKEN}`. Both variables are there only when the job has `id-token: write` (@actions/core, oidc-utils.ts;
GitHub docs, "OpenID Connect reference"). No redirect is followed: the bearer is for the issuer alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote

from goferry.kernel.errors import printable
from goferry.runner.errors import OidcPermissionMissing, OidcUnavailable
from goferry.system.runner_variables import RunnerVariables
from goferry.system.urls import AddressInvalid, parse

ATTEMPTS = 4
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_LIMIT = 64 * 1024
_PERMISSIONS = ["permissions:", "  contents: read", "  id-token: write"]


def request(
    environ: Mapping[str, str], audience: str, *, from_fork: bool = False, sleep: Callable[[float], None] = time.sleep
) -> str:
    """Return a token for `audience`; the caller masks it.

    Raises:
        OidcPermissionMissing: the job lacks `id-token: write`.
        OidcUnavailable: the issuer did not answer, or its answer holds no token.
    """
    given = RunnerVariables.of(environ)
    address, bearer = given.actions_id_token_request_url, given.actions_id_token_request_token
    if not address or not bearer:
        raise permission_missing(from_fork=from_fork)
    try:
        parse(address)
    except AddressInvalid:
        raise OidcUnavailable("ACTIONS_ID_TOKEN_REQUEST_URL is not an http or https address") from None
    if audience:
        address += "&audience=" + quote(audience, safe="!()*-._~")
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(0.5 * 2 ** (attempt - 1))
        status, body, problem = _get(address, bearer, environ)
        if status and status not in _AGAIN:
            return _token(status, body)
        problem = problem or f"HTTP {status}"
    raise _unavailable(f"did not answer, {ATTEMPTS} times: {problem}")


def permission_missing(*, from_fork: bool) -> OidcPermissionMissing:
    """Return the error that says which permission is missing and where it is written."""
    if from_fork:
        return OidcPermissionMissing(
            "this run was started by a pull request from a fork, and GitHub gives those no identity token",
            state="Nothing was sent.",
            advice=[
                "`id-token: write` would not help: leave this step out for forks, with",
                "if: github.event.pull_request.head.repo.full_name == github.repository",
            ],
        )
    return OidcPermissionMissing(
        "this job has no permission to request an identity token: `id-token: write` is missing",
        state="Nothing was sent.",
        advice=[
            "give the job, and the job that calls its workflow, this block:",
            *_PERMISSIONS,
            "a block lists all that is granted: add what the job has besides.",
        ],
    )


def _get(address: str, bearer: str, environ: Mapping[str, str]) -> tuple[int, bytes, str]:
    """Return status and body of one attempt, or 0 and the problem."""
    import urllib3

    from goferry.system.certificates import trust_context
    from goferry.system.connections import fitted
    from goferry.system.pace import paced
    from goferry.system.proxyenv import proxy_for

    proxy = proxy_for(address, environ)
    timeout = urllib3.Timeout(connect=10, read=20)
    context = trust_context(environ)
    pool = urllib3.ProxyManager(proxy, ssl_context=context) if proxy else urllib3.PoolManager(ssl_context=context)
    try:
        with paced(60):
            answer = fitted(pool).request(
                "GET",
                address,
                headers={"Authorization": f"Bearer {bearer}", "Accept": "application/json", "User-Agent": "goferry"},
                redirect=False,
                retries=False,
                timeout=timeout,
                preload_content=False,
            )
            return answer.status, answer.read(_LIMIT, decode_content=False), ""
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return 0, b"", type(error).__name__
    finally:
        pool.clear()


def _token(status: int, body: bytes) -> str:
    try:
        value = json.loads(body).get("value")
    except (ValueError, AttributeError, RecursionError):
        value = None
    if status == 200 and isinstance(value, str) and value:
        return value
    raise _unavailable(f"answered HTTP {status}" + (" without a token" if status == 200 else f": {_message(body)}"))


def _message(body: bytes) -> str:
    return printable(" ".join(body.decode("utf-8", "replace").split()), 200) or "no word"


def _unavailable(what: str) -> OidcUnavailable:
    return OidcUnavailable(
        f"GitHub's token issuer {what}", state="Nothing was sent to anyone else.", advice=["run the job again"]
    )
