"""An action that fails before it connects to a host says that none was changed."""

import io
import json

import pytest

from goferry.actions import main

SAID = "Nothing was changed on any host."
KEY = {"GOFERRY_DEPLOY_KEY": "a key"}


@pytest.mark.parametrize(
    ("action", "inputs", "more", "error", "said"),
    [
        ("deploy", {"hosts": "web-1"}, {}, "secret-missing", True),
        ("deploy", {"environment": "nowhere"}, KEY, "environment-unknown", True),
        ("deploy", {"hosts": "web-1", "dist": "absent"}, KEY, "parcel-missing", True),
        ("rollback", {"hosts": "web-1"}, {}, "secret-missing", True),
        ("rollback", {"hosts": "-x"}, KEY, "host-name-invalid", True),
        ("goferry", {"hosts": "web-1", "working-directory": "absent"}, {}, "input-invalid", True),
        ("goferry", {"working-directory": "absent"}, {}, "input-invalid", False),
        (
            "goferry",
            {"hosts": "web-1", "working-directory": "absent"},
            {"GITHUB_EVENT_NAME": "pull_request"},
            "input-invalid",
            False,
        ),
    ],
)
def test_an_action_that_fails_before_it_connects(tmp_path, action, inputs, more, error, said):
    (tmp_path / ".git").mkdir()
    output = tmp_path / "output"
    output.touch()
    environ = {
        "PATH": "/usr/bin:/bin",
        "GITHUB_OUTPUT": str(output),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_WORKSPACE": str(tmp_path),
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
        **more,
    }
    out = io.StringIO()
    assert main.run(action, environ, out) == 2
    failure = json.loads((tmp_path / "temp" / "goferry" / "failure.json").read_text())
    assert failure["error"] == error
    assert (SAID in failure["state"]) == said
    assert failure["state"].count(SAID) <= 1
    if action != "goferry":
        assert "outcome<<" in output.read_text() or "outcome=failed" in output.read_text()
