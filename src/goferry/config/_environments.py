"""Environments: three are built in, others inherit.

A key that an environment leaves out comes from the one that it `inherits`; without `inherits`, a built-in one has the
defaults below, and any other inherits `production`, the strictest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goferry.config._node import Node
from goferry.config.errors import Problem, nearest

_SHARED = {"inherits": "", "uncommitted": "allowed", "target": "local", "hosts": [], "on-silence": "rollback"}
BUILT_IN: dict[str, dict[str, Any]] = {
    "development": {**_SHARED, "dependencies": "snapshots", "accepts": "snapshots"},
    "staging": {**_SHARED, "dependencies": "releases", "accepts": "releases"},
    "production": {**_SHARED, "dependencies": "locked", "accepts": "releases"},
}
STRICTEST = "production"


def problems(declared: Node | None, prefix: tuple[str, ...] = ()) -> list[Problem]:
    """Return what is wrong with the inheritance: an unknown environment, or a circle."""
    if declared is None:
        return []
    known = {*BUILT_IN, *declared.value}
    bases = {name: node.value["inherits"] for name, node in declared.value.items() if "inherits" in node.value}
    found = []
    for name, base in bases.items():
        key = ".".join((*prefix, "environments", name, "inherits"))
        if base.value not in known:
            message = f"{name} inherits {base.value!r}, which is not an environment"
            found.append(Problem(base.line, base.column, key, message, nearest(base.value, known)))
        elif circle := _circle(name, {each: node.value for each, node in bases.items()}):
            found.append(Problem(base.line, base.column, key, f"environments inherit in a circle: {circle}"))
    return found


def resolve(declared: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    """Return name → every key, built-in environments included; `declared` has no circles."""
    return {name: _resolve(name, declared) for name in sorted({*BUILT_IN, *declared})}


def _resolve(name: str, declared: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    own = dict(declared.get(name, {}))
    base = str(own.get("inherits", ""))
    if base:
        return {**_resolve(base, declared), **own}
    if name in BUILT_IN:
        return {**BUILT_IN[name], **own}
    return {**_resolve(STRICTEST, declared), **own, "inherits": STRICTEST}


def _circle(name: str, bases: Mapping[str, str]) -> str:
    chain = [name]
    while chain[-1] in _all_bases(bases):
        following = _all_bases(bases)[chain[-1]]
        if following in chain:
            return " → ".join([*chain, following])
        chain.append(following)
    return ""


def _all_bases(bases: Mapping[str, str]) -> Mapping[str, str]:
    """An empty `inherits` is none."""
    return {name: base for name, base in bases.items() if base}
