"""What the agent of a provisioned host does not do for whoever has the deploy key."""

import os

import pytest

from goferry.host.agent import Session
from goferry.host.layout import Root
from goferry.kernel.errors import Refused
from goferry.kernel.hostfile import HostFile, Place


@pytest.fixture
def session(tmp_path):
    os.chmod(tmp_path, 0o755)
    return Session(Root(tmp_path, HostFile(projects={"shop": {"api": Place("shop", "api", 8080, "socket")}})), None, {})


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_deploy_key_does_not_end_every_project_s_services(session, dry_run):
    with pytest.raises(Refused, match="root alone"):
        session.answer({"request": "down", "dry_run": dry_run})
