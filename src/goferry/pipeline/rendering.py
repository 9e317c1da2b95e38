"""Workflows as committed, and as runners need them that don't know `uses: $/…`.

A committed workflow names what lies beside it by `$/path`: the same repository at the commit that runs (GitHub's runner
2.336 and later, not GitHub Enterprise Server, not act). A workflow that is meant to be copied elsewhere names it by a
placeholder, `OWNER/goferry/path@0000000000000000000000000000000000000000 # v0.0.0`. Rendering turns both into
`owner/repository/path@ref`, and changes nothing but `uses:` lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from goferry.kernel.errors import Misuse, printable
from goferry.kernel.files import write_atomically

_USES = re.compile(
    r"(?m)^(?P<head>[ \t]*(?:-[ \t]+)?uses:[ \t]+)"
    r"(?:\$/(?P<own>[\w./-]+)|OWNER/goferry/(?P<placed>[\w./-]+)@0{40}(?P<tag>[ \t]+#[^\n]*)?)[ \t]*$"
)
_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
_TAG = re.compile(r"v[0-9][A-Za-z0-9.+-]{0,100}")


class WorkflowReferenceInvalid(Misuse):
    """An owner, repository, tag or commit can't be part of a `uses:` line.

    Usual causes: a typing error, or a value with spaces or quotes around it.
    """

    name = "workflow-reference-invalid"


@dataclass(frozen=True)
class TemplateSource:
    """Where rendered workflows find Goferry.

    Attributes:
        repository: `owner/name`.
        ref: a commit, or a tag such as `v1`.
        tag: the version that a commit is, written behind it as a comment, where Dependabot and Renovate read it.
    """

    repository: str
    ref: str
    tag: str = ""

    def __post_init__(self) -> None:
        """Raise WorkflowReferenceInvalid for what can't stand in YAML as it is."""
        for value, form, what in (
            (self.repository, _REPOSITORY, "a repository (owner/name)"),
            (self.ref, _REF, "a commit or tag"),
            (self.tag or "v0", _TAG, "a version's tag"),
        ):
            if not form.fullmatch(value) or ".." in value:
                raise WorkflowReferenceInvalid(
                    f"{printable(value, 100)!r} is not {what}",
                    state="Nothing was written.",
                    advice=["give names as GitHub shows them, without quotes"],
                )

    def uses(self, path: str) -> str:
        """Return what follows `uses:` for a path in Goferry's repository."""
        return f"{self.repository}/{path}@{self.ref}" + (f" # {self.tag}" if self.tag else "")


def render(text: str, place: TemplateSource) -> str:
    """Return a workflow or action whose `uses:` lines name Goferry at `place`; every other line stays."""
    return _USES.sub(lambda found: found["head"] + place.uses(found["own"] or found["placed"]), text)


def render_folder(source: Path, out: Path, place: TemplateSource) -> list[Path]:
    """Write the rendered copy of every workflow in `source` to `out`; return the written paths."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for path in sorted([*source.glob("*.yml"), *source.glob("*.yaml")]):
        target = out / path.name
        write_atomically(target, render(path.read_text(encoding="utf-8"), place).encode())
        written.append(target)
    return written
