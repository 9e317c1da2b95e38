"""Which job this is, by the variables of the system that runs it."""

import pytest

from goferry.caches import ci_job
from goferry.caches.ci_job import identity, running

GITHUB = {"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "build", "RUNNER_TRACKING_ID": "github_1"}


@pytest.mark.parametrize("name", GITHUB)
def test_each_variable_tells_jobs_of_github_apart(name):
    assert identity(GITHUB) == identity({**GITHUB, "PATH": "/bin"})
    assert identity(GITHUB) != identity({**GITHUB, name: "other"})


@pytest.mark.parametrize("system", ci_job.SYSTEMS, ids=lambda system: system.names[0])
def test_a_job_of_every_system_has_a_name_that_its_next_one_lacks(system):
    environ = dict.fromkeys(system.names, "1")
    assert identity(environ)
    assert running(environ)
    for name in (*system.names, *system.more):
        assert identity(environ) != identity({**environ, name: "2"})
    for name in system.names:
        assert identity({**environ, name: ""}) == ""


def test_elsewhere_there_is_none():
    assert identity({"PATH": "/bin"}) == identity({"GITHUB_RUN_ID": "", "CI": "true"}) == ""


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, False),
        ({"CI": ""}, False),
        ({"CI": "false", "GITHUB_ACTIONS": "False"}, False),
        ({"CI": "0"}, False),
        ({"CI": "true"}, True),
        ({"CI": "1"}, True),
        ({"CI": "woodpecker"}, True),
        ({"CI": "false", "GITHUB_ACTIONS": "true"}, True),
        ({"TF_BUILD": "True"}, True),
        ({"BUILD_TAG": "v1"}, False),
    ],
)
def test_a_machine_of_ci_says_so(environ, said):
    assert running(environ) is said
