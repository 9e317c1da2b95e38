"""goferry.yml: what is accepted, and that everything else names file, line, column and the nearest key."""

import contextlib

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.config._document import MAX_BYTES, DocumentError, parse
from goferry.config.errors import ConfigInvalid, ProjectUnknown
from goferry.config.load import load, load_for

SERVICE = "services: {api: {main: ./cmd/api, listen: {env: ADDR}}}\n"


@pytest.fixture
def repository(tmp_path):
    (tmp_path / ".git").mkdir()

    def write(text, name="goferry.yml"):
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / name).write_bytes(data)
        return tmp_path

    return write


def test_without_a_file_everything_has_its_default(tmp_path):
    loaded = load(tmp_path)
    assert (loaded.file, loaded.name, loaded.directory) == (None, "", tmp_path)
    assert loaded.project.image.user == "65532:65532"
    assert set(loaded.project.environments) == {"development", "staging", "production"}
    assert loaded.project.environments["production"].dependencies == "locked"


def test_an_empty_file_is_no_configuration(repository):
    """What holds without a file is not read through the check; it has to be the same."""
    without = load(repository("", "README.md"))
    empty = load(repository("# nothing\n"))
    assert empty.project == without.project
    assert (empty.name, empty.root, empty.directory) == (without.name, without.root, without.directory)


def test_a_service(repository):
    service = load(repository(SERVICE)).project.services["api"]
    assert (service.main, service.listen.env, service.health, service.ready_within) == (
        "./cmd/api",
        "ADDR",
        "/healthz",
        30.0,
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("go: {version: 1.20}", 1, 15, 'version: "1.20"'),
        ("go:\n  version: true\n", 2, 12, "quotes"),
        ("go:\n  version:\n", 2, 11, "must be text, not nothing"),
        ("srvices: {}", 1, 1, "did you mean services?"),
        ("image: {max_size: 5}", 1, 9, "did you mean max-size?"),
        ("builds: {archives: yes}", 1, 20, "write true"),
        ("builds: {targets: linux/amd64}", 1, 19, "write a list:  [linux/amd64]"),
        ("builds: {ldflags: -s -w}", 1, 19, "write a list:  [-s -w]"),
        ('builds: {ldflags: "-X a.b={version}"}', 1, 19, 'write a list:  ["-X a.b={version}"]'),
        ("builds: {tags: 'a, b'}", 1, 16, 'write a list:  ["a, b"]'),
        ("builds: {targets: [linux]}", 1, 20, "platform"),
        ("builds: {mains: [/etc]}", 1, 18, "relative path"),
        ("builds: {files: [../../secret]}", 1, 18, "leads out"),
        ("services: {api: {main: ., listen: {socket: true}, env-file: /etc/x}}", 1, 61, "relative path"),
        ("builds: {files: ['a\\b']}", 1, 18, "forward slashes"),
        ("services: {Api: {main: ., listen: {env: A}}}", 1, 12, "is not a valid name"),
        ("services: {api: {listen: {env: A}}}", 1, 17, "lacks the key main"),
        ("services: {api: {main: ., listen: {env: A, socket: true}}}", 1, 35, "env and socket"),
        ("services: {api: {main: ., listen: {}}}", 1, 35, "none is given"),
        ("services: {api: {main: .}}", 1, 17, "lacks the key listen"),
        ('services: {api: {main: ., args: ["{host}"]}}', 1, 17, "lacks the key listen"),
        ("services: {api: {main: ., listen: {port-env: A=B}}}", 1, 46, "environment variable"),
        ("services: {api: {main: ., listen: {port-env: P, env: A}}}", 1, 35, "port-env and env"),
        ("services: {api: {main: ., listen: {port-env: P}, env: {P: '80'}}}", 1, 17, "set by listen"),
        ("services: {api: {main: ., listen: {env: ADDR}, env: {ADDR: '{port}'}}}", 1, 17, "set by listen"),
        ("services: {api: {main: ., listen: {port-env: LISTEN_FDS}}}", 1, 46, "set by Goferry"),
        ("services: {api: {main: ., listen: {env: GOFERRY_CONTROL}}}", 1, 41, "set by Goferry"),
        ("services: {api: {main: ., listen: {env: A}, env: {GOFERRY_VERSION: x}}}", 1, 50, "set by Goferry"),
        (f"services: {{api: {{main: ., listen: {{env: {'A' * 201}}}}}}}", 1, 41, "environment variable"),
        (f"services: {{api: {{main: ., listen: {{env: A}}, health: /{'x' * 1001}}}}}", 1, 53, "a path"),
        ('services: {api: {main: ., listen: {socket: true}, args: ["{port}"]}}', 1, 17, "no port of its own"),
        ("services: {api: {main: ., listen: {flag: -rf /}}}", 1, 42, "a flag"),
        ("services: {api: {main: ., listen: {env: A}, port: 70000}}", 1, 51, "0 to 65535"),
        ("services: {api: {main: ., listen: {env: A}, bake: -1}}", 1, 51, "0 to 86400"),
        ("services: {api: {main: ., listen: {env: A}, env: {PORT: 80}}}", 1, 57, '"80"'),
        ("sign: {formats: [opengpg]}", 1, 18, "did you mean openpgp?"),
        ("environments: {a: {inherits: b}, b: {inherits: a}}", 1, 30, "a → b → a"),
        ("environments: {a: {inherits: stagin}}", 1, 30, "did you mean staging?"),
        ("environments: {a: {hosts: ['-oProxyCommand=x']}}", 1, 28, "host name"),
        ("image: {user: root}", 1, 15, "65532:65532"),
        ("image: {name: Shop}", 1, 15, "image name"),
        ("image: {ports: ['0']}", 1, 17, "8080/tcp"),
        ("project: ../x", 1, 10, "is not a valid name"),
        ("go: 1\ngo: 2\n", 2, 1, "second time"),
        pytest.param("[" * MAX_BYTES, 1, 26, "nested too deeply", id="brackets alone"),
        pytest.param("a: " + "{a: " * 30, 1, 97, "nested too deeply", id="mappings alone"),
        ("- " * 30, 1, 51, "nested too deeply"),
        ("[]", 1, 1, "must be a mapping"),
        ("just words", 1, 1, "must be a mapping"),
        ("\tgo: 1", 1, 1, "spaces"),
        ("go: {<<: {version: a}}", 1, 6, "merge keys"),
        ("go: !!python/object:os.system {}", 1, 5, "means nothing here"),
        ("a: &a [*a]", 1, 4, "contains itself"),
        ("---\na: 1\n---\nb: 2\n", 3, 1, "another document"),
        ("projects: {}", 1, 11, "empty"),
        ("project: x\nprojects: {a: {}}", 1, 1, "belongs in each"),
        ("projects: {a: {dir: nowhere}}", 1, 21, "no folder"),
    ],
)
def test_a_problem_names_its_place(repository, text, line, column, says):
    with pytest.raises(ConfigInvalid) as caught:
        load(repository(text))
    error = caught.value
    assert says in error.what
    assert (error.facts["file"], error.facts["line"], error.facts["column"]) == ("goferry.yml", line, column)
    assert error.what.startswith(f"goferry.yml:{line}:{column}: ")
    assert error.exit_code == 2


