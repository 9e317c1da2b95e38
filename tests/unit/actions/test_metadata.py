"""action.yml, action-types.yml and the Python module of an action say the same."""

import ast
import copy
import functools
import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = [ROOT / "action.yml", *sorted((ROOT / "actions").rglob("action.yml"))]
DOCKER = ("sign", "verify", "deploy", "rollback")


def name_of(file):
    folder = file.parent
    return {ROOT: "goferry"}.get(folder, folder.parent.name if folder.name == "native" else folder.name)


def ids(file):
    return str(file.parent.relative_to(ROOT))


@functools.cache
def read(file):
    return yaml.safe_load(file.read_text())


def modules(name):
    """The action's module and those of the room that it imports."""
    room = ROOT / "src" / "goferry" / "actions"
    found, todo = {}, [name.replace("-", "_")]
    while todo:
        module = todo.pop()
        if module in found or not (room / f"{module}.py").is_file():
            continue
        found[module] = ast.parse((room / f"{module}.py").read_text())
        for node in ast.walk(found[module]):
            if isinstance(node, ast.ImportFrom) and node.module == "goferry.actions":
                todo += [alias.name for alias in node.names]
    return found


def asked(name):
    """The names of inputs that the action's code asks for."""
    kinds = {"text", "required", "boolean", "lines", "path"}
    found = set()
    for tree in modules(name).values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in kinds:
                owner = node.func.value
                if isinstance(owner, ast.Attribute) and owner.attr == "inputs":
                    found |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_one_of":
                found.add(node.args[1].value)
    return found


def own(action):
    """The steps of a composite that start Goferry; one of caches has two, with steps of actions/cache between."""
    steps = [step for step in action["runs"]["steps"] if "run" in step]
    twice = "actions/cache/restore@" in str(action["runs"]["steps"])
    assert len(steps) == (2 if twice else 1)
    return steps


