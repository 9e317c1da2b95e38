"""GitHub's cache as workflows use it, with GitHub's own client: against act's server, and against a fake that says so."""

import io
import re
import tarfile

import pytest
from fakes.cache import FakeCache
from foreign import CONFIG
from sampling import full, sample

STEPS = """
on: {push: {}, pull_request: {}}
permissions: {}
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - {id: before, shell: bash, run: "env | sort"}
      - {id: restore, uses: octo-org/goferry/actions/restore-caches@v1, with: {WITH}}
      - {id: between, shell: bash, run: "env | sort; ls -1"}
      - {id: build, uses: octo-org/goferry/actions/cross-compile@v1, with: {test: false}}
      - {id: save, uses: octo-org/goferry/actions/save-caches@v1, if: "${{ !cancelled() }}", with: {WITH}}
      - {id: after, shell: bash, run: "env | sort"}
"""

FAULTS = ("hostile", "down", "full", "lying", "stalled")
CHOSEN = sample(["pushes", "matrix", *FAULTS])


def sometimes(name):
    """One of the longer chains runs each time, all of them with `make test-full`."""
    return pytest.mark.skipif(name not in CHOSEN, reason="another chain was chosen; make test-full runs all")


@pytest.fixture
def cache():
    with FakeCache() as fake:
        yield fake


@pytest.fixture
def machine(act, tmp_path):
    """`machine(repository, …)` runs it on machines that have nothing yet, each run with a number of its own."""
    count = iter(range(101, 200))

    def run(repository, event="push", payload=None, *, env=None, **options):
        number = next(count)
        empty = tmp_path / f"machine-{number}"
        fresh = {"GOFERRY_CACHE": empty / "goferry", "GOCACHE": empty / "go-build", "GITHUB_RUN_ID": number}
        environ = {**{name: str(value) for name, value in fresh.items()}, **(env or {})}
        return act.run(repository, event, payload, env=environ, **options)

    return run


@pytest.fixture
def steps(make_repository):
    """A repository whose workflow has the single actions."""
    repository = make_repository()
    repository.write({"goferry.yml": CONFIG})
    repository.workflow(STEPS.replace("{WITH}", "{work: build}"))
    repository.commit()
    return repository


def restored(job):
    """(kind, what came of it) of each row of the job's summary."""
    rows = re.findall(r"(?m)^\| (\w+) \| `[^`]*` \| ([a-z ]+) \|", job.summary)
    return [row for row in rows if row[1] in ("restored", "missed")]


@sometimes("pushes")
def test_the_second_of_two_pushes_restores_and_says_what_and_why(machine, project, tmp_path):
    """The README's ten lines, against act's own server."""
    first = machine(project, kept=tmp_path / "kept")
    assert first.ok, first.told()
    assert {done for _, done in restored(first["build"]) + restored(first["test"])} == {"missed"}
    project.write({"word.go": "package main\n\nfunc other() string { return word() }\n"})
    project.commit("Add a word")
    second = machine(project, kept=tmp_path / "kept")
    assert second.ok, second.told()
    assert [row for row in restored(second["build"]) if row[0] != "modules"] == [
        ("deps", "restored"),
        ("own", "restored"),
    ]
    assert ("tests", "restored") in restored(second["test"])
    assert "### Restored" in second["build"].summary
    assert "### Kept" in second["build"].summary
    assert re.search(r"(?m)^\| deps \|.* kept \|", second["build"].summary), "what is written once is there"
    assert re.search(r"(?m)^\| own \|.* saved \|", second["build"].summary)


@sometimes("matrix")
def test_legs_of_a_matrix_share_what_is_kept_and_do_not_race(machine, steps, cache):
    text = STEPS.replace("    runs-on: ubuntu-latest\n", (
        "    runs-on: ubuntu-latest\n    strategy: {matrix: {target: [linux/amd64, linux/arm64, linux/386, linux/arm]}}\n"
    )).replace("{WITH}", "{work: build, targets: '${{ matrix.target }}'}").replace(
        "{test: false}", "{test: false, targets: '${{ matrix.target }}'}")  # fmt: skip
    steps.workflow(text)
    steps.commit("Build for four")
    first = machine(steps, env=cache.run("refs/heads/main"))
    assert first.ok, first.told()
    names = cache.names("refs/heads/main")
    assert len(names) == len(set(names)) == 8
    second = machine(steps, env=cache.run("refs/heads/main"))
    assert second.ok, second.told()
    for leg in second.legs("one"):
        assert [done for kind, done in restored(leg) if kind != "modules"] == ["restored", "restored"]
    assert cache.names("refs/heads/main") == names, "nothing is new"


