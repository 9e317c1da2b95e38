"""GitHub's runner as far as a step can tell: how it reads its files and a log's lines (actions/runner, from its source)."""

import io
from types import SimpleNamespace

import pytest
from hypothesis import strategies as st

from goferry.runner.job import Job

COMMANDS = {
    "add-mask", "add-matcher", "remove-matcher", "group", "endgroup", "debug", "notice", "warning", "error",
    "set-output", "save-state", "set-env", "add-path", "echo", "stop-commands",
}  # fmt: skip


def read_entries(text):
    """EnvFileKeyValuePairs: `NAME=VALUE` and `NAME<<DELIMITER`; raises ValueError where the runner fails the step."""
    found, lines, at = [], text.split("\n"), 0
    if lines[-1] == "":
        lines.pop()
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if heredoc >= 0 and (equals < 0 or heredoc < equals):
            name, delimiter = line.split("<<", 1)
            if not name or not delimiter:
                raise ValueError(f"invalid format {line!r}")
            value = []
            while at < len(lines) and lines[at] != delimiter:
                value.append(lines[at])
                at += 1
            if at == len(lines):
                raise ValueError(f"no delimiter {delimiter!r}")
            at += 1
            found.append((name, "\n".join(value)))
        elif equals > 0:
            found.append(tuple(line.split("=", 1)))
        else:
            raise ValueError(f"invalid format {line!r}")
    return found


def unescape(text, more=()):
    for escaped, plain in (("%0D", "\r"), ("%0A", "\n"), *more, ("%25", "%")):
        text = text.replace(escaped, plain)
    return text


def read_command(line):
    """ActionCommand.TryParseV2, then TryParse: (name, properties, data), or None for a line of text."""
    line = line.lstrip()
    end = line.find("::", 2)
    if line.startswith("::") and end > 0:
        name, _, rest = line[2:end].partition(" ")
        if name in COMMANDS:
            pairs = [pair.split("=", 1) for pair in rest.strip().split(",")]
            properties = {
                pair[0]: unescape(pair[1], ((("%3A"), ":"), ("%2C", ","))) for pair in pairs if len(pair) == 2
            }
            return name, properties, unescape(line[end + 2 :])
    start = line.find("##[")
    close = line.find("]", start)
    if start >= 0 and close > start:
        name = line[start + 3 : close].partition(" ")[0]
        if name in COMMANDS:
            return name, {}, line[close + 1 :]
    return None


def read_log(text):
    """Every command in a log; a process's output ends lines at LF and CR."""
    return [found for line in text.replace("\r", "\n").split("\n") if (found := read_command(line))]


@pytest.fixture(scope="session")
def github():
    """How the runner reads: `entries(text)`, `command(line)`, `log(text)`."""
    return SimpleNamespace(entries=read_entries, command=read_command, log=read_log)


@pytest.fixture
def start(tmp_path):
    """`start(INPUT_X="…")` returns a job with fresh files, and `.log()`, `.file("OUTPUT")` beside it."""

    def begin(action="sign", **environ):
        folders = {"GITHUB_WORKSPACE": tmp_path / "work", "RUNNER_TEMP": tmp_path / "temp"}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        (folders["RUNNER_TEMP"] / "goferry" / "annotations").unlink(missing_ok=True)
        paths = {f"GITHUB_{name}": tmp_path / name for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")}
        for path in paths.values():
            path.write_text("")
        out = io.StringIO()
        surroundings = {key: str(value) for key, value in {**folders, **paths}.items()}
        job = Job.from_environ({**surroundings, **environ}, out, action=action)
        return SimpleNamespace(
            job=job, log=out.getvalue, file=lambda name: paths[f"GITHUB_{name}"].read_bytes().decode(), path=tmp_path
        )

    return begin


BITS = [
    "\n", "\r", "\r\n", "%", "%0A", "%25", ":", "::", ",", "=", "<<", "EOF", "ghadelimiter_", "\t", " ", "\x1b[31m",
    "::error::x", "::set-output name=x::y", "##[error]", "##[add-mask]x", "::add-mask::", "::stop-commands::x", "`", "```",
    "|", "<script>", "![x](http://x)", "\u2028", "\ufeff", "é", "\U0001d4b3", "\x00", "a", "# ", "- ",
]  # fmt: skip
hostile = st.lists(st.one_of(st.sampled_from(BITS), st.text(max_size=4)), max_size=8).map("".join)


@pytest.fixture(scope="session")
def hostile_text():
    """A hypothesis strategy of text that would like to be more than text."""
    return hostile
