"""Whose keys may deploy which project: the login's authorized_keys, changed by the options and nothing else; pure.

Each line is for one project, which its forced command says to the agent, with the key's fingerprint, by which a host
records who deployed. sshd takes the first line of a key, so a key deploys one project. Lines of the first hosts name
neither: the agent takes them while the host has one project. A line gets what it lacks when its key is given again.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Sequence

from goferry.deploy.errors import DeployKeyTaken
from goferry.kernel.errors import printable
from goferry.kernel.hostfile import AGENT

_LINE = re.compile(
    rf'restrict,command="{re.escape(AGENT)} connect(?: --project ([A-Za-z0-9._-]+))?'
    r'(?: --key [A-Za-z0-9:+/]+)?" (\S+ [A-Za-z0-9+/=]+)(?: .*)?'
)


def line(project: str, key: str) -> str:
    """Return a key's line: it may do one thing, and gets no terminal, forwarding or agent."""
    known = fingerprint(key)
    return f'restrict,command="{AGENT} connect --project {project}{" --key " + known if known else ""}" {key}\n'


def fingerprint(key: str) -> str:
    """Return a key's fingerprint as ssh shows it, `SHA256:…`; empty when it can't be read."""
    try:
        digest = hashlib.sha256(base64.b64decode(key.split()[1], validate=True)).digest()
    except (ValueError, IndexError):
        return ""
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def changed(
    text: str, project: str, add: Sequence[str], remove: Collection[str], projects: Collection[str]
) -> tuple[str, list[str]]:
    """Return authorized_keys with the keys of `add` allowed for `project` and those of `remove` taken out, and notes.

    Keys are `type base64 comment`. `projects` are the host's, this one among them. Lines that are not for this project,
    and those of another form, stay as they are.

    Raises:
        DeployKeyTaken: when a key is another project's.
    """
    lines, notes = text.splitlines(keepends=True), list[str]()
    others = sorted(set(projects) - {project})
    for key in add:
        blob = _blob(key)
        if (found := _owner(lines, blob)) is not None and found not in ("", project):
            raise DeployKeyTaken(
                f"the key {printable(key.rpartition(' ')[2], 80)} deploys {found} on this host",
                state="Nothing was changed.",
                advice=["make one for each project:  ssh-keygen -t ed25519 -N '' -f ~/.ssh/PROJECT_deploy"],
            )
        if found == "" and others:
            notes.append(
                f"the key {_comment(key)} is for {project} alone from now on; give another one for {', '.join(others)}"
            )
        named = any(_is(each, blob) and _names_key(each) == bool(fingerprint(key)) for each in lines)
        if found != project or not named:
            # sshd goes by a key's first line, so an older one of the same key has to go.
            lines = [each for each in lines if not _is(each, blob)]
            lines.append(line(project, key))
    for key in remove:
        lines = [each for each in lines if not (_is(each, _blob(key)) and _project(each) in ("", project))]
    unbound = sum(_project(each) == "" for each in lines)
    if unbound and others:
        notes.append(
            f"{unbound} deploy key(s) name no project and are refused while the host has several; give each again:  "
            "goferry provision HOST --deploy-key FILE.pub"
        )
    return "".join(each if each.endswith("\n") else each + "\n" for each in lines), notes


def without(text: str, project: str, *, last: bool) -> str:
    """Return authorized_keys without a project's lines; with the last project those go too that name none."""
    names = (project, "") if last else (project,)
    return "".join(each for each in text.splitlines(keepends=True) if _project(each) not in names)


def _blob(key: str) -> str:
    return " ".join(key.split()[:2])


def _comment(key: str) -> str:
    return printable(" ".join(key.split()[2:]) or key.split()[1][-12:], 80)


def _is(text: str, blob: str) -> bool:
    found = _LINE.fullmatch(text.strip())
    return found is not None and found[2] == blob


def _names_key(text: str) -> bool:
    return " --key SHA256:" in text


def _project(text: str) -> str | None:
    """Return a line's project, an empty string where it names none, None where it is not ours."""
    found = _LINE.fullmatch(text.strip())
    return (found[1] or "") if found else None


def _owner(lines: Sequence[str], blob: str) -> str | None:
    return next((_project(each) for each in lines if _is(each, blob)), None)
