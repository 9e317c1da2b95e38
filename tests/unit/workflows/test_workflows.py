"""The reusable workflows' promises: permissions, secrets, pins, time limits, hand-overs between jobs."""

import fnmatch
import functools
import hashlib
import itertools
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from goferry.gobuild.trigger import ASKERS

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".github" / "workflows"
REUSABLE = ["push-to-release", "push-to-deploy", "rollback", "promote"]
FROZEN = {
    "push-to-release": {"actions": "read", "contents": "write", "packages": "write", "id-token": "write"},
    "push-to-deploy": {
        "actions": "read",
        "contents": "write",
        "packages": "write",
        "id-token": "write",
        "deployments": "write",
    },
    "rollback": {"actions": "read", "contents": "read", "deployments": "write"},
    "promote": {"actions": "read", "contents": "read", "deployments": "write"},
}
PINNED = {
    "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0",
    "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1",
    "googleapis/release-please-action@a02a34c4d625f9be7cb89156071d8567266a2445 # v4.2.0",
}
PLACEHOLDER = "@" + "0" * 40 + " # v0.0.0"
CALLERS = [
    *sorted((ROOT / "examples" / "workflows").glob("*.yml")),
    *sorted((ROOT / "workflows-templates").glob("*.yml")),
]
ALL = [*sorted(FOLDER.glob("*.yml")), *CALLERS]
SECRET = re.compile(r"\bsecrets\.(\w+)")


@functools.cache
def load(path):
    """A workflow as GitHub reads it: YAML 1.1 takes `on` for a boolean. It is read once, so change nothing of it."""
    data = yaml.safe_load(path.read_text())
    return {("on" if key is True else key): value for key, value in data.items()}


def reusable(name):
    return load(FOLDER / f"{name}.yml")


def jobs(name):
    return reusable(name)["jobs"]


def union(permissions):
    found = {}
    for each in permissions:
        for scope, level in each.items():
            if found.get(scope) != "write":
                found[scope] = level
    return found


