"""Workflows, starters, examples and actions before three judges: zizmor, the published schemas, GitHub's own service.

The copies that are rendered for act and GitHub Enterprise Server are judged as well, and each judge must catch what it
is there for.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from goferry.pipeline.rendering import TemplateSource, render

ROOT = Path(__file__).resolve().parents[2]
PLACE = TemplateSource("acme/goferry", "0123456789abcdef0123456789abcdef01234567", "v1.0.0")


def found(*patterns):
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


WORKFLOWS = found(".github/workflows/*.yml")
CALLERS = found("examples/workflows/*.yml", "workflows-templates/*.yml")
ACTIONS = found("action.yml", "actions/**/action.yml")


@pytest.fixture(scope="module")
def tool(missing):
    """`tool("zizmor")` is a program of the Python set that the tests run in."""

    def find(name):
        path = Path(sys.executable).parent / name
        if not path.exists():
            missing(name)
        return path

    return find


@pytest.fixture
def rendered(tmp_path):
    """Every workflow, starter and example as act and GitHub Enterprise Server read it, in `.github/workflows`."""
    folder = tmp_path / "rendered" / ".github" / "workflows"
    folder.mkdir(parents=True)
    for path in [*WORKFLOWS, *CALLERS]:
        group = "" if path in WORKFLOWS else f"{path.parent.name}-"
        (folder / f"{group}{path.name}").write_text(render(path.read_text(), PLACE).replace("$default-branch", "main"))
    return sorted(folder.glob("*.yml"))


# zizmor


@pytest.fixture(scope="module")
def zizmor(tool):
    def audit(*paths, config=None):
        chosen = ["--config", config] if config else ["--no-config"]
        words = [tool("zizmor"), "--offline", "--no-progress", "--persona", "auditor", "--strict-collection"]
        done = subprocess.run(
            [*words, *chosen, "--format", "json", *paths], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.stdout, done.stderr
        return sorted({each["ident"] for each in json.loads(done.stdout)})

    return audit


def test_zizmor_finds_nothing_in_workflows_and_actions(zizmor):
    docker = [path for path in ACTIONS if "\n  image: ../../Dockerfile\n" in path.read_text()]
    assert zizmor(*WORKFLOWS, *[path for path in ACTIONS if path not in docker]) == []
    # It takes a Dockerfile that does not lie in the action's own folder for the name of an image.
    assert not docker or set(zizmor(*docker)) <= {"unpinned-images"}


def test_zizmor_finds_nothing_in_what_users_copy_but_what_is_reasoned_away(zizmor):
    assert zizmor(*CALLERS, config=ROOT / ".github" / "zizmor.yml") == []
    # Every exception is still one: a reason that no longer applies goes.
    assert zizmor(*CALLERS) == ["anonymous-definition", "secrets-outside-env", "undocumented-permissions"]


def test_zizmor_finds_nothing_in_the_rendered_copies(zizmor, rendered):
    own = {path.name for path in WORKFLOWS}
    assert zizmor(*[path for path in rendered if path.name in own]) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "finding"),
    [
        ("push-to-release", "SHARD//\\//-of-}", "SHARD} ${{ github.head_ref }}", "template-injection"),
        ("push-to-release", "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "unpinned-uses"),
        ("push-to-release", "persist-credentials: false", "persist-credentials: true", "artipacked"),
        (
            "push-to-release",
            "permissions: {}\n\nconcurrency",
            "permissions: write-all\n\nconcurrency",
            "excessive-permissions",
        ),
        ("push-to-release", "$/actions/inspect", "./actions/inspect", "self-repository"),
        (
            "push-to-release",
            "  workflow_call:\n",
            "  pull_request_target: {}\n  workflow_call:\n",
            "dangerous-triggers",
        ),
    ],
)
def test_zizmor_catches(zizmor, tmp_path, name, old, new, finding):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    assert old in text
    (folder / "broken.yml").write_text(text.replace(old, new))
    assert finding in zizmor(folder / "broken.yml")


def test_zizmor_catches_a_secret_that_is_inherited(zizmor, tmp_path):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = (ROOT / "examples" / "workflows" / "release.yml").read_text()
    (folder / "broken.yml").write_text(text[: text.index("    secrets:")] + "    secrets: inherit\n")
    assert "secrets-inherit" in zizmor(folder / "broken.yml")


def test_zizmor_catches_an_expression_in_an_actions_script(zizmor, tmp_path):
    (tmp_path / "action.yml").write_text(
        "name: x\ndescription: x\ninputs: {a: {description: a}}\nruns:\n  using: composite\n  steps:\n"
        "    - shell: bash\n      run: echo ${{ inputs.a }}\n"
    )
    assert "template-injection" in zizmor(tmp_path / "action.yml")


# The published schemas


@pytest.fixture(scope="module")
def schema(tool):
    def check(kind, *paths):
        words = [tool("check-jsonschema"), "--builtin-schema", f"vendor.github-{kind}", "--output-format", "json"]
        done = subprocess.run([*words, *paths], capture_output=True, text=True, check=False, timeout=120)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return check


def test_the_schemas_hold(schema, rendered):
    for kind, paths in (("workflows", [*WORKFLOWS, *CALLERS, *rendered]), ("actions", ACTIONS)):
        told = schema(kind, *paths)
        assert told["status"] == "ok", told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("timeout-minutes: 60", "timeout-minute: 60"),
        ("        type: string\n", "        type: text\n"),
        ("      contents: read  # check out\n", "      contents: sometimes\n"),
        ("runs-on: ${{ fromJSON(inputs.runs-on) }}\n", ""),
    ],
)
def test_the_schema_catches_a_broken_workflow(schema, tmp_path, old, new):
    text = WORKFLOWS[[path.name for path in WORKFLOWS].index("push-to-release.yml")].read_text()
    assert old in text
    broken = tmp_path / "broken.yml"
    broken.write_text(text.replace(old, new, 1))
    assert schema("workflows", broken)["status"] == "fail"


def test_the_schema_catches_a_broken_action(schema, tmp_path):
    text = (ROOT / "actions" / "notify" / "action.yml").read_text()
    for old, new in (
        ("      shell: bash\n", ""),
        ("using: composite", "using: composed"),
        ("description: T", "describe: T"),
    ):
        assert old in text
        (tmp_path / "action.yml").write_text(text.replace(old, new, 1))
        assert schema("actions", tmp_path / "action.yml")["status"] == "fail", new


# GitHub's own language service


@pytest.fixture(scope="module")
def service(part, node_part, tmp_path_factory):
    """`service({name: text})` returns what the service says of files, as `name:line: message`."""
    node_part("@actions/languageservice")
    npm = ROOT / "tests" / "parts" / "npm"
    bundle = tmp_path_factory.mktemp("service") / "service.mjs"
    banner = "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);"
    words = ["--bundle", "--platform=node", "--format=esm", "--log-level=warning", f"--banner:js={banner}"]
    esbuild = npm / "node_modules" / ".bin" / "esbuild"
    subprocess.run([esbuild, "languageservice.mjs", *words, f"--outfile={bundle}"], cwd=npm, check=True, timeout=120)

    def ask(files):
        given = json.dumps({"root": str(ROOT), "files": [{"name": name, "text": text} for name, text in files.items()]})
        done = subprocess.run(
            [part("node"), bundle], input=given, capture_output=True, text=True, check=True, timeout=120
        )
        return [f"{each['name']}:{each['line']}: {each['message']}" for each in json.loads(done.stdout)]

    return ask


def texts(paths):
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def test_the_service_finds_nothing(service):
    assert service(texts([*WORKFLOWS, *CALLERS, *ACTIONS])) == []


def test_the_service_finds_nothing_in_the_rendered_copies(service, rendered):
    assert service({f".github/workflows/{path.name}": path.read_text() for path in rendered}) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("push-to-release", "needs.plan.outputs.push ==", "needs.planned.outputs.push ==", "planned"),
        ("push-to-release", "needs: [plan, ready]", "needs: [plan, readied]", "readied"),
        ("push-to-release", "inputs.go-version", "inputs.goversion", "goversion"),
        ("push-to-release", "        shell: bash\n", "        shel: bash\n", "shel"),
        ("push-to-release", "steps.merge.outputs.dist", "steps.merged.outputs.dist", "merged"),
        ("push-to-release", "$/actions/inspect", "$/actions/absent", "absent"),
        ("push-to-release", "          failures: $", "          failing: $", "failing"),
        ("push-to-release", "startsWith(github.event_name", "startWith(github.event_name", "startWith"),
        (
            "push-to-deploy",
            "      dry-run: ${{ inputs.dry-run }}\n    secrets",
            "      dri-run: true\n    secrets",
            "dri-run",
        ),
        ("push-to-deploy", "      GOFERRY_SIGNING_KEY: ${{", "      GOFERRY_SIGNING_KEYS: ${{", "GOFERRY_SIGNING_KEYS"),
    ],
)
def test_the_service_catches(service, name, old, new, message):
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    assert old in text
    told = service({".github/workflows/broken.yml": text.replace(old, new)})
    assert any(message in each for each in told), told


def test_the_service_catches_a_broken_action(service):
    text = (ROOT / "actions" / "notify" / "action.yml").read_text()
    for old, new, message in (
        ("${{ inputs.token }}", "${{ secrets.TOKEN }}", "secrets"),
        ("      shell: bash\n", "", "shell"),
    ):
        assert old in text
        told = service({"actions/broken/action.yml": text.replace(old, new)})
        assert any(message in each for each in told), (new, told)
