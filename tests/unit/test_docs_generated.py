"""The generated pages are what the code says now."""

from pathlib import Path

import pytest
from docs_generator import generator

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", list(generator().PAGES))
def test_a_generated_page_has_not_drifted(path):
    assert (ROOT / path).read_text() == generator().PAGES[path](), "run: make docs"


def test_a_drift_is_found(monkeypatch, capsys):
    module = generator()
    monkeypatch.setitem(module.PAGES, "docs/configuration.md", lambda: "another text")
    assert module.main(["--check"]) == 1
    assert "docs/configuration.md" in capsys.readouterr().out


def test_every_error_says_what_it_means():
    page = generator().errors()
    assert "## config-invalid\n\nExit code 2." in page
    assert "## dist-sealed\n\nExit code 3." in page
