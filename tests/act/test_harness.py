"""The harness itself: that act runs, that what it says is read, and that the stand-ins keep GitHub's rules."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from serving import ROOT

UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"

TALK = """
on: push
jobs:
  talk:
    runs-on: ubuntu-latest
    outputs: {word: "${{ steps.say.outputs.word }}"}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - id: say
        shell: bash
        run: |
          echo word=ferry >> "$GITHUB_OUTPUT"
          echo "## hello" >> "$GITHUB_STEP_SUMMARY"
          echo "::error title=worst-thing,file=a.go,line=3::it%0Abroke"
          echo "::add-mask::hushhush"
          test "$KEY" = "line one of key" && echo the key came
          command -v go && exit 9 || ls
        env: {KEY: "${{ secrets.KEY }}"}
  hear:
    needs: talk
    runs-on: ubuntu-latest
    strategy: {matrix: {n: [1, 2]}}
    steps:
      - {id: hear, run: 'echo "heard $W in $GITHUB_REPOSITORY at $GITHUB_REF"', env: {W: "${{ needs.talk.outputs.word }}"}}
  fail:
    runs-on: ubuntu-latest
    steps: [{id: one, run: exit 3}, {id: two, run: echo no}, {id: three, if: always(), run: echo yes}]
"""


def test_a_run_is_read(act, repository):
    repository.workflow(TALK)
    repository.commit(tag="v1.0.0")
    run = act.run(repository, payload=repository.tag("v1.0.0"), secrets={"KEY": "line one of key"})
    assert not run.ok
    say = run["talk"]["say"]
    assert say.outputs == {"word": "ferry"}
    assert run["talk"].summary == "## hello\n"
    assert say.annotations("error") == [("worst-thing", "it\nbroke")]
    assert "the key came" in say.lines
    assert "main.go" in say.text, "the checkout brought the repository"
    assert say.result == "success"
    assert 0 < say.ms < 5000
    assert "heard ferry in someone/greeter at refs/tags/v1.0.0" in run.legs("hear")[1]["hear"].text
    assert run.results == {"talk": "success", "hear": "success", "fail": "failure"}
    assert {name: step.result for name, step in run["fail"].steps.items()} == {"one": "failure", "three": "success"}


def test_a_leaked_secret_fails_the_run(act, repository):
    repository.workflow("on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo ${{ secrets.KEY }}'}]}}\n")
    repository.commit()
    with pytest.raises(AssertionError, match="secret KEY"):
        act.run(repository, secrets={"KEY": "first\nsecond line of the key\n"})


ARTIFACTS = """
on: push
jobs:
  put:
    runs-on: ubuntu-latest
    strategy: {matrix: {n: [1, 2]}}
    steps:
      - run: mkdir -p out/.hidden && echo ${{ matrix.n }} > out/part-${{ matrix.n }} && touch out/.hidden/x && chmod 755 out/part*
      - uses: UPLOAD
        with: {name: "shard-${{ matrix.n }}", path: out, if-no-files-found: error}
      - {id: empty, uses: UPLOAD, with: {name: "none-${{ matrix.n }}", path: "nothing/*", if-no-files-found: error}, continue-on-error: true}
      - {id: twice, uses: UPLOAD, with: {name: "shard-${{ matrix.n }}", path: out}, continue-on-error: true}
      - run: test "${{ steps.empty.outcome }} ${{ steps.twice.outcome }}" = "failure failure"
  get:
    needs: put
    runs-on: ubuntu-latest
    steps:
      - {uses: DOWNLOAD, with: {name: shard-1, path: one}}
      - {uses: DOWNLOAD, with: {pattern: shard-*, path: all, merge-multiple: true}}
      - {uses: DOWNLOAD, with: {pattern: shard-*, path: each}}
      - {id: none, uses: DOWNLOAD, with: {name: shard-3}, continue-on-error: true}
      - {id: see, run: "find . -type f | sort; test ${{ steps.none.outcome }} = failure"}
"""


def test_artifacts_follow_githubs_rules(act, repository):
    repository.workflow(ARTIFACTS.replace("UPLOAD", UPLOAD).replace("DOWNLOAD", DOWNLOAD))
    repository.commit()
    run = act.run(repository)
    assert run.ok, run.told()
    assert run["get"]["see"].text.split() == [
        "./all/part-1", "./all/part-2", "./each/shard-1/part-1", "./each/shard-2/part-2", "./one/part-1",
    ]  # fmt: skip
    assert "409" in run.legs("put")[0]["twice"].annotations("error")[0][1]


def test_docker_mode_runs_too(act, runner_image, repository):
    repository.workflow(TALK)
    repository.commit(tag="v1.0.0")
    run = act.run(repository, payload=repository.tag("v1.0.0"), secrets={"KEY": "line one of key"}, docker=True)
    assert run.results == {"talk": "success", "hear": "success", "fail": "failure"}, run.told()
    assert run["talk"]["say"].outputs == {"word": "ferry"}


def test_the_command_of_the_page_runs_a_repository_with_the_python_of_the_machine(act, repository, tmp_path):
    """As docs/act.md shows it: no virtual environment, only what the first line of the program finds."""
    steps = "[{uses: actions/checkout@v7}, {uses: acme/goferry/actions/setup-go@v9, with: {dry-run: true}}, {run: 'echo it ran'}]"
    repository.workflow("on: push\njobs: {a: {runs-on: ubuntu-latest, steps: " + steps + "}}\n")
    repository.commit()
    plain = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    plain["PATH"] = os.pathsep.join([str(Path(sys._base_executable).parent), *plain["PATH"].split(os.pathsep)])
    words = [ROOT / "tests" / "act" / "try", repository.folder, "push", "--", "--job", "a"]
    done = subprocess.run(words, env=plain | act.environ, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "it ran" in done.stdout
    assert "Traceback" not in done.stderr
