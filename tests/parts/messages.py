"""What Goferry's messages say, read from its source: every text with a sample in place of each value."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from goferry.deploy import _client as client

SOURCE = Path(__file__).resolve().parents[2] / "src" / "goferry"
SAMPLES = {
    "', '.join(ACTIONS)": "sign, verify",
    "again": "run the same command again",
    "taken": "8080",
    "door.port": "8080",
    "place.port": "8080",
    "' after ' + when if when else ' later'": " later",
}
"""What stands in place of an expression, where `X` would not do."""


class Message(NamedTuple):
    """A text, and where it stands: `gobuild/build_plan.py:120`."""

    where: str
    text: str


def _text(node):
    """Return a literal's text, or None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.Constant) else SAMPLES.get(ast.unparse(part.value), "X")
            for part in node.values
        ]
        return "".join(parts)
    return None


def _texts(node):
    """Yield the texts of an expression; one that is made of several is told whole, of `Advice` the first alone."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Advice":
        yield from _texts(node.args[0])
        return
    text = _text(node)
    if text is not None:
        yield node, text
        return
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [_text(side) for side in (node.left, node.right)]
        if any(side is not None for side in sides):
            yield node, "".join("X" if side is None else side for side in sides)
            return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


@cache
def _modules():
    return {path.relative_to(SOURCE): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}


@cache
def _nodes():
    """Return all nodes of each module; walking is what takes time."""
    return {path: list(ast.walk(tree)) for path, tree in _modules().items()}


def _docstrings(nodes):
    for node in nodes:
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for each in body:
                if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                    yield each.value


@cache
def texts():
    """Return every text of the source that is not a docstring."""
    found = []
    for path, tree in _modules().items():
        quiet = set(map(id, _docstrings(_nodes()[path])))
        found += [
            Message(f"{path}:{node.lineno}", text)
            for statement in tree.body
            for node, text in _texts(statement)
            if id(node) not in quiet
        ]
    return found


@cache
def advice():
    """Return every line of advice: what is given as `advice`, directly or by a name or function of the source."""
    found, names = [], set()
    for path, nodes in _nodes().items():
        for node in nodes:
            if isinstance(node, ast.keyword) and node.arg == "advice":
                found += [Message(f"{path}:{each.lineno}", text) for each, text in _texts(node.value)]
                names |= {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}
                names |= {each.attr for each in ast.walk(node.value) if isinstance(each, ast.Attribute)}
    for path, nodes in _nodes().items():
        for node in nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if names & {getattr(target, "id", "") for target in targets}:
                    found += [Message(f"{path}:{each.lineno}", text) for each, text in _texts(node.value)]
    return [message for message in dict.fromkeys(found) if " " in message.text]


@cache
def variants():
    """Return what lines of advice say elsewhere: (surface, message) of each `Advice(…, step=…, caller=…)`."""
    found = []
    for path, nodes in _nodes().items():
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Advice":
                found += [
                    (keyword.arg, Message(f"{path}:{node.lineno}", _text(keyword.value)))
                    for keyword in node.keywords
                    if _text(keyword.value)
                ]
    return found


PROGRAMS = (
    "goferry", "goferry-host", "git", "go", "gh", "gpg", "ssh", "ssh-keygen", "minisign", "chmod", "cp", "docker", "env",
    "date", "ss", "systemctl", "journalctl", "apt-get", "timedatectl", "puttygen", "nginx", "sudo", "rm", "cat", "tail",
    "df", "export", "unset", "/usr/local/libexec/goferry-host",
)  # fmt: skip
_PROGRAM = f"(?:{'|'.join(map(re.escape, PROGRAMS))})"
_TYPED = re.compile(rf"(?::  |`)({_PROGRAM} [^`]*)")
_WHOLE = re.compile(rf"^\s*({_PROGRAM} .*)")
LISTS = ("cli/", "deploy/provision/command.py", "release/_notes.py")
"""Where a text that is a command as a whole is one that a person is shown: examples and next steps."""


@cache
def commands():
    """Return every command that an advice, an example or a next step shows, as it is shown."""
    found = []
    for message in texts():
        whole = message.where.startswith(LISTS)
        for line in message.text.split("\n"):
            typed = _TYPED.findall(line) or (_WHOLE.findall(line) if whole else [])
            found += [Message(message.where, each.strip()) for each in typed]
    for message in advice():
        typed = [] if ":  " in message.text else _WHOLE.findall(message.text)
        found += [Message(message.where, each.strip()) for each in typed]
    return list(dict.fromkeys(found))


VALUES = [
    (r"VERSIONX", "VERSION --service api"),
    (r"--openpgp-key \S+", "--openpgp-key KEYS/openpgp.asc"),
    (r"--(minisign|X)-key \S+", "--minisign-key KEYS/minisign.key"),
    (r"--identity \S+", "--identity deploy_key"),
    (r"--deploy-key \S+", "--deploy-key deploy_key.pub"),
    (r"--trust \S+", "--trust goferry.trust"),
    (r"--root \S+", "--root run"),
    (r"--report \S+", "--report report.html"),
    (r"--sequence X", "--sequence 1700000000"),
    (r"--host-key X", "--host-key SHA256:" + "A" * 43),
    (r"sshX", "ssh --host web-1"),
    (r"--host (HOST|X)", "--host web-1"),
    (r"--(to|go-version) (X|VERSION)", r"--\1 v1.2.3"),
    (r"--to v1.2.3X X", "--to v1.2.3 --target local --root run"),
    (r"--go-version v1.2.3", "--go-version 1.27.3"),
    (r"--repository X", "--repository acme/shop"),
    (r"--dir X", "--dir ."),
    (r"--main (X|\./cmd/api)", "--main ."),
    (r"X@X@sha256:X|REFERENCE", "acme/shop@v1.2.3@sha256:" + "0" * 64),
    (r"sha256:DIGEST", "sha256:" + "0" * 64),
    (r"--out X", "--out OTHER"),
    (r"--targets X", "--targets linux/amd64"),
    (r"provision (HOST|X)", "provision web-1"),
    (r"(status|deploy (?:dist|X)) X", r"\1 --target ssh --host web-1"),
    (r"(sign|verify|deploy|image|release) (X|DIST|downloads)\b", r"\1 dist"),
    (r"--only \S+", "--only api_linux_amd64"),
    (r"goferry keygen$", "goferry keygen --out OTHER"),
    (r"goferry keygen --out KEYS", "goferry keygen --out NEW"),
    (r"goferry merge .*", "goferry merge run dist --out OTHER"),
    (r"\.\./shop|services/api", "."),
    (r"--out (dist|DIST)$", "--out OTHER"),
    (r"sync-templates$", "sync-templates ../.github --owner OWNER --ref v1.0.0"),
    (r" > \S+| && .*|^env -u GOSUMDB ", ""),
]
"""What stands in place of a message's values, in this order."""
NOT_A_COMMAND = {"git ended with X", "goferry %(version)s", "goferry COMMAND", "go 1.27.3", "go X", "go has no way to write such a word",
                 "git add -f vendor)", "minisign secret key."}  # fmt: skip
ON_A_HOST = (
    "/usr/local/libexec/goferry-host ", "systemctl ", "journalctl ", "nginx ", "ssh ", "tail /var/log/", "cat /etc/ssh/",
    "ssh-keygen -lf /etc/", "apt-get install python3-minimal", "apt-get install nginx-light",
)  # fmt: skip
"""What is typed on a host, or to reach one."""


def shown():
    """Return every command that is one, and no word of a sentence."""
    return [message for message in commands() if message.text not in NOT_A_COMMAND]


def substituted(text, values):
    """Return a command with values in their place: (pattern, what stands there), one after another."""
    for pattern, value in values:
        text = re.sub(pattern, value, text)
    return text


def placed(message, target):
    """Return a command; what a host or an example of `rollback` shows without a target, with that one."""
    if not message.where.startswith(("host/", "kernel/", "cli/rollback")):
        return message.text
    return client.placed(message.text.replace("goferry status X", "goferry status"), target)
