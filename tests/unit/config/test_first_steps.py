"""The JSON Schema, `init`, and `doctor`."""

import json
import re
from dataclasses import replace

import jsonschema
import pytest
import yaml

from goferry.cli.main import run
from goferry.config.describe import schema
from goferry.config.errors import ProjectUnknown
from goferry.config.load import load, to_name
from goferry.config.start import NoModule, how_it_listens, proposal
from goferry.config.survey import survey

SERVER = 'package main\nimport (\n"net/http"\n"os"\n)\nfunc main() {\n%s\nhttp.ListenAndServe(addr, nil)\n}\n'
NAMED = "{shop: {main: ., listen: {env: ADDR}}}"


def validator():
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_our_examples_are_valid(root):
    for path in root.glob("examples/*/goferry.yml"):
        validator().validate(yaml.safe_load(path.read_text()))
        load(path.parent)


@pytest.mark.parametrize(
    "value",
    [{"srvices": {}}, {"go": {"version": 1.2}}, {"services": {"a": {"main": ".", "listen": {}}}}, {"services": {"A": {"main": ".", "listen": {"env": "A"}}}}],
)  # fmt: skip
def test_the_schema_refuses_what_we_refuse(value):
    assert not validator().is_valid(value)


def test_every_key_is_described():
    for name, section in schema()["$defs"].items():
        for key, value in section["properties"].items():
            assert value["description"], f"{name}.{key}"


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "go.mod").write_text("module example.com/shop/v3\n")

    def add(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        return tmp_path

    return add


@pytest.mark.parametrize(
    ("line", "listen"),
    [
        ('addr := os.Getenv("LISTEN_ADDR")', {"env": "LISTEN_ADDR"}),
        ('_ = os.Getenv("TOKEN"); addr := os.Getenv("ADDR")', {"env": "ADDR"}),
        ('addr := flag.String("listen", ":80", "")', {"flag": "--listen"}),
        ('addr := ":" + os.Getenv("PORT")', {"port-env": "PORT"}),
        (
            '_ = os.Getenv("DB_PORT"); port, ok := os.LookupEnv("HTTP_PORT"); addr := ":" + port',
            {"port-env": "HTTP_PORT"},
        ),
        ('_ = os.Getenv("PORT"); addr := os.Getenv("ADDR")', {"env": "ADDR"}),
        ('flag.StringVar(&addr, "http-addr", ":80", "")', {"flag": "--http-addr"}),
    ],
)
def test_a_server_is_named_in_two_lines(repository, line, listen):
    root = repository("cmd/api/main.go", SERVER % line)
    text = proposal(survey(root))
    assert yaml.safe_load(text) == {"services": {"api": {"main": "./cmd/api", "listen": listen}}}
    assert len(text.splitlines()) <= 3
    validator().validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        ('port := flag.Int("port", 8080, ""); addr := fmt.Sprint(":", *port)', "port"),
        ('flag.StringVar(&port, "http-port", "8080", ""); addr := ":" + port', "http-port"),
        ('_ = flag.Int("smtp-port", 25, ""); port := flag.Uint("p.port", 1, "")', ""),
    ],
)
def test_a_server_with_a_flag_for_its_port_alone_is_given_it(repository, line, flag):
    root = repository("cmd/api/main.go", SERVER % line)
    text = proposal(survey(root))
    wanted = {"services": {"api": {"main": "./cmd/api", "args": [f"--{flag}={{port}}"]}}} if flag else None
    assert yaml.safe_load(text) == wanted
    if flag:
        validator().validate(wanted)
        (root / "goferry.yml").write_text(text)
        assert load(root).project.services["api"].args == wanted["services"]["api"]["args"]


CONTRACT = 'package ferry\nvar names = []string{"LISTEN_FDS", "GOFERRY_CONTROL"}\n'


def test_a_service_that_can_take_its_socket_is_given_no_port(repository, root):
    server = (
        'package main\nimport (\n"os"\n"example.com/shop/v3/ferry"\n)\nfunc main() { ferry.Run(os.Getenv("ADDR")) }\n'
    )
    directory = repository("cmd/api/main.go", server)
    assert proposal(survey(directory)) == ""  # nothing says that it serves
    repository("ferry/ferry.go", CONTRACT)
    repository("cmd/web/main.go", SERVER % 'addr := os.Getenv("ADDR")')
    services = yaml.safe_load(proposal(survey(directory)))["services"]
    assert {name: each["listen"] for name, each in services.items()} == {
        "api": {"socket": True},
        "web": {"env": "ADDR"},
    }
    (directory / "goferry.yml").write_text(proposal(survey(directory)))
    assert load(directory).project.services["api"].listen.socket
    shop = next(main for main in survey(root / "examples/shop").mains if main.path == "./cmd/shop-server")
    assert shop.listen == {"socket": "true"}
    assert how_it_listens(shop).endswith("health at /healthz by its contract")
    shops = replace(survey(root / "examples/shop"), configured=False)
    assert proposal(shops) == "services:\n  shop-server: {main: ./cmd/shop-server, listen: {socket: true}}\n"


