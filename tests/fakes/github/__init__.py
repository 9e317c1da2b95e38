"""A fake GitHub: releases with their bytes, tags, workflow runs, permissions, faults and an OIDC issuer, on loopback.

It is not GitHub, and says so in the Server header of every answer. What it answers has the shape of GitHub's published
API description; tests/integration/test_fake_github_contract.py holds it to that. What GitHub does beyond that
description (drafts hidden from readers, names of assets replaced, half-uploaded assets) follows its documentation.

    with FakeGitHub() as fake:                              api, uploads and storage on three ports
        fake.repository("acme/shop").tags["v1.0.0"] = sha
        token = fake.token({"contents": "write"})           as a job's `permissions:` would make it
        fake.fail("upload", "starter")                      one upload ends in HTTP 502 and leaves a remainder

As a program: `python tests/fakes/github --port 8000 --repository acme/shop …`, see --help.
"""

from fakes.github.faults import Fault
from fakes.github.server import FakeGitHub
from fakes.github.state import Repository, Run

__all__ = ["FakeGitHub", "Fault", "Repository", "Run"]
