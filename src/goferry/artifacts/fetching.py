"""Why the go command could not have the modules that a project needs: its words, by name.

Every stage that runs the go command asks here first: cmd/go reports all of it while it loads packages, before `go vet`
has vetted anything and before anything is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from goferry.kernel.errors import Failed, GoferryError, Misuse, Refused, Unreachable


class ModulesIncomplete(Misuse):
    """go.mod, go.sum or vendor/ do not match the source.

    Usual causes: a changed import without `go mod tidy`, a go.sum that was not committed, or a changed go.mod without
    `go mod vendor` (`go work vendor` in a workspace).
    """

    name = "modules-incomplete"


class ModuleSumWrong(Refused):
    """A downloaded module does not match go.sum or the checksum database.

    Usual causes: a tag that was moved, or a proxy that serves something else.
    """

    name = "module-sum-wrong"


class ModulesUnreachable(Unreachable):
    """A module had to be downloaded, and its source did not answer.

    Usual causes: a network that can't reach the proxy in GOPROXY, or a proxy that is down.
    """

    name = "modules-unreachable"


class ModulesClosed(Failed):
    """A module had to be downloaded, and its source requires credentials or refuses to serve it.

    Usual causes: a proxy that refuses the module, which happens to public ones too (a company's mirror, a block list);
    or a private module: without GOPRIVATE Go asks the public proxy and checksum database for it, and with it git needs
    an access token (or netrc, or an ssh key). If a proxy answered, the advice begins with its answer.
    """

    name = "modules-closed"


class ModulesNotFound(Failed):
    """A module had to be downloaded, and none of its sources has that version.

    Usual causes: a version that was never published or whose tag was removed, a module that moved or is private, a
    mirror that does not have it yet, or GOPROXY=off with a module cache that lacks it.
    """

    name = "modules-not-found"


class ProxyListInvalid(Misuse):
    """GOPROXY has no usable entry.

    Usual causes: an empty list, or an address without its scheme.
    """

    name = "proxy-list-invalid"


class _Fault(Struct, frozen=True):
    """What Go says, the error that it is, and what to do next.

    `{chdir}` is a go command's `-C FOLDER`, or nothing; other names in braces are groups of what Go says.
    """

    says: str
    error: type[GoferryError]
    advice: Sequence[str]


_SOURCES = "see where modules come from:  go env GOPROXY GOPRIVATE"
_FAULTS = (
    _Fault(
        r"checksum mismatch|SECURITY ERROR",
        ModuleSumWrong,
        ["compare go.sum with the module's own release, and ask its author why they differ"],
    ),
    _Fault(
        r"inconsistent vendoring[\s\S]*\bgo work vendor\b",
        ModulesIncomplete,
        ["bring the workspace's vendor/ up to date and commit it:  go work vendor {chdir}"],
    ),
    _Fault(
        r"inconsistent vendoring|import lookup disabled by -mod=vendor",
        ModulesIncomplete,
        ["bring vendor/ up to date and commit it:  go mod vendor {chdir}"],
    ),
    _Fault(
        r"missing go\.sum entry|updates to go\.(?:mod|sum) needed|no required module provides|is not in std",
        ModulesIncomplete,
        ["bring them up to date and commit:  go mod tidy {chdir}"],
    ),
    _Fault(
        r"invalid proxy URL|GOPROXY list is not the empty string",
        ProxyListInvalid,
        ["see what Go has:  go env GOPROXY"],
    ),
    _Fault(
        r"module lookup disabled by GOPROXY=off",
        ModulesNotFound,
        ["allow a proxy in GOPROXY, or fill the cache where there is one:  go mod download {chdir}"],
    ),
    _Fault(
        r"reading https?://(?P<proxy>(?!\S*/lookup/)[A-Za-z0-9.:-]+)/\S+: (?P<answer>401 Unauthorized|403 Forbidden)",
        ModulesClosed,
        [
            "{proxy} answered {answer}: it may refuse this module, a public one too; ask who runs that proxy",
            "or have Go ask the module's own repository, in the environment:  GOPROXY=direct",
            _SOURCES,
            "if the module is private, name its place in the environment:  GOPRIVATE=HOST/OWNER",
            "and let git or netrc have credentials for it",
        ],
    ),
    _Fault(
        r"\b(?:401 Unauthorized|403 Forbidden)|could not read (?:Username|Password)|terminal prompts disabled|"
        r"Permission denied \(publickey|Authentication failed for|Repository not found|/lookup/\S+: (?:404|410) ",
        ModulesClosed,
        [
            "name a private module's place in the environment:  GOPRIVATE=HOST/OWNER",
            "and let git or netrc have credentials for it; " + _SOURCES,
        ],
    ),
    _Fault(
        r"dial tcp|no such host|i/o timeout|connection (?:refused|reset)|TLS handshake|proxyconnect|50[0234] [A-Z]|"
        r"network is unreachable|x509: |Get \"https?://[^\"]+\": (?:unexpected )?EOF|context deadline exceeded",
        ModulesUnreachable,
        [_SOURCES, "then run the same command again"],
    ),
    _Fault(
        r"404 Not Found|410 Gone|reading file://\S+: no such file|unknown revision|no matching versions for|"
        r"unrecognized import path|but does not contain package|module declares its path as",
        ModulesNotFound,
        ["look which versions its repository has tagged", _SOURCES],
    ),
)
"""The first that says so counts: what is altered before what is lacking, what is closed before what is not there."""


def fault(words: str, what: str, *, state: str = "Nothing was built.", chdir: str = "") -> GoferryError | None:
    """Return the error for what a failed go command said, or None when its words are of something else than modules.

    Args:
        words: what it said.
        what: the error's own words.
        state: what stands.
        chdir: `-C FOLDER ` for go commands that are advised, where the module is not at the repository's top.
    """
    for each in _FAULTS:
        if match := re.search(each.says, words):
            fields = {"chdir": chdir, **match.groupdict()}
            return each.error(what, state=state, advice=[line.format_map(fields).rstrip() for line in each.advice])
    return None