def test_the_only_main_is_named_after_the_module(repository):
    assert "shop: {main: ., " in proposal(survey(repository("main.go", SERVER % 'addr := os.Getenv("ADDR")')))


def test_a_main_at_the_top_is_shown_before_those_of_other_modules(repository, capsys):
    repository("cmd/shop/main.go", "package main\nfunc main() { shop.Main() }\n")
    repository("examples/custom/main.go", SERVER % 'addr := ":8080"')
    root = repository("examples/custom/go.mod", "module custom\n")
    assert run(["init", "--dir", str(root)]) == 0
    assert "services: {shop: {main: ./cmd/shop, " in capsys.readouterr().out


@pytest.mark.parametrize(("folder", "word"), [("service", "service"), ("a b", "'a b'")])
def test_where_the_only_module_is_in_a_folder_what_comes_next_is_done_there(
    folder, word, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    inner = tmp_path / folder
    inner.mkdir()
    (tmp_path / ".git").mkdir()
    (inner / "go.mod").write_text("module example.com/shop\n")
    (inner / "main.go").write_text("package main\nfunc main() {}\n")
    assert run(["init"]) == 0
    said = capsys.readouterr().out
    assert f"write into {folder}/goferry.yml:" in said
    assert f"added /dist/ to {folder}/.gitignore" in said
    assert (inner / ".gitignore").read_text() == "/dist/\n"
    assert not (tmp_path / ".gitignore").exists()
    assert said.endswith(f"goferry test --dir {word}\n  goferry build --dir {word}\n")
    (tmp_path / "go.work").write_text(f'go 1.26\nuse "./{folder}"\n')
    assert run(["init", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["next"] == ["goferry test", "goferry build"]


def test_where_there_are_several_projects_what_comes_next_names_the_one_that_serves(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder, text in {
        "lang": "package main\nfunc main() {}\n",
        "service": SERVER % 'addr := os.Getenv("ADDR")',
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "go.mod").write_text(f"module example.com/{folder}\n")
        (tmp_path / folder / "main.go").write_text(text)
    expected = [
        "goferry test --project service",
        "goferry build --project service",
        "goferry up --target local --root ~/services --project service",
    ]
    for case in (["--dry-run"], [], []):  # proposed, written, and standing
        assert run(["init", "--json", *case]) == 0
        assert json.loads(capsys.readouterr().out)["next"] == expected
    with pytest.raises(ProjectUnknown) as caught:
        load(tmp_path)
    assert caught.value.advice == ("name one:  --project service",)


@pytest.mark.parametrize("text", ["projects: [", "projects: {a: {dir: 1}}", "projects: {a: {}}", "services: {}", ""])
def test_where_no_project_has_to_be_named_what_comes_next_names_none(text):
    assert to_name(text) == ""


def test_a_folder_without_a_module_is_told_before_a_toolchain_is_fetched(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("goferry.golang.setup_go", lambda **_: pytest.fail("Go was set up"))
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "go.mod").write_text("module example.com/shop\n")
    assert run(["inspect", "--dir", str(tmp_path)]) == 2
    assert "build the one in service:  goferry build --dir service" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("main.go", "package main\nfunc main() {}\n"),
        ("main.go", SERVER % 'addr := ":8080"'),
        ("main_test.go", SERVER % 'addr := os.Getenv("ADDR")'),
        ("vendor/x/main.go", SERVER % 'addr := os.Getenv("ADDR")'),
        ("lib.go", "package lib\n"),
        ("gen.go", "//go:build ignore\n\n" + SERVER % 'addr := os.Getenv("ADDR")'),
    ],
)
def test_nothing_is_written_where_nothing_is_needed(repository, path, text, capsys):
    root = repository(path, text)
    assert run(["init", "--dir", str(root)]) == 0
    assert not (root / "goferry.yml").exists()
    out = capsys.readouterr().out
    assert "no goferry.yml is needed to build" in out
    assert "--target local" not in out, "nothing here can be deployed yet"
    named = re.findall(r"^  services: (.*?)   #", out, re.MULTILINE)
    assert named == ([NAMED] if path == "main.go" else [])


def test_the_lines_to_write_name_the_main_that_serves(repository, capsys):
    root = repository("cmd/web/main.go", SERVER % 'addr := ":8080"')
    (root / "cmd" / "a").mkdir()
    (root / "cmd" / "a" / "main.go").write_text("package main\nfunc main() {}\n")
    assert run(["init", "--dir", str(root)]) == 0
    line = re.search(r"^  (services: .*?)   #", capsys.readouterr().out, re.MULTILINE)[1]
    assert line == "services: {web: {main: ./cmd/web, listen: {env: ADDR}}}"
    (root / "goferry.yml").write_text(line + "\n")
    assert load(root).project.services["web"].listen.env == "ADDR"


def test_init_shows_what_has_releases_begin_from_signed_packs(repository, capsys):
    root = repository("main.go", "package main\nfunc main() {}\n")

    def shown():
        assert run(["init", "--dir", str(root)]) == 0
        return "GOFERRY_CACHE_KEY: ${{ secrets.GOFERRY_CACHE_KEY }}" in capsys.readouterr().out

    assert not shown()
    (root / ".github" / "workflows").mkdir(parents=True)
    assert shown()
    (root / "goferry.cache.trust").touch()
    assert not shown()


def test_init_never_overwrites_and_a_dry_run_writes_nothing(repository, capsys):
    root = repository("main.go", SERVER % 'addr := os.Getenv("ADDR")')
    assert run(["init", "--dir", str(root), "--dry-run"]) == 0
    assert not (root / "goferry.yml").exists()
    assert run(["init", "--dir", str(root), "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["written"].endswith("goferry.yml")
    before = (root / "goferry.yml").read_text()
    assert load(root).project.services["shop"].listen.env == "ADDR"
    (root / "goferry.yml").write_text(before + "# mine\n")
    assert run(["init", "--dir", str(root)]) == 0
    assert (root / "goferry.yml").read_text().endswith("# mine\n")


def test_what_is_built_is_ignored_by_git(repository, capsys):
    root = repository("main.go", SERVER % 'addr := os.Getenv("ADDR")')
    ignore = root / ".gitignore"
    assert run(["init", "--dir", str(root)]) == 0
    assert not ignore.exists(), "it is not a git work tree"
    (root / ".git").mkdir()
    ignore.write_text("# not dist\n*.tmp")
    assert run(["init", "--dir", str(root), "--dry-run"]) == 0
    assert ignore.read_text() == "# not dist\n*.tmp"
    for _ in range(2):
        assert run(["init", "--dir", str(root)]) == 0
        assert ignore.read_text() == "# not dist\n*.tmp\n/dist/\n"
    assert capsys.readouterr().out.count(f"added /dist/ to {ignore}\n") == 1


@pytest.mark.parametrize(
    ("handled", "health", "said"),
    [
        ('http.HandleFunc("/alive", x)', "/alive", "health at /alive"),
        ('http.HandleFunc("GET /-/ready", x)', "/-/ready", "health at /-/ready"),
        ('http.HandleFunc("/_health", x)', "/_health", "health at /_health"),
        ('http.HandleFunc("/hello", x)', None, "no health path recognised: /healthz is asked, else say health:"),
        ('http.HandleFunc("/lives/of/others", x)', None, "no health path recognised"),
    ],
)
def test_the_health_path_is_found_or_said_to_be_missing(repository, handled, health, said, capsys):
    root = repository("main.go", SERVER % f'addr := os.Getenv("ADDR")\n{handled}')
    assert yaml.safe_load(proposal(survey(root)))["services"]["shop"].get("health") == health
    assert run(["init", "--dir", str(root)]) == 0
    assert said in capsys.readouterr().out


def test_no_module_is_a_named_error(tmp_path):
    with pytest.raises(NoModule):
        proposal(survey(tmp_path))


def test_a_folder_that_a_file_above_speaks_of_needs_none_of_its_own(repository, monkeypatch, capsys):
    root = repository("goferry.yml", "projects: {api: {dir: api}, web: {dir: web}}\n")
    (root / ".git").mkdir()
    for name in ("api", "web", "lib"):
        repository(f"{name}/go.mod", f"module example.com/{name}\n")
        repository(f"{name}/main.go", SERVER % 'addr := os.Getenv("ADDR")')
    monkeypatch.chdir(root / "api")
    assert run(["init"]) == 0
    told = capsys.readouterr().out
    assert "../goferry.yml speaks of this folder and stays as it is" in told
    assert "  goferry up --target local --root ~/services\n" in told, "inside the folder no project needs a name"
    assert not (root / "api/goferry.yml").exists()
    assert run(["init", "--dir", str(root / "lib")]) == 0
    assert (root / "lib/goferry.yml").exists(), "the file above does not speak of it"


def test_a_folder_inside_a_module_is_told_where_the_module_is(repository, monkeypatch, capsys):
    root = repository("cmd/api/main.go", "package main\n")
    (root / ".git").mkdir()
    monkeypatch.chdir(root / "cmd/api")
    assert run(["init"]) == 2
    told = capsys.readouterr().err
    assert "this folder is a part of the module in ../.." in told
    assert "look at the whole module:  goferry init --dir ../.." in told


def test_doctor_fails_only_for_what_is_needed(monkeypatch, tmp_path, capsys):
    assert run(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checks"]["git"]["required"] is True
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["doctor", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["error"] == "machine-unready"
    assert record["checks"]["docker"] == {
        "required": False,
        "purpose": "runs the images; writing them needs none",
        "found": "",
        "trouble": "",
    }


def test_the_schema_is_one_json_object(capsys):
    assert run(["schema", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "goferry.yml"
