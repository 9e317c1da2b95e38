"""What Go says of modules that it can't have, by name, at every stage that hears it."""

from pathlib import Path

import pytest

from goferry.artifacts import fetching
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.gobuild import _compiler as compiler, gate, project_modules
from goferry.gobuild._positions import Places
from goferry.golang import modules as cache
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream
from goferry.system import process
from goferry.system.process import Completed

X = "main.go:2:8: example.org/x@v1.2.3: "
FROM = "http://127.0.0.1:9/example.org/x/@v/v1.2.3"
GIT = "go: example.org/x@v1.2.3: invalid version: git ls-remote -q origin in /c/vcs/1: exit status 128:\n\tfatal: "
WORDS = [
    (f'{X}Get "{FROM}.zip": dial tcp 127.0.0.1:9: connect: connection refused', "modules-unreachable", 5),
    (f'{X}Get "{FROM}.zip": EOF', "modules-unreachable", 5),
    (f"{X}reading {FROM}.zip: 502 Bad Gateway", "modules-unreachable", 5),
    ('unrecognized import path "x.example": https fetch: Get "https://x.example?go-get=1": dial tcp: lookup x.example: no such host', "modules-unreachable", 5),
    (f"{X}reading {FROM}.zip: 404 Not Found", "modules-not-found", 1),
    (f"{X}reading {FROM}.zip: 410 Gone", "modules-not-found", 1),
    (f"{X}reading file:///srv/x/@v/v1.2.3.zip: no such file or directory", "modules-not-found", 1),
    ("go: example.org/x@v1.9.9: invalid version: unknown revision v1.9.9", "modules-not-found", 1),
    ("main.go:2:8: module lookup disabled by GOPROXY=off", "modules-not-found", 1),
    (f"{X}reading {FROM}.zip: 403 Forbidden", "modules-closed", 1),
    (f"{X}reading {FROM}.zip: 401 Unauthorized", "modules-closed", 1),
    (f"{GIT}could not read Username for 'https://github.com': terminal prompts disabled", "modules-closed", 1),
    (f"{GIT}git@github.com: Permission denied (publickey).", "modules-closed", 1),
    (f"{X}verifying module: example.org/x@v1.2.3: reading https://s.example/lookup/example.org/x@v1.2.3: 404 Not Found", "modules-closed", 1),
    (f"{X}verifying module: checksum mismatch\n\tdownloaded: h1:a=\n\tgo.sum: h1:b=\n\nSECURITY ERROR", "module-sum-wrong", 3),
    ("main.go:2:8: missing go.sum entry for module providing package example.org/x; to add:\n\tgo get a", "modules-incomplete", 2),
    ("go: inconsistent vendoring in /src:\n\texample.org/x@v1.2.3: is explicitly required in go.mod", "modules-incomplete", 2),
    ("main.go:2:8: invalid proxy URL scheme (must be https, http, file): htp://x", "proxy-list-invalid", 2),
    ("main.go:2:8: GOPROXY list is not the empty string, but contains no entries", "proxy-list-invalid", 2),
]  # fmt: skip
NOWHERE = Places(Path("/src/shop"), Path("/src/shop"), {})


@pytest.fixture
def failing(monkeypatch):
    """Have every process fail with these words."""

    def fail(words):
        monkeypatch.setattr(process, "run", lambda argv, **_: Completed(tuple(argv), 1, b"", words.encode()))
        monkeypatch.setattr(cache, "run", process.run)

    return fail


class Go:
    """A toolchain of which nothing is run."""

    go = "go"
    version = "1.24.13"

    def environ(self, environ, **more):
        return {**environ, **more}


def vetted(_):
    gate._judge_vet(process.run(["go", "vet"]), NOWHERE)


def compiled(_):
    raise compiler.failure(process.run(["go", "build"]), "linux/amd64", NOWHERE)


def looked(folder):
    (folder / "go.mod").write_text("module example.com/shop\n")
    project_modules.find(folder, Go(), {})


def downloaded(folder):
    cache.download(Context(Settings({}, folder), Stream()), Go(), folder)


@pytest.mark.parametrize(("words", "name", "code"), WORDS)
@pytest.mark.parametrize("stage", [vetted, compiled, looked, downloaded])
def test_modules_that_go_can_not_have_are_named_at_every_stage(tmp_path, failing, stage, words, name, code):
    failing(words)
    with pytest.raises(GoferryError) as caught:
        stage(tmp_path)
    assert (caught.value.name, caught.value.exit_code) == (name, code)
    assert words.partition("\n")[0][:40] in caught.value.what
    assert caught.value.advice


@pytest.mark.parametrize(
    "words",
    [
        "main.go:9:1: syntax error: unexpected EOF, expected }",
        "main.go:5:2: fmt.Printf format %d has arg x of wrong type string",
        'x_test.go:3:9: undefined: http.StatusText("404")',
    ],
)
def test_what_is_wrong_with_the_source_is_no_module(words, failing):
    assert fetching.fault(words, words) is None
    failing(words)
    with pytest.raises(gate.VetFailed):
        vetted(None)


REFUSED = "127.0.0.1:9 answered {}: it may refuse this module, a public one too; ask who runs that proxy"
PRIVATE, IF_PRIVATE = "name a private module's place in the", "if the module is private, name its place in the"


@pytest.mark.parametrize(
    ("words", "first", "private"),
    [
        (f"{X}reading {FROM}.zip: 403 Forbidden", REFUSED.format("403 Forbidden"), IF_PRIVATE),
        (f"{X}reading {FROM}.mod: 401 Unauthorized", REFUSED.format("401 Unauthorized"), IF_PRIVATE),
        (f"{X}reading https://s.example/lookup/example.org/x@v1.2.3: 404 Not Found", PRIVATE, PRIVATE),
        (f"{GIT}git@github.com: Permission denied (publickey).", PRIVATE, PRIVATE),
    ],
)
def test_of_a_module_that_a_proxy_refuses_its_answer_is_told_before_privacy(words, first, private):
    advice = fetching.fault(words, words).advice
    assert advice[0].startswith(first)
    assert next(line for line in advice if "GOPRIVATE=" in line).startswith(private)


INCONSISTENT = "go: inconsistent vendoring in /src:\n\texample.org/x@v1.2.3: is explicitly required\n\n\tTo sync the vendor directory, run:\n\t\tgo {} vendor"


@pytest.mark.parametrize("kind", ["mod", "work"])
def test_vendor_is_brought_up_to_date_by_the_command_that_made_it(kind):
    error = fetching.fault(INCONSISTENT.format(kind), "x", chdir="-C api ")
    assert error.name == "modules-incomplete"
    assert error.advice[0].endswith(f":  go {kind} vendor -C api")


def test_the_advice_is_for_the_module_s_folder():
    error = fetching.fault("inconsistent vendoring", "x", chdir="-C api ")
    assert error.advice == ("bring vendor/ up to date and commit it:  go mod vendor -C api",)
