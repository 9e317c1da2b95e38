"""The outer main: which runners it starts on."""

import io

import pytest

from goferry.actions import main


@pytest.mark.parametrize(("name", "said"), [("inspect", "runner-unsupported"), ("notify", "input-missing")])
def test_a_windows_runner_is_told_at_once(tmp_path, monkeypatch, name, said):
    (tmp_path / "output").touch()
    environ = {
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_WORKSPACE": str(tmp_path),
    }
    out = io.StringIO()
    monkeypatch.setattr(main, "os", type("os", (), {"name": "nt"}))
    assert main.run(name, environ, out) == 2
    assert f"::error title={said}::" in out.getvalue()
