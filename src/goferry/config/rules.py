"""What single values of goferry.yml must look like, as a table: the keys' path → a check.

A check returns what is wrong in the field's words, or an empty string. `*` in a path stands for any one key or item.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, cast

import msgspec

from goferry.config import model, site_rules
from goferry.config._node import Node
from goferry.kernel import services, sites

Check = Callable[[Node], str]

NAME = r"[a-z][a-z0-9-]{0,62}"
_IMAGE_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = rf"{_IMAGE_PART}(?:/{_IMAGE_PART})*"  # OCI distribution-spec 1.1, "Pulling manifests"
PREFIX = r"(?:\{folder\}/)?(?:[0-9A-Za-z](?:[._+/-]?[0-9A-Za-z]){0,99}[._+/-]?)?"
_PLATFORM = r"[a-z0-9]+/[a-z0-9]+(?:/[A-Za-z0-9._,]+)?"


def name(text: str) -> str:
    """Check the name of a project, service or environment: it becomes a folder and part of file names."""
    if re.fullmatch(NAME, text):
        return ""
    return f"{text!r} is not a valid name: small letters, digits and hyphens, a letter first, at most 63"


def inside(text: str) -> str:
    """Check a path: relative, with forward slashes, and not leading out of the folder that it starts from."""
    if not text or text.startswith(("/", "~")) or "\\" in text or re.match(r"[A-Za-z]:", text):
        return f"{text!r} is not a relative path with forward slashes"
    if any(ord(character) < 32 for character in text):
        return "a path must not hold control characters"
    if posixpath.normpath(text).split("/")[0] == "..":
        return f"{text!r} leads out of the repository"
    return ""


def prefix(text: str) -> str:
    """Check what tags begin with: it is part of a tag's name and of nothing else."""
    if re.fullmatch(PREFIX, text) and ".." not in text:
        return ""
    return f"{text!r} is not the beginning of a tag: letters, digits and single . _ - + / ({{folder}}/ may stand first)"


def _text(check: Callable[[str], str]) -> Check:
    return lambda node: check(node.value)


def _matches(pattern: str, wanted: str) -> Check:
    return _text(lambda text: "" if re.fullmatch(pattern, text) else f"{text[:200]!r} is not {wanted}")


def _at_least(low: float, high: float, unit: str) -> Check:
    return lambda node: "" if low <= node.value <= high else f"{node.source} is not from {low:g} to {high:g}{unit}"


def _optional(check: Check) -> Check:
    return lambda node: check(node) if node.value else ""


def _variables(node: Node) -> str:
    for key, value in node.value.items():
        if not re.fullmatch(services.VARIABLE, key):
            return f"{key!r} is not a name of an environment variable"
        if "\0" in value.value:
            return f"the value of {key} holds a NUL"
    return ""


def _own(names: list[str]) -> str:
    """Tell which of these variables the host sets, so that what is declared would never reach the service."""
    taken = next((each for each in names if each in services.OWN), "")
    return f"{taken} is set by Goferry; choose another variable" if taken else ""


def _listens_once(node: Node) -> str:
    """A variable in which a service is told where it listens."""
    return _matches(services.VARIABLE, "a name of an environment variable")(node) or _own([str(node.value)])


def _one_way(node: Node) -> str:
    given = [key for key, value in node.value.items() if value.value]
    if len(given) == 1:
        return ""
    return "exactly one of env, port-env, flag and socket says how the service listens, " + (
        f"not {' and '.join(given)}" if given else "and none is given"
    )


def _learns(node: Node) -> str:
    """A service is told where to listen once at least, and one that takes its socket has no port to be told."""
    declared = cast("dict[str, Any]", node.plain())
    used = [name for text in services.texts(declared) for name in services.placeholders(text)]
    listen = declared.get("listen")
    keys = [str(listen[key]) for key in ("env", "port-env") if listen and listen.get(key)]
    twice = next((each for each in keys if each in (declared.get("env") or {})), "")
    if twice:
        return f"{twice} is set by listen, so what env says of it would never be read; leave it out of env"
    if listen and listen.get("socket") and used:
        return f"a service that takes its socket has no port of its own, so nothing fills in {{{used[0]}}}"
    if listen or {"port", "address", "url"} & set(used):
        return ""
    return "lacks the key listen, and neither args nor env say {port}, {address} or {url}"


def _ports(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,5})(?:/(?:tcp|udp))?", text)
    return "" if found and 0 < int(found[1]) < 65536 else f"{text!r} is not a port such as 8080/tcp"


_seconds = _at_least(0, 86_400, " seconds")
_path = _text(inside)

RULES: dict[str, Check] = {
    "project": _optional(_text(name)),
    "dir": _path,
    "version.prefix": _optional(_text(prefix)),
    "builds.mains.*": _path,
    "builds.files.*": _path,
    "builds.targets.*": _matches(_PLATFORM, "a platform such as linux/amd64"),
    "builds.env": _variables,
    "image.main": _optional(_path),
    "image.name": _optional(_matches(_IMAGE, "an image name (small letters, digits, . _ - and /)")),
    "image.user": _matches(r"[0-9]{1,10}:[0-9]{1,10}", "numeric user:group such as 65532:65532"),
    "image.max-size": _at_least(0, 1 << 40, " bytes"),
    "image.env": _variables,
    "image.ports.*": _text(_ports),
    "services.*.main": _path,
    "services": lambda node: site_rules.shared(msgspec.convert(node.plain(), dict[str, model.Service])),
    "services.*": lambda node: _learns(node) or site_rules.service(msgspec.convert(node.plain(), model.Service)),
    "services.*.listen": _one_way,
    "services.*.listen.env": _optional(_listens_once),
    "services.*.listen.port-env": _optional(_listens_once),
    "services.*.listen.flag": _optional(_matches(r"--?[A-Za-z][A-Za-z0-9._-]*", "a flag such as --listen")),
    "services.*.health": _matches(r"/[!-~]{0,1000}", "a path such as /healthz"),
    "services.*.env": lambda node: _variables(node) or _own(list(node.value)),
    "services.*.env-file": _optional(_path),
    "services.*.port": _at_least(0, 65535, ""),
    "services.*.domain": _optional(_text(sites.domain_wrong)),
    "services.*.domains.*": _text(sites.domain_wrong),
    "services.*.path": _text(sites.path_wrong),
    "services.*.tls.certificate": _text(sites.file_wrong),
    "services.*.tls.key": _text(sites.file_wrong),
    "services.*.proxy.timeout": _at_least(1, 86_400, " seconds"),
    "services.*.proxy.body-size": _optional(_text(site_rules.size_wrong)),
    "services.*.ready-within": _seconds,
    "services.*.bake": _seconds,
    "services.*.drain": _seconds,
    "environments.*.hosts.*": _matches(r"[A-Za-z0-9_\[][A-Za-z0-9_.:@%\[\]-]*", "a host name"),
}
NAMED = ("projects", "services", "environments")
"""Mappings whose keys are names."""


def rule(path: tuple[str, ...]) -> Check | None:
    """Return the check for the value at this path of keys, if there is one."""
    for pattern, check in RULES.items():
        parts = pattern.split(".")
        if len(parts) == len(path) and all(fnmatchcase(key, part) for key, part in zip(path, parts, strict=True)):
            return check
    return None