def told(run, name):
    """The names of the variables that a step of `env` told."""
    return {line.partition("=")[0] for line in run["one"][name].lines if re.match(r"\w+=", line)}


def test_a_fork_reads_and_writes_nothing_and_no_step_gets_the_token(machine, steps, cache):
    run = machine(steps, env=cache.run("refs/heads/main"))
    assert run.ok, run.told()
    # act shows every step what GitHub shows actions alone, so what counts is what a step of ours adds.
    assert (told(run, "between") | told(run, "after")) - told(run, "before") <= {"GOFERRY_PYTHON"}
    for step in run["one"].steps.values():
        assert not {name for name in step.env if name != "GOFERRY_PYTHON"}
    kept = cache.names()
    assert kept == cache.names("refs/heads/main")
    event = steps.pull_request(fork="visitor/greeter")
    run = machine(steps, "pull_request", event, env=cache.run("refs/pull/7/merge", "refs/heads/main"))
    assert run.ok, run.told()
    assert ("own", "restored") in restored(run["one"])
    assert cache.names() == kept
    assert "pull requests write nothing" in run["one"]["save"].text


@full()
def test_a_release_is_compiled_from_what_the_default_branch_signed(
    machine, project, cache, signing, goferry, tmp_path, github
):
    goferry("keygen", "--cache", "--out", tmp_path / "keys")
    project.write({"goferry.cache.trust": (tmp_path / "keys" / "goferry.cache.trust").read_text()})
    text = (project.folder / ".github/workflows/ci.yml").read_text()
    project.workflow(text.replace("secrets: {", "secrets: {GOFERRY_CACHE_KEY: '${{ secrets.GOFERRY_CACHE_KEY }}', "))
    project.commit("Have packs signed")
    secrets = {**signing.secrets, "GOFERRY_CACHE_KEY": (tmp_path / "keys" / "cache.key").read_text()}
    push = machine(project, env=cache.run("refs/heads/main"), secrets=secrets)
    assert push.ok, push.told()
    assert push["sign-caches"].result == "success"
    assert re.findall(r"(?m)^\| (\w+) \|.* signed \|", push["sign-caches"].summary) == ["deps", "own"]
    assert [name for name in cache.names("refs/heads/main") if "-signed-" in name]
    project.git("tag", "v1.0.0")
    hub, env, token = github(project)
    tag = machine(
        project,
        payload=project.tag("v1.0.0"),
        secrets={**secrets, **token},
        env={**env, **cache.run("refs/tags/v1.0.0")},
    )
    assert tag.ok, tag.told()
    assert [done for kind, done in restored(tag["build"]) if kind != "modules"] == ["restored", "restored"]
    assert "sign-caches" not in tag.results
    assert not cache.names("refs/tags/v1.0.0")
    (release,) = hub.releases.values()
    assert not release.draft
    # Packs of the same place that nobody signed are no more than none.
    cache.entries = {n: e for n, e in cache.entries.items() if "-signed-" not in e.name}
    again = machine(
        project,
        payload=project.tag("v1.0.0"),
        secrets={**secrets, **token},
        env={**env, **cache.run("refs/tags/v1.0.0")},
    )
    assert again.ok, again.told()
    assert {done for _, done in restored(again["build"])} == {"missed"}
    assert again["release"]["release"].outputs["release"] == tag["release"]["release"].outputs["release"], "unchanged"


def hostile(folder, name):
    """An entry that somebody else wrote: it would put files over the checkout and anywhere."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for path in ("main.go", f"{folder}/evil", f"../../x/v1/{name}/own/evil-slot/evil.pack"):
            member = tarfile.TarInfo(path)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))
    return data.getvalue()


@pytest.mark.parametrize("fault", [pytest.param(each, marks=sometimes(each)) for each in FAULTS])
def test_a_service_that_fails_costs_time_and_nothing_else(machine, steps, cache, fault, tmp_path):
    if fault != "full":
        assert machine(steps, env=cache.run("refs/heads/main")).ok
        assert cache.names()
    match fault:
        case "lying":
            cache.lies = dict.fromkeys(cache.names(), b"no archive at all")
        case "hostile":
            project = re.search(r"goferry-v1-(.*?)-own", " ".join(cache.names()))[1]
            cache.lies = dict.fromkeys(cache.names(), hostile(tmp_path, project))
        case _:
            cache.fault = fault
    run = machine(steps, env=cache.run("refs/heads/main"))
    assert run.results == {"one": "success"}, run.told()
    assert run["one"]["build"].outputs["artifacts"]
    assert {done for _, done in restored(run["one"])} == {"missed"}
    assert not (tmp_path / "evil").exists()
    assert "evil" not in run["one"]["between"].text
    if fault == "full":
        assert cache.names() == []
