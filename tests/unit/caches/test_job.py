"""One job is told from another by what its system says of it."""

import pytest

from goferry.caches.job import JOBS, identity


def test_no_system_is_no_job():
    assert identity({}) == identity({"CI": "true", "GITHUB_RUN_ID": ""}) == ""


@pytest.mark.parametrize("names", JOBS, ids=lambda names: names[0])
def test_each_variable_tells_jobs_apart(names):
    one = dict.fromkeys(names, "1")
    assert identity(one) == identity({**one, "HOME": "/root"}) != ""
    for name in names:
        assert identity({**one, name: "2"}) != identity(one)