def problems(action):
    """What is wrong with a composite's mapping of inputs."""
    wanted = {f"INPUT_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    found = []
    for number, step in enumerate(own(action)):
        given = {name: value for name, value in step["env"].items() if (name, value) != ("GOFERRY_STEP", "second")}
        assert (given == step["env"]) is (number == 0), "the second step alone knows that it is it"
        found += [f"{name} is not mapped" for name in wanted if given.get(name) != wanted[name]]
        found += [f"{name} maps nothing" for name in given if name not in wanted]
        if "${{" in step["run"]:
            found.append("an expression in a script")
    return found


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_inputs_are_mapped_documented_typed_and_used(file):
    action, types, name = read(file), read(file.with_name("action-types.yml")), name_of(file)
    if action["runs"]["using"] == "composite":
        assert problems(action) == []
    for each in action["inputs"].values():
        assert len(each["description"]) > 10
        assert not each["description"].endswith(".")
        assert "required" in each
        assert each["required"] or "default" in each
    assert list(types["inputs"]) == list(action["inputs"])
    assert list(types["outputs"]) == list(action["outputs"])
    for title, kind in types["inputs"].items():
        assert kind["type"] in {"string", "boolean", "integer", "enum", "list"}, title
    assert asked(name) >= set(action["inputs"]), "an input that nothing reads"


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_outputs_are_documented_and_come_from_the_step(file):
    action = read(file)
    for name, each in action["outputs"].items():
        assert len(each["description"]) > 5
        if action["runs"]["using"] == "composite":
            step = own(action)[-1]
            assert each["value"] == f"${{{{ steps.{step['id']}.outputs.{name} }}}}"


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_the_step_calls_the_shared_core_by_its_file(file):
    runs, name = read(file)["runs"], name_of(file)
    if runs["using"] == "docker":
        assert (file.parent / runs["image"]).resolve() == ROOT / "Dockerfile"
        assert runs["args"] == [name]
        return
    for step in own(read(file)):
        up = re.fullmatch(rf'exec bash "\$GITHUB_ACTION_PATH/((?:\.\./)*)src/run\.sh" {name}', step["run"])
        assert up
        assert (file.parent / up[1] / "src" / "run.sh").resolve() == ROOT / "src" / "run.sh"


CACHE = re.compile(r"actions/cache/(restore|save)@27d5ce7f107fe9357f9df03efb73ab90386fccae")
OF_CACHES = {"restore": "restore-caches", "save": "save-caches", "sign": "sign-caches"}


@pytest.mark.parametrize("name", OF_CACHES.values())
def test_a_cache_never_stops_a_job_and_what_it_unpacks_goes_nowhere_else(name):
    action = read(ROOT / "actions" / name / "action.yml")
    foreign = [step for step in action["runs"]["steps"] if "uses" in step]
    assert foreign
    for step in foreign:
        what = CACHE.fullmatch(step["uses"])[1]
        assert step["continue-on-error"] is True
        assert re.fullmatch(r"steps\.[a-z-]+\.outputs\.[a-z]+ != ''", step["if"])
        kind = step["with"]["path"].rpartition("/")[2]
        if what == "restore":
            assert step["env"] == {
                "SEGMENT_DOWNLOAD_TIMEOUT_MINS": "2",
                "TAR_OPTIONS": "${{ steps.names.outputs.taking }}",
                "GOFERRY_PLACE": "${{ steps.names.outputs.place }}",
                "GOFERRY_KIND": kind,
            }
            assert step["with"]["path"] == f"${{{{ steps.names.outputs.place }}}}/{kind}"
    text = (ROOT / "actions" / name / "action.yml").read_text()
    assert re.findall(r"uses: (.+)", text) == [f"{step['uses']} # v5.0.5" for step in foreign]


def test_entries_are_restored_and_saved_for_every_kind():
    from goferry.pipeline.entries import KINDS, SIGNED

    kinds = {kind for each in KINDS.values() for kind in each}

    def named(name, key):
        return {
            re.search(r"outputs\.(\w+)", step["with"][key])[1]
            for step in read(ROOT / "actions" / name / "action.yml")["runs"]["steps"]
            if "uses" in step
        }

    assert named("restore-caches", "key") == kinds | {SIGNED}
    assert named("save-caches", "key") == kinds


TAKE = ROOT / "src" / "take"
EVIL = [
    "../../temp/goferry/caches/v1/p-1/own/../../../../evil",
    "../../temp/goferry/caches/v1/p-1/own/.hidden/evil",
    "../../temp/goferry/caches/v1/p-1/deps/slot/evil",
    "../../temp/goferry/caches/v1/p-2/own/slot/evil",
    "/ABSOLUTE/evil",
    "main.go",
    "link/evil",
    "x/v1/p-1/own/",
    "x/v1/p-1/own/$(touch evil)",
    "x/v1/p-1/own/evil\nv1/p-1/own/evil;",
]


@pytest.mark.skipif(sys.platform != "linux", reason="GNU tar")
def test_an_entry_of_githubs_cache_writes_only_packs_of_its_kind(tmp_path):
    """actions/cache has tar believe the names in an archive, absolute ones and links too."""
    workspace, place = tmp_path / "work" / "shop", tmp_path / "temp" / "goferry" / "caches" / "v1" / "p-1"
    workspace.mkdir(parents=True)
    (workspace / "main.go").write_text("package main")
    with tarfile.open(tmp_path / "entry", "w") as archive:

        def add(name, kind=tarfile.REGTYPE, link="", data=b"evil"):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mtime = kind, link, 1_000_000_000
            member.size = len(data) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(data))

        add("link", tarfile.SYMTYPE, str(tmp_path))
        add("hard", tarfile.LNKTYPE, str(workspace / "main.go"))
        add("pipe", tarfile.FIFOTYPE)
        add(f"{place}/own/link", tarfile.SYMTYPE, str(tmp_path))
        add("../../temp/goferry/caches/v1/p-1/own/go1.27.3-linux-amd64-0/20261127T000000Z-ab.pack", data=b"pack")
        for name in EVIL:
            add(name.replace("/ABSOLUTE", str(tmp_path)))
        add("../../temp/goferry/caches/v1/p-1/own/go1.27.3-linux-amd64-0/20261127T000000Z-ab.pack")
    environ = {"PATH": os.environ["PATH"], "GOFERRY_PLACE": str(place), "GOFERRY_KIND": "own"}
    environ["TAR_OPTIONS"] = f"--to-command=sh\\ {TAKE}"
    words = ["tar", "-xf", tmp_path / "entry", "-P", "-C", workspace]
    subprocess.run(words, env=environ, cwd=workspace, check=True, capture_output=True)
    found = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if not path.is_dir()}
    pack = "temp/goferry/caches/v1/p-1/own/go1.27.3-linux-amd64-0/20261127T000000Z-ab.pack"
    assert set(found) == {"entry", "work/shop/main.go", pack}
    assert (workspace / "main.go").read_text() == "package main"
    assert found[pack].read_bytes() == b"pack", "the first of a name stays"
    assert found[pack].stat().st_mtime == 1_000_000_000


@pytest.mark.parametrize("name", DOCKER)
def test_twins_are_equal(name):
    docker, native = (
        read(ROOT / "actions" / name / "action.yml"),
        read(ROOT / "actions" / name / "native" / "action.yml"),
    )
    assert docker["runs"]["using"] == "docker"
    assert native["runs"]["using"] == "composite"
    assert docker["inputs"] == native["inputs"]
    assert docker["description"] == native["description"]
    described = {title: each["description"] for title, each in native["outputs"].items()}
    assert {title: each["description"] for title, each in docker["outputs"].items()} == described
    types = [ROOT / "actions" / name / folder / "action-types.yml" for folder in ("", "native")]
    assert types[0].read_text() == types[1].read_text()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda action: action["runs"]["steps"][0]["env"].pop("INPUT_GO_VERSION"),
        lambda action: action["runs"]["steps"][0]["env"].update(INPUT_NO="${{ inputs.no }}"),
        lambda action: action["runs"]["steps"][0].update(run="echo ${{ inputs.go-version }}"),
    ],
)
def test_a_forgotten_mapping_is_found(spoil):
    action = copy.deepcopy(read(ROOT / "actions" / "setup-go" / "action.yml"))
    assert problems(action) == []
    spoil(action)
    assert problems(action) != []


def test_every_action_has_a_module_a_page_and_a_place_in_the_table():
    from goferry.actions.main import ACTIONS

    assert {name_of(file) for file in FILES} == set(ACTIONS)
    for name in ACTIONS:
        assert (ROOT / "src" / "goferry" / "actions" / f"{name.replace('-', '_')}.py").is_file()
        assert (ROOT / "docs" / "actions" / f"{name}.md").is_file()
