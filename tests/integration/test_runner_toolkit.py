"""GitHub's own @actions/core beside goferry.runner: the same calls write the same bytes and read the same values."""

import http.server
import io
import json
import random
import subprocess
import threading
from types import SimpleNamespace

import pytest

from goferry.runner import _environment_files as environment_files, _oidc as oidc
from goferry.runner._inputs import Inputs
from goferry.runner._workflow_commands import command
from goferry.runner.errors import InputInvalid, OidcPermissionMissing, RunnerValueRefused
from goferry.runner.job import Job

UUID = "3f1c2ab0-0000-4000-8000-000000000000"
BITS = [
    "\n", "\r", "\r\n", "%", "%0A", "%25", ":", "::", ",", "=", "<<", "EOF", "\t", " ", "\x1b[31m", "::error::x", "##[error]",
    "::add-mask::", "`", "|", "<b>", "\u2028", "\ufeff", "\x85", "\x1f", "é", "\U0001d4b3", "a", "# ", "\\", '"', "'", "$(x)", "\x00", "\ud800",
    "ghadelimiter_", "ghadelimiter", "true", "null", "{}", "~",
]  # fmt: skip


def nasty(count, seed, bits=BITS):
    """The same hostile texts every time: each bit alone, and mixtures of them."""
    chosen = random.Random(seed)
    return ["", *bits, *("".join(chosen.choices(bits, k=chosen.randint(2, 7))) for _ in range(count))]