def test_all_problems_are_said_at_once(repository):
    with pytest.raises(ConfigInvalid) as caught:
        load(repository("srvices: {}\ngo:\n  versoin: x\n"))
    assert [problem["line"] for problem in caught.value.facts["problems"]] == [1, 3]


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe", b"go: \x00", b"# " + b"x" * MAX_BYTES, b"{", b"go: 'x", b"&a" * 9, b"? [a]\n: 1"],
)
def test_what_is_no_yaml_is_refused(repository, data):
    with pytest.raises(ConfigInvalid):
        load(repository(data))


def test_aliases_do_not_explode(repository):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 12)]
    with pytest.raises(ConfigInvalid, match="more than 10000 values"):
        load(repository("\n".join(lines)))


def test_words_of_yaml_1_1_are_words(repository):
    assert load(repository("builds: {tags: [no, on, 'yes']}")).project.builds.tags == ["no", "on", "yes"]


def test_environments_inherit(repository):
    text = "environments:\n  canary: {inherits: staging, hosts: [h1]}\n  edge: {inherits: canary}\n  bare: {}\n"
    found = load(repository(text)).project.environments
    assert (found["edge"].accepts, found["edge"].hosts, found["edge"].dependencies) == ("releases", ["h1"], "releases")
    assert found["bare"].dependencies == "locked"


@pytest.fixture
def several(repository):
    root = repository(
        "image: {user: '1:1', env: {A: a}}\n"
        "projects:\n  one: {dir: one, image: {env: {B: b}}}\n  two: {dir: two, builds: {tags: [x]}}\n"
    )
    (root / "one" / "deep").mkdir(parents=True)
    (root / "two").mkdir()
    return root


def test_several_projects_share_defaults(several):
    one = load(several, project="one")
    assert (one.name, one.directory, one.root) == ("one", several / "one", several)
    assert one.project.image.env == {"A": "a", "B": "b"}
    assert one.project.image.user == "1:1"
    assert load(several / "one" / "deep").name == "one"
    assert load_for(several, "two").project.builds.tags == ["x"]


@pytest.mark.parametrize("name", ["", "three"])
def test_several_projects_need_a_known_name(several, name):
    with pytest.raises(ProjectUnknown) as caught:
        load(several, project=name)
    assert caught.value.facts["projects"] == ["one", "two"]


def test_a_link_does_not_lead_out(repository, tmp_path_factory):
    root = repository("dir: link\n")
    (root / "link").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(ConfigInvalid, match="leads out"):
        load(root)


def test_another_spelling_of_the_name_is_said(repository):
    with pytest.raises(ConfigInvalid, match=r"name is goferry\.yml"):
        load(repository("", "goferry.yaml"))


def test_a_nested_module_is_not_the_files_project(repository):
    root = repository(SERVICE)
    (root / "tool").mkdir()
    (root / "tool" / "go.mod").write_text("module example.com/tool\n")
    assert load(root / "tool").project.services == {}
    assert load(root / "tool").file is None


@settings(deadline=None, max_examples=examples(150))
@given(st.binary(max_size=200) | st.text(alphabet="{}[]:,-&*!|>'\"# \nab1.", max_size=60).map(str.encode))
def test_any_bytes_give_a_document_or_a_named_problem(data):
    with contextlib.suppress(DocumentError):
        parse(data).plain()
