"""Text that a stranger chooses: it reaches no shell, no command of the runner, no environment file, no summary raw."""

import re

import pytest
from foreign import CONFIG, SMALL
from sampling import sample

MESSAGE = """Fix it $(touch MARK) `touch MARK`

::error title=owned::owned
::set-output name=owned::owned
::add-mask::e
##[error]owned
%0A::error title=owned::owned
owned=owned
GITHUB_ENV<<EOF
<img src=x onerror=owned> [owned](javascript:owned) | a | b |
\x1b]0;owned\x07\x1b[2Jowned
"""
NAMES = [
    "docs/$(touch MARK).md", "docs/`touch MARK`.txt", "docs/;touch MARK;.txt", "docs/a\nb::error title=owned::owned", "docs/::error title=owned::owned",
    "docs/<img src=x onerror=owned>", "-rf", "--help", "docs/\x1b]0;owned\x07", "goferry.py", "json.py", "sitecustomize.py", "usercustomize.py", "click/__init__.py",
    "docs/owned=owned\nowned<<EOF",
]  # fmt: skip
BRANCHES = [
    "$(touch${IFS}MARK)",
    "`touch${IFS}MARK`",
    "a;touch${IFS}MARK",
    "a'\"$(touch${IFS}MARK)\"'",
    "%0A%0Downed=owned",
    "<img/src=x>|owned|",
]
STARTED = 'import os\nos.close(os.open("MARK", os.O_CREAT | os.O_WRONLY))\n'


@pytest.fixture
def hostile(make_repository, example, signing, tmp_path):
    """`hostile()` returns a repository full of hostile names and texts, and the file that must not appear."""
    mark = tmp_path / "pwned"
    where = str(mark)
    repository = make_repository()
    repository.write({"goferry.yml": CONFIG, "goferry.trust": signing.trust})
    repository.workflow(example("release.yml").replace("branches: [main], ", "branches: ['**'], "))
    for name in NAMES:
        # A name cannot hold the mark's slashes: `pwned` would be touched in the workspace, where nothing looks, so
        # names are here for what they say; the code that hides beside them names the mark.
        text = STARTED.replace("MARK", where) if name.endswith(".py") else "x\n"
        repository.write({name.replace("MARK", "pwned"): text})
    repository.commit(MESSAGE.replace("MARK", where))
    return repository, mark


def _unharmed(run, mark):
    assert not mark.exists(), "a shell or Python ran what a stranger wrote"
    told = run.told()
    for step in run.steps:
        for each in (step, *step.inner.values()):
            assert "owned" not in each.outputs, told
            assert "owned" not in each.env, told
            assert not [command for command in each.commands if command[1].get("title") == "owned"], told
            assert not [
                command
                for command in each.commands
                if command[0] in ("add-mask", "set-output") and command[2] in ("e", "owned")
            ], told
            assert not [line for line in each.lines if "\x1b]" in line or "\x1b[2J" in line], told
        shown = re.sub(r"(?ms)^(`{3,})[^`\n]*\n.*?^\1$", "", step.summary)  # what is fenced is shown as it is
        assert "<img" not in shown
        assert "](javascript:" not in shown


@pytest.mark.parametrize("branch", sample(BRANCHES))
def test_a_branch_with_a_hostile_name(act, hostile, branch):
    repository, mark = hostile
    branch = branch.replace("MARK", str(mark))
    run = act.run(repository, payload=repository.push(f"refs/heads/{branch}"))
    assert run["package"].result == "success", run.told()
    _unharmed(run, mark)


def test_a_pull_request_of_a_stranger(act, hostile):
    repository, mark = hostile
    title = MESSAGE.replace("MARK", str(mark))
    event = repository.pull_request(BRANCHES[3].replace("MARK", str(mark)), title=title, fork="visitor/greeter")
    run = act.run(repository, "pull_request", event)
    assert run["package"].result == "success", run.told()
    _unharmed(run, mark)


def test_a_tag_with_a_hostile_name(act, hostile):
    repository, mark = hostile
    tag = f"v1.0.0-$(touch${{IFS}}{mark})"
    repository.git("tag", tag)
    run = act.run(repository, payload=repository.tag(tag))
    assert run["plan"]["inspect"].outputs["push"] != "release", "a tag that is not a version became a release"
    _unharmed(run, mark)


def test_a_failing_test_that_prints_commands(act, hostile):
    repository, mark = hostile
    shout = 'import "testing"\n\nfunc TestShout(t *testing.T) {\n\tprintln("::error title=owned::owned")\n\tprintln("::set-output name=owned::owned")\n\tt.Fatal("\\n::add-mask::e\\n::error title=owned::owned <img src=x>")\n}\n'
    repository.write({"main_test.go": SMALL["main_test.go"].replace('import "testing"\n', shout)})
    repository.commit("Shout")
    run = act.run(repository)
    assert run["test"].result == "failure", run.told()
    assert "TestShout" in run["test"].text
    _unharmed(run, mark)
