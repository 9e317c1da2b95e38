"""action.yml, action-types.yml and the Python module of an action say the same."""

import ast
import copy
import functools
import re
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


def problems(action):
    """What is wrong with a composite's mapping of inputs."""
    (step,) = action["runs"]["steps"]
    wanted = {f"INPUT_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    found = [f"{name} is not mapped" for name in wanted if step["env"].get(name) != wanted[name]]
    found += [f"{name} maps nothing" for name in step["env"] if name not in wanted]
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
            (step,) = action["runs"]["steps"]
            assert each["value"] == f"${{{{ steps.{step['id']}.outputs.{name} }}}}"


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_the_step_calls_the_shared_core_by_its_file(file):
    runs, name = read(file)["runs"], name_of(file)
    if runs["using"] == "docker":
        assert (file.parent / runs["image"]).resolve() == ROOT / "Dockerfile"
        assert runs["args"] == [name]
        return
    (step,) = runs["steps"]
    up = re.fullmatch(rf'exec bash "\$GITHUB_ACTION_PATH/((?:\.\./)*)src/run\.sh" {name}', step["run"])
    assert up
    assert (file.parent / up[1] / "src" / "run.sh").resolve() == ROOT / "src" / "run.sh"


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
