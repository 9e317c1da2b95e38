"""Starter workflows for an organisation: what lies in workflows-templates/, put where GitHub reads it.

GitHub offers an organisation's starter workflows from `workflow-templates/` of its repository `.github`: for each a
workflow, its properties (name.properties.json) and its icon (name.svg), side by side (GitHub docs, "Creating workflow
templates for your organization"). Here they name Goferry by a placeholder (pipeline.rendering); there they name its
repository at a commit, with the version behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from goferry.gobuild.revision import git_environ
from goferry.kernel.errors import Failed, Misuse, Refused, printable
from goferry.kernel.files import write_atomically
from goferry.pipeline.rendering import TemplateSource, render
from goferry.system import process

FOLDER = "workflow-templates"
SOURCE = Path(__file__).resolve().parents[3] / "workflows-templates"
_MARK = "# A starter workflow of Goferry; `goferry sync-templates` keeps the organisation's copy up to date.\n"
_COMMIT = re.compile(r"[0-9a-f]{40}")


class TemplatesMissing(Failed):
    """The starter workflows are not beside this Goferry.

    They are part of the repository; a Goferry that was installed as a package does not have them.
    """

    name = "templates-missing"


class TagUnknown(Misuse):
    """The tag for pinning the starter workflows is not known, and so its commit isn't either.

    Usual causes: a typing error, or a checkout without tags.
    """

    name = "tag-unknown"


class TemplateForeign(Refused):
    """A file that Goferry did not write is in the place of a starter workflow.

    Usual causes: an organisation's own workflow of the same name, or a workflow without its original first line.
    """

    name = "template-foreign"


@dataclass(frozen=True)
class FileChange:
    """One file to bring up to date: `action` is `create`, `update` or `unchanged`."""

    path: Path
    content: bytes
    action: str


def commit_of(tag: str, environ: Mapping[str, str], checkout: Path = SOURCE.parent) -> str:
    """Return the commit that a tag of Goferry's checkout stands for, 40 hex digits.

    Raises:
        TemplatesMissing: this Goferry has no checkout, so the tags around it are somebody else's.
        TagUnknown: there is no such tag, or no git.
    """
    if not (checkout / SOURCE.name).is_dir():
        raise _missing(checkout / SOURCE.name)
    try:
        done = process.run(
            ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"refs/tags/{tag}^{{commit}}"],
            environ=git_environ(checkout, environ),
            cwd=checkout,
        )
        commit = done.text.strip() if done.code == 0 else ""
    except process.ToolMissing:
        commit = ""
    if not _COMMIT.fullmatch(commit):
        raise TagUnknown(
            f"no tag {printable(tag, 100)} in Goferry's checkout",
            state="Nothing was written.",
            advice=[
                "fetch it:  git fetch --tags",
                f"or say which commit it is:  --ref {printable(tag, 100)} --sha COMMIT",
            ],
        )
    return commit


def checked_commit(sha: str) -> str:
    """Return a commit that was given, in full.

    Raises:
        TagUnknown: it is not 40 hex digits.
    """
    if not _COMMIT.fullmatch(sha):
        raise TagUnknown(
            f"{printable(sha, 100)!r} is not a commit in full (40 hex digits in lower case)",
            state="Nothing was written.",
            advice=["see it in Goferry's checkout:  git rev-parse 'v1.0.0^{commit}'"],
        )
    return sha


def plan(folder: Path, place: TemplateSource, source: Path = SOURCE) -> list[FileChange]:
    """Return what has to be written so that `folder`/workflow-templates is up to date; reads only.

    Raises:
        TemplatesMissing: there is nothing to copy from.
        TemplateForeign: a file that Goferry did not write is in the way.
    """
    names = sorted(path.stem for path in source.glob("*.yml"))
    if not names:
        raise _missing(source)
    return [change for name in names for change in _trio(folder / FOLDER, name, place, source)]


def _missing(source: Path) -> TemplatesMissing:
    return TemplatesMissing(
        f"no starter workflows in {printable(str(source))}",
        state="Nothing was written.",
        advice=["run the goferry command of a checkout of Goferry"],
    )


def write(changes: list[FileChange]) -> None:
    """Write what a plan says."""
    for change in changes:
        if change.action != "unchanged":
            change.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(change.path, change.content)


def _trio(target: Path, name: str, place: TemplateSource, source: Path) -> list[FileChange]:
    workflow = _MARK + render((source / f"{name}.yml").read_text(encoding="utf-8"), place)
    contents = {
        target / f"{name}.yml": workflow.encode(),
        target / f"{name}.properties.json": (source / f"{name}.properties.json").read_bytes(),
        target / f"{name}.svg": (source / f"{name}.svg").read_bytes(),
    }
    ours = _ours(target / f"{name}.yml")
    return [FileChange(path, content, _action(path, content, ours=ours)) for path, content in contents.items()]


def _ours(workflow: Path) -> bool:
    return workflow.is_file() and not workflow.is_symlink() and workflow.read_bytes().startswith(_MARK.encode())


def _action(path: Path, content: bytes, *, ours: bool) -> str:
    for folder in (path.parent.parent, path.parent):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise _foreign(folder, "is not a folder")
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise _foreign(path, "is not a regular file")
    if not path.exists():
        return "create"
    if path.read_bytes() == content:
        return "unchanged"
    if not ours:
        raise _foreign(path, "was not written by Goferry")
    return "update"


def _foreign(path: Path, why: str) -> TemplateForeign:
    return TemplateForeign(
        f"{printable(str(path))} {why}", state="Nothing was written.", advice=["move it away, and run this again"]
    )