@pytest.fixture
def toolkit(node_part, part, tmp_path):
    """`toolkit([[name, argument…]…], **environ)` returns `.out` and `.results` of the calls made by @actions/core."""
    folder = node_part("@actions/core").parents[2]

    def call(calls, **environ):
        results = tmp_path / "results.json"
        done = subprocess.run(
            [part("node"), "toolkit.mjs"],
            cwd=folder,
            env={"RESULTS": str(results), **environ},
            input=json.dumps(calls).encode(),
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return SimpleNamespace(out=done.stdout.decode(), results=json.loads(results.read_text()))

    return call


@pytest.fixture
def sides(tmp_path, monkeypatch):
    """Two sets of the runner's files, `.environ(side)` and `.bytes(side, name)`; both sides draw the same delimiter."""
    monkeypatch.setattr(environment_files.uuid, "uuid4", lambda: UUID)

    def environ(side):
        found = {}
        for name in ("OUTPUT", "ENV", "PATH", "STATE", "STEP_SUMMARY"):
            path = tmp_path / f"{side} {name}"
            path.touch()
            found[f"GITHUB_{name}"] = str(path)
        return {**found, "DELIMITER": UUID, "RUNNER_TEMP": str(tmp_path)}

    return SimpleNamespace(environ=environ, bytes=lambda side, name: (tmp_path / f"{side} {name}").read_bytes())


def test_commands_are_the_same_bytes(toolkit):
    calls, ours = [["startGroup", "a"], ["endGroup"]], [command("group", "a"), command("endgroup")]
    texts = nasty(150, "commands")
    for text, title in zip(texts, reversed(texts), strict=True):
        for kind in ("error", "warning", "notice"):
            properties = {"title": title, "file": text, "startLine": 3, "endLine": 0, "startColumn": 7, "endColumn": 9}
            named = {"title": title, "file": text, "line": 3, "end_line": 0, "column": 7, "end_column": 9}
            calls += [[kind, text, properties], [kind, text]]
            ours += [command(kind, text, named), command(kind, text)]
        calls += [["setSecret", text], ["debug", text], ["startGroup", text]]
        ours += [command("add-mask", text), command("debug", text), command("group", text)]
    assert toolkit(calls).out == "".join(line + "\n" for line in ours)


VALUES = [
    None, True, False, 0, -3, 12345678901, 0.5, [], {}, [None], {"a": {"b": [1, "é\n\u2028", "\ud800", "\U0001d4b3", "\x1f\x7f", '"\\/']}},
    [{"name": "shop_linux_amd64", "size": 7_900_000}],
]  # fmt: skip


def test_the_runners_files_are_the_same_bytes(toolkit, sides):
    texts = [text for text in nasty(150, "files") if "\0" not in text]
    calls = [["setOutput", f"name-{index}", value] for index, value in enumerate([*texts, *VALUES])]
    calls += [["exportVariable", f"NAME_{index}", value] for index, value in enumerate([*texts, *VALUES])]
    calls += [["addPath", "/opt/go/bin"], ["addPath", "/with space/é:x"]]
    assert all("error" not in result for result in toolkit(calls, **sides.environ("theirs")).results)
    ours = Job.from_environ(sides.environ("ours"), io.StringIO())
    for name, *given in calls:
        {"setOutput": ours.set_output, "exportVariable": ours.export, "addPath": ours.add_path}[name](*given)
    for name in ("OUTPUT", "ENV", "PATH"):
        assert sides.bytes("ours", name) == sides.bytes("theirs", name), name
    assert sides.bytes("ours", "OUTPUT").count(UUID.encode()) == 2 * len([*texts, *VALUES])


def test_a_value_with_the_delimiter_is_refused_by_both(toolkit, sides):
    text = f"a\nghadelimiter_{UUID}\nevil=1"
    theirs = toolkit([["setOutput", "x", text]], **sides.environ("theirs"))
    assert "should not contain the delimiter" in theirs.results[0]["error"]
    with pytest.raises(RunnerValueRefused, match="that would end it"):
        Job.from_environ(sides.environ("ours"), io.StringIO()).set_output("x", text)
    assert sides.bytes("ours", "OUTPUT") == sides.bytes("theirs", "OUTPUT") == b""


def test_both_add_to_what_the_other_wrote(toolkit, sides):
    environ = sides.environ("both")
    ours = Job.from_environ(environ, io.StringIO())
    ours.set_output("first", "1")
    ours.summary("## Ours")
    toolkit([["setOutput", "second", "2\n"], ["summary", "## Theirs\n"]], **environ)
    ours.set_output("third", "3")
    ours.summary("## Ours again")
    end = f"ghadelimiter_{UUID}"
    assert sides.bytes("both", "OUTPUT").decode() == (
        f"first<<{end}\n1\n{end}\nsecond<<{end}\n2\n\n{end}\nthird<<{end}\n3\n{end}\n"
    )
    assert sides.bytes("both", "STEP_SUMMARY") == b"## Ours\n\n## Theirs\n## Ours again\n\n"


def in_environment(text):
    return "\0" not in text and "\ud800" not in text


def test_inputs_are_the_same_values(toolkit, tmp_path):
    texts = [text for text in nasty(200, "inputs") if in_environment(text)]
    environ = {f"INPUT_A-{index}": text for index, text in enumerate(texts)}
    names = [f"a-{index}" for index in range(len(texts))]
    ours = Inputs(environ, tmp_path)
    theirs = toolkit(
        [["getInput", name] for name in names] + [["getMultilineInput", name] for name in names], **environ
    )
    values = [result["value"] for result in theirs.results]
    assert [ours.text(name) for name in names] == values[: len(names)]
    assert [ours.lines(name) for name in names] == [[line for line in lines if line] for lines in values[len(names) :]]


def test_booleans_are_the_same_values(toolkit, tmp_path):
    texts = [
        "true",
        "True",
        "TRUE",
        "false",
        "False",
        "FALSE",
        " true\n",
        "tRUE",
        "yes",
        "on",
        "1",
        "0",
        "null",
        "\x85true",
    ]
    environ = {f"INPUT_A-{index}": text for index, text in enumerate(texts)}
    ours = Inputs(environ, tmp_path)

    def read(name):
        try:
            return {"value": ours.boolean(name)}
        except InputInvalid:
            return {"error": ""}

    theirs = toolkit([["getBooleanInput", f"a-{index}"] for index in range(len(texts))], **environ)
    same = [{**result, **({"error": ""} if "error" in result else {})} for result in theirs.results]
    assert [read(f"a-{index}") for index in range(len(texts))] == same


def test_a_required_input_is_enforced_by_both(toolkit):
    theirs = toolkit([["getInput", "release", {"required": True}]], INPUT_RELEASE="")
    assert "Input required and not supplied: release" in theirs.results[0]["error"]


@pytest.fixture
def issuer():
    """An issuer of identity tokens on 127.0.0.1; `.asked` holds path and authorization of every request."""

    class Issuer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append((self.path, self.headers["Authorization"], self.headers["Accept"]))
            body = json.dumps({"count": 1, "value": "head.pay%load.sig"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    server.asked = []
    server.environ = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/_apis/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer.x",
    }
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_identity_tokens_are_asked_for_alike_and_masked(toolkit, issuer, tmp_path):
    audiences = ["sigstore", "https://web-1.example/?a=b&c", "é !'()*~", ""]
    theirs = toolkit([["getIDToken", audience] for audience in audiences], **issuer.environ)
    assert [result["value"] for result in theirs.results] == ["head.pay%load.sig"] * len(audiences)
    asked = list(issuer.asked)
    issuer.asked.clear()
    for audience in audiences:
        out = io.StringIO()
        job = Job.from_environ({**issuer.environ, "RUNNER_TEMP": str(tmp_path)}, out)
        assert job.oidc_token(audience) == "head.pay%load.sig"
        assert out.getvalue() in theirs.out
    assert issuer.asked == asked


def test_both_miss_the_permission(toolkit):
    assert "Unable to get ACTIONS_ID_TOKEN_REQUEST_URL" in toolkit([["getIDToken", "x"]]).results[0]["error"]
    with pytest.raises(OidcPermissionMissing, match="id-token: write"):
        oidc.request({}, "x")