def ids(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("name", REUSABLE)
def test_permissions_are_frozen_documented_and_least_for_each_job(name):
    text = (FOLDER / f"{name}.yml").read_text()
    head = text[: text.index("\nname:")]
    documented = dict(re.findall(r"(?m)^#   ([a-z-]+): (read|write)\s{3,}\S", head))
    assert documented == FROZEN[name]
    taken = union(job["permissions"] for job in jobs(name).values())
    assert all(level in ("read", FROZEN[name].get(scope)) and scope in FROZEN[name] for scope, level in taken.items())
    for scope in {"packages", "id-token", "deployments"} & set(FROZEN[name]):
        assert scope not in taken, "nothing uses it yet; take it with what does"
    shown = re.search(r"permissions: \{([^}]+)\}\n", head)[1]
    assert dict(pair.split(": ") for pair in shown.split(", ")) == FROZEN[name]


@pytest.mark.parametrize("path", ALL, ids=ids(ALL))
def test_nothing_is_granted_by_default(path):
    assert load(path)["permissions"] == {}


@pytest.mark.parametrize("path", CALLERS, ids=ids(CALLERS))
def test_callers_grant_exactly_what_the_called_workflow_asks_for(path):
    for job in load(path)["jobs"].values():
        found = re.fullmatch(r"OWNER/goferry/\.github/workflows/([\w-]+)\.yml@0{40}", job.get("uses", ""))
        if "uses" in job:
            assert job["permissions"] == FROZEN[found[1]]
            declared = reusable(found[1])["on"]["workflow_call"]
            assert set(job.get("with", {})) <= set(declared["inputs"])
            assert set(job.get("secrets", {})) <= set(declared["secrets"])


@pytest.mark.parametrize("path", ALL, ids=ids(ALL))
def test_every_job_ends_in_time(path):
    for name, job in load(path)["jobs"].items():
        assert "uses" in job or 1 <= job["timeout-minutes"] <= 120, name


@pytest.mark.parametrize("path", ALL, ids=ids(ALL))
def test_what_others_wrote_is_pinned_by_commit(path):
    for line in re.findall(r"(?m)^\s*(?:- )?uses: (.+)$", path.read_text()):
        own = line.startswith("$/") if path.parent == FOLDER else line.startswith("OWNER/goferry/")
        if own and path.parent != FOLDER:
            assert line.endswith(PLACEHOLDER)
        assert own or line in PINNED, line


@pytest.mark.parametrize(
    "path", [*ALL, *sorted(ROOT.glob("actions/**/action.yml"))], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_expression_is_written_into_a_script(path):
    def runs(value):
        if isinstance(value, dict):
            yield from ([value["run"]] if isinstance(value.get("run"), str) else [])
            for each in value.values():
                yield from runs(each)
        elif isinstance(value, list):
            for each in value:
                yield from runs(each)

    for script in runs(load(path)):
        assert "${{" not in script


def steps(path):
    for name, job in load(path)["jobs"].items():
        for step in job.get("steps", []):
            yield name, step


@pytest.mark.parametrize("path", ALL, ids=ids(ALL))
def test_checkouts_leave_no_credentials_behind(path):
    for _, step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_versions_are_seen_whole_by_the_jobs_that_build():
    for name in ("plan", "build", "test", "package"):
        (checkout,) = [step for step in jobs("push-to-release")[name]["steps"] if "checkout@" in step.get("uses", "")]
        assert checkout["with"]["fetch-depth"] == 0
        assert checkout["with"]["fetch-tags"] is True


@pytest.mark.parametrize("name", REUSABLE)
def test_inputs_are_typed_and_secrets_named_and_optional(name):
    call = reusable(name)["on"]["workflow_call"]
    for facts in call["inputs"].values():
        assert facts["type"] in {"string", "boolean"}
        assert facts["description"]
        assert facts.get("required") is True or "default" in facts
    for secret, facts in call["secrets"].items():
        assert re.fullmatch(r"GOFERRY_[A-Z_]+", secret)
        assert facts["required"] is False
    assert all(facts["description"] and facts["value"] for facts in call["outputs"].values())
    used = set(SECRET.findall((FOLDER / f"{name}.yml").read_text().split("\non:")[1]))
    assert used == set(call["secrets"])


@pytest.mark.parametrize("name", REUSABLE)
def test_every_input_is_used(name):
    text = (FOLDER / f"{name}.yml").read_text()
    for each in reusable(name)["on"]["workflow_call"]["inputs"]:
        assert f"inputs.{each}" in text, each


@pytest.mark.parametrize("name", REUSABLE)
def test_the_runner_is_the_callers_choice(name):
    for job in jobs(name).values():
        assert "uses" in job or job["runs-on"] == "${{ fromJSON(inputs.runs-on) }}"
    assert reusable(name)["on"]["workflow_call"]["inputs"]["runs-on"]["default"] == '"ubuntu-latest"'


EVENTS = ["push", "create", "release", "schedule", "workflow_dispatch", "repository_dispatch", "deployment"]
OF_OURS = (
    "needs.plan.outputs.push == 'release' && (startsWith(github.ref, 'refs/tags/') || inputs.tag != '') && "
    f"contains(fromJSON('{json.dumps(EVENTS)}'), github.event_name)"
)
"""A release is made for an event that maintainers alone start, whatever the job says that read the repository."""


def test_the_events_of_a_release_are_those_that_may_ask_for_a_tag():
    assert {*EVENTS} == ASKERS - {""}


def test_what_would_stop_a_release_is_found_before_the_build_in_a_job_that_checks_nothing_out():
    release = jobs("push-to-release")
    assert not any("checkout" in step.get("uses", "") for step in release["ready"]["steps"])
    uses = [step["uses"] for step in release["ready"]["steps"][:2]]
    assert uses == ["$/actions/sign/native", "$/actions/release"]
    assert all(step["with"]["check"] is True for step in release["ready"]["steps"][:2])
    for name in ("build", "test", "package", "release"):
        assert "ready" in release[name]["needs"]
        assert "!failure() && !cancelled()" in release[name]["if"], "it runs where ready is skipped"


@pytest.mark.parametrize("name", ["push-to-release", "push-to-deploy"])
def test_the_tag_that_is_asked_for_is_what_every_job_checks_out(name):
    for job in jobs(name).values():
        for step, following in itertools.pairwise(job.get("steps", [])):
            if "checkout@" in step.get("uses", "") and "inputs.tag == ''" not in job.get("if", ""):
                assert step["with"]["fetch-tags"] is True
                assert (following["name"], following["if"]) == ("Check out the tag", "inputs.tag != ''")
                assert following["env"] == {"TAG": "${{ inputs.tag }}"}
            if step.get("uses", "") in ("$/actions/inspect", "$/actions/cross-compile", "$/actions/test"):
                assert step["with"]["tag"] == "${{ inputs.tag }}"


@pytest.mark.parametrize(
    ("tag", "code"), [("v1.0.0", 0), ("v9.0.0", 2), ("../heads/main", 2), ("--help", 2), ("$(id)", 2)]
)
def test_only_a_tag_is_checked_out(tag, code, tmp_path):
    for words in ("init -q -b main", "commit -q --allow-empty -m one", "tag v1.0.0", "commit -q --allow-empty -m two"):
        author = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
        subprocess.run(["git", *author, *words.split()], cwd=tmp_path, check=True)
    step = next(step for step in jobs("push-to-release")["plan"]["steps"] if step["name"] == "Check out the tag")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        env={"PATH": os.environ["PATH"], "TAG": tag}, cwd=tmp_path, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert ("::error title=tag-missing::" in done.stdout) is (code != 0)
    said = subprocess.run(["git", "log", "-1", "--format=%s"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert said.stdout.strip() == ("two" if code else "one")


def test_no_secret_reaches_a_step_for_a_pull_request():
    release = jobs("push-to-release")
    seals = release["package"]["env"]["SEALS"]
    assert seals.startswith("${{ !startsWith(github.event_name, 'pull_request') && (")
    assert f"({OF_OURS}) || (needs.plan.outputs.push == 'snapshot' && (secrets." in seals
    assert release["ready"]["if"] == OF_OURS
    assert release["release"]["if"] == f"!failure() && !cancelled() && {OF_OURS}"
    for _, step in steps(FOLDER / "push-to-release.yml"):
        for key, value in step.get("env", {}).items():
            if SECRET.search(str(value)):
                guarded = step.get("if") == "env.SEALS == 'true'"
                assert guarded or value.startswith("${{ !startsWith(github.event_name, 'pull_request') && secrets."), (
                    key
                )
    # The only other mention is whether there is a key, and the jobs that deploy run for a sealed release alone.
    assert {name for name, job in release.items() if SECRET.search(str(job.get("env", {})))} == {"package"}
    assert jobs("push-to-deploy")["deploy"]["if"].startswith("needs.release.outputs.artifact != ''")


@pytest.mark.parametrize("name", REUSABLE)
def test_secrets_are_given_to_the_steps_that_need_them_alone(name):
    for each, job in jobs(name).items():
        shown = {key: value for key, value in job.items() if key not in {"steps", "secrets"}}
        mentions = set(SECRET.findall(str(shown)))
        assert not mentions or (name, each) == ("push-to-release", "package"), each
    assert "secrets: inherit" not in (FOLDER / f"{name}.yml").read_text()


@pytest.mark.parametrize("name", REUSABLE)
def test_a_running_deploy_is_never_cancelled(name):
    workflow = reusable(name)
    for job in workflow["jobs"].values():
        deploys = any(
            "/deploy" in step.get("uses", "") or "/rollback" in step.get("uses", "") for step in job.get("steps", [])
        )
        if deploys:
            assert job["concurrency"]["cancel-in-progress"] is False
            assert job["concurrency"]["group"].startswith("goferry-deploy-${{ ")
    cancels = workflow.get("concurrency", {}).get("cancel-in-progress", False)
    assert cancels in (False, "${{ startsWith(github.event_name, 'pull_request') }}")


def test_deploys_to_one_environment_wait_for_each_other():
    rollback, promote = jobs("rollback")["rollback"], jobs("promote")["promote"]
    assert rollback["concurrency"] == promote["concurrency"]
    ends = "-${{ inputs.working-directory }}-${{ inputs.project }}"
    assert rollback["concurrency"]["group"] == "goferry-deploy-${{ inputs.environment }}" + ends
    assert jobs("push-to-deploy")["deploy"]["concurrency"]["group"].endswith(ends)


@pytest.mark.parametrize("path", CALLERS, ids=ids(CALLERS))
def test_callers_that_deploy_are_not_cancelled_either(path):
    for job in load(path)["jobs"].values():
        if any(
            "/actions/deploy@" in step.get("uses", "") or "/actions/rollback@" in step.get("uses", "")
            for step in job.get("steps", [])
        ):
            assert job["concurrency"]["cancel-in-progress"] is False
            assert job["environment"]
    cancels = load(path).get("concurrency", {}).get("cancel-in-progress", False)
    assert cancels is False or "deploy" not in path.name or cancels == "${{ github.event_name == 'pull_request' }}"


@pytest.mark.parametrize("name", REUSABLE)
def test_nothing_depends_on_outputs_of_matrix_legs(name):
    text = (FOLDER / f"{name}.yml").read_text()
    for each, job in jobs(name).items():
        if "strategy" in job:
            # Legs overwrite each other's outputs, so each may give only what bears its own number.
            assert set(job.get("outputs", {})) <= {f"list-{number}" for number in range(1, 5)}
            assert not re.search(rf"needs\.{each}\.outputs(?!\.list-\d)", text)
            assert f"jobs.{each}.outputs" not in text


@pytest.mark.parametrize("name", REUSABLE)
def test_every_job_leaves_word_when_it_fails_and_one_tells_of_all(name):
    found = jobs(name)
    for each, job in found.items():
        if each == "notify" or "uses" in job:
            continue
        last = job["steps"][-1]
        assert last["if"] == "failure()"
        assert last["with"]["name"].startswith(f"goferry-failure-{each}")
        assert last["with"]["path"] == "${{ runner.temp }}/goferry/failure.json"
        assert ("steps.shard.outputs.name" in last["with"]["name"]) == ("strategy" in job)
    notify = found["notify"]
    needs = [notify["needs"]] if isinstance(notify["needs"], str) else notify["needs"]
    assert set(needs) == set(found) - {"notify"}
    assert "failure() || cancelled()" in notify["if"]
    assert notify["permissions"] == {"actions": "read"}


NAMING = next(step for step in jobs("push-to-release")["plan"]["steps"] if step.get("id") == "artifacts")


def named(working_directory, project, tmp_path):
    """What the step that names a call's artifacts says for these inputs."""
    inputs = {"inputs.working-directory": working_directory, "inputs.project": project}
    call = re.sub(r"\$\{\{ (.+?) \}\}", lambda found: inputs[found[1]], NAMING["env"]["CALL"])
    output = tmp_path / "output"
    output.write_text("")
    subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", NAMING["run"]],
        env={"PATH": os.environ["PATH"], "CALL": call, "GITHUB_OUTPUT": str(output)},
        check=True,
    )
    return output.read_text().removeprefix("name=").removesuffix("\n")


def test_two_calls_in_one_run_share_no_artifact(tmp_path):
    """A monorepo calls the workflow once a module: neither takes the other's shards, nor overwrites its release."""
    calls = [(".", ""), ("services/api", ""), ("services-api", ""), (".", "api"), ("x\ny=$(touch pwned)", "`id`")]
    names = [named(*call, tmp_path) for call in calls]
    assert names[0] == "goferry"
    assert len(set(names)) == len(calls)
    assert all(re.fullmatch(r"goferry(-[0-9]+)?", name) for name in names)
    for name in names:
        taken = [other for other in names if fnmatch.fnmatchcase(f"{other}-shard-1-of-2", f"{name}-shard-*")]
        assert taken == [name]
    for _, step in steps(FOLDER / "push-to-release.yml"):
        given = step.get("with", {})
        for word in (given.get("name"), given.get("pattern")):
            if "artifact@" in step.get("uses", "") and word and word != "goferry-failure-*":
                assert re.search(r"needs\.(plan|package)\.outputs\.artifacts?\b|steps\.artifacts\.outputs", word)
    text = (FOLDER / "push-to-deploy.yml").read_text()
    assert "name: ${{ needs.release.outputs.artifact }}" in text


def declared(uses):
    """What an action of ours declares, from `$/actions/x` or `OWNER/goferry/actions/x@…`."""
    path = re.fullmatch(r"(?:\$/|OWNER/goferry/)([\w./-]+?)(?:@0{40})?", uses)
    return load(ROOT / path[1] / "action.yml") if path else None


@pytest.mark.parametrize("path", ALL, ids=ids(ALL))
def test_steps_take_and_give_only_what_their_actions_declare(path):
    text = load(path)
    for name, job in text["jobs"].items():
        known = {}
        for step in job.get("steps", []):
            action = declared(step.get("uses", ""))
            if action:
                assert set(step.get("with", {})) <= set(action["inputs"]), (name, step["uses"])
                known[step.get("id")] = set(action["outputs"])
            elif "id" in step:
                known[step["id"]] = {
                    "name",
                    "artifact-id",
                    "tag_name",
                    "signs",
                    "given",
                    *(f"list-{n}" for n in range(1, 5)),
                }
        for identifier, output in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", str(job)):
            assert output in known[identifier], (name, identifier, output)
        for needed, output in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", str(job)):
            other = text["jobs"][needed]
            assert needed in ([job["needs"]] if isinstance(job["needs"], str) else job["needs"])
            called = re.fullmatch(
                r"(?:\$/|OWNER/goferry/)\.github/workflows/([\w-]+)\.yml(?:@0{40})?", other.get("uses", "")
            )
            outputs = reusable(called[1])["on"]["workflow_call"]["outputs"] if called else other["outputs"]
            assert output in outputs, (name, needed, output)


def test_the_ten_lines_are_ten_lines():
    text = (ROOT / "examples" / "workflows" / "release.yml").read_text()
    assert len([line for line in text.splitlines() if line and not line.startswith("#")]) <= 10
    both = (ROOT / "examples" / "workflows" / "release-and-deploy.yml").read_text()
    job = both[both.index("  production:") :]
    assert len([line for line in job.splitlines() if line.strip()]) <= 15


def test_the_projects_own_checks_run_what_anybody_runs():
    text = (FOLDER / "ci.yml").read_text()
    assert ".ci/run" in text
    assert "secrets." not in text


def test_callers_deploy_a_release_only_where_there_is_one():
    """A tag may be no version: without a reference the action would take a dist/ that the repository holds."""
    for path in (
        ROOT / "examples/workflows/release-and-deploy.yml",
        ROOT / "workflows-templates/goferry-push-to-deploy.yml",
    ):
        job = load(path)["jobs"]["production"]
        (deploy,) = [step for step in job["steps"] if "/actions/deploy@" in step["uses"]]
        assert deploy["with"]["release"] == "${{ needs.release.outputs.release }}"
        assert job["if"] == "needs.release.outputs.release != ''"


OF_DEFAULT = "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)"


@pytest.mark.parametrize("path", ALL, ids=ids(ALL))
def test_caches_end_in_time_and_stop_no_job(path):
    for _, step in steps(path):
        if re.search(r"/actions/(restore|save|sign)-caches\b", step.get("uses", "")):
            assert (step["timeout-minutes"], step["continue-on-error"]) == (5, True)
        if "/actions/save-caches" in step.get("uses", ""):
            assert step["if"].strip("${} ").startswith("!cancelled()")
        if step.get("uses", "").startswith(("$/actions/restore-caches", "$/actions/save-caches")):
            assert "vars.GOFERRY_CACHES != 'off'" in step["if"], "a repository turns them off by a variable"


def test_what_may_be_signed_is_listed_before_a_line_of_the_repository_runs():
    """The job that compiles what a release may use runs no test, and believes signed packs alone."""
    build = jobs("push-to-release")["build"]["steps"]
    names = [step["name"] for step in build]
    after = names[names.index("Check out the tag") + 1 :]
    assert after[:4] == ["Restore caches", "Build", "Save caches", "Name what may be signed"]
    by_name = {step["name"]: step for step in build}
    assert by_name["Build"]["with"]["test"] is False
    signed = by_name["Restore caches"]["with"]["signed"]
    assert signed == "${{ needs.plan.outputs.push == 'release' || needs.plan.outputs.signs == 'true' }}"
    for job in ("build", "test"):
        told = {
            step["uses"]: step["with"]
            for step in jobs("push-to-release")[job]["steps"]
            if "-caches" in str(step.get("uses"))
        }
        restored, saved = (told[f"$/actions/{what}-caches"] for what in ("restore", "save"))
        assert {**restored, "signed": None} == {**saved, "signed": None}, "both name the same entries"
        assert restored["work"] == job
    assert "test" in jobs("push-to-release")["package"]["needs"], "nothing is sealed before the tests passed"


def test_one_job_after_the_gates_has_the_key_of_the_caches():
    """On a push to the default branch alone; it runs nothing that the repository holds."""
    release = jobs("push-to-release")
    holding = {name for name, job in release.items() if "secrets.GOFERRY_CACHE_KEY" in str(job)}
    assert holding == {"sign-caches"}
    job = release["sign-caches"]
    assert {"build", "test", "package"} <= set(job["needs"])
    for condition in ("!failure() && !cancelled()", "github.event_name == 'push'", "inputs.tag == ''", OF_DEFAULT):
        assert condition in job["if"]
    signs = next(step for step in release["plan"]["steps"] if step.get("id") == "signs")
    for condition in ("github.event_name == 'push'", "inputs.tag == ''", OF_DEFAULT):
        assert condition in signs["if"]
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert [each for each in uses if each.startswith("$/")] == ["$/actions/sign-caches"]
    assert "sign-caches" not in release["release"]["needs"], "no release waits for it"
    assert job["permissions"] == {"contents": "read"}
    digests = next(step for step in job["steps"] if step.get("name") == "Sign")["with"]["digests"]
    outputs = release["build"]["outputs"]
    assert re.findall(r"needs\.build\.outputs\.([a-z0-9-]+)", digests) == list(outputs)
    assert list(outputs) == [f"list-{number}" for number in range(1, 5)], "as many as a matrix has legs"


def test_a_snapshot_that_will_be_deployed_runs_its_tests():
    fresh = jobs("push-to-deploy")["release"]["with"]["fresh-tests"]
    assert fresh == "${{ inputs.snapshots != '' && !startsWith(github.event_name, 'pull_request') }}"
    (test,) = [step for step in jobs("push-to-release")["test"]["steps"] if step.get("uses") == "$/actions/test"]
    assert test["with"]["fresh"] == "${{ inputs.fresh-tests }}"


def test_the_check_of_the_caches_compiles_without_any():
    text = (ROOT / "examples" / "workflows" / "cold-build.yml").read_text()
    assert "caches" not in str(load(ROOT / "examples" / "workflows" / "cold-build.yml")["jobs"])
    assert "schedule" in text


COLD = next(
    step["run"]
    for _, step in steps(ROOT / "examples" / "workflows" / "cold-build.yml")
    if step.get("name") == "Compare"
)


@pytest.mark.parametrize(("changed", "code"), [("", 0), ("shop_linux_amd64", 1), ("shop_1.0.0_linux_amd64.tar.gz", 1)])
def test_the_check_of_the_caches_finds_any_other_byte(changed, code, tmp_path):
    """Of the release there is the list alone; gh is replaced."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "bin" / "gh").chmod(0o755)
    cold, released = tmp_path / "cold", tmp_path / "released"
    cold.mkdir()
    released.mkdir()
    sums = []
    for name in ("shop_linux_amd64", "shop_1.0.0_linux_amd64.tar.gz", "release.json", "image.tar"):
        data = name.encode()
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        if name.startswith("shop"):
            (cold / name).write_bytes(data + (b"!" if name == changed else b""))
    (cold / "goferry.json").write_text("{}")
    (released / "SHA256SUMS").write_text("".join(sums))
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TAG": "v1.0.0", "LC_ALL": "C"}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", COLD],
        env=environ, cwd=tmp_path, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert ("2 files of v1.0.0 are the same" in done.stdout) is (code == 0)
    assert (changed in done.stdout) is True
