"""The name under which a project's releases go, found without a Go toolchain."""

from __future__ import annotations

import re

from goferry.config.load import Loaded

_MAJOR = "v[0-9]+"


def project_name(loaded: Loaded) -> str:
    """Return goferry.yml's name of the project, else the module path's last element; empty where there is neither."""
    if loaded.name or loaded.project.project:
        return loaded.name or loaded.project.project
    from goferry.config.survey import module

    *above, last = module(loaded.directory / "go.mod").split("/")
    return above[-1] if above and re.fullmatch(_MAJOR, last) else last
