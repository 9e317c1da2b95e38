import subprocess
import sys
from pathlib import Path

import pytest

from goferry.pipeline.rendering import TemplateSource, WorkflowReferenceInvalid, render, render_folder

ROOT = Path(__file__).resolve().parents[3]
SOURCES = [
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *sorted((ROOT / "examples" / "workflows").glob("*.yml")),
    *sorted((ROOT / "workflows-templates").glob("*.yml")),
]
PLACE = TemplateSource("acme/goferry", "v1")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_uses_lines_are_the_only_difference(path):
    text = path.read_text()
    rendered = render(text, PLACE)
    before, after = text.splitlines(), rendered.splitlines()
    assert len(before) == len(after)
    assert text.endswith("\n") == rendered.endswith("\n")
    for old, new in zip(before, after, strict=True):
        own = "uses: $/" in old or "uses: OWNER/goferry/" in old
        if old.lstrip().startswith("#") or not own:
            assert new == old
        else:
            name = old.split("$/" if "$/" in old else "OWNER/goferry/")[1].split("@")[0]
            head = old[: old.index("uses: ")]
            assert new == f"{head}uses: acme/goferry/{name}@v1"
    assert "$/" not in "".join(line for line in after if "uses:" in line)


def test_a_commit_keeps_its_version_beside_it():
    place = TemplateSource("acme/goferry", "a" * 40, "v1.2.3")
    line = render("    uses: $/actions/sign/native\n", place)
    assert line == f"    uses: acme/goferry/actions/sign/native@{'a' * 40} # v1.2.3\n"
    assert render(line, TemplateSource("other/goferry", "v2")) == line


def test_what_only_looks_alike_stays():
    for text in (
        "      run: echo uses: $/actions/x\n",
        "#  uses: $/actions/x\n",
        "      - uses: ./actions/x\n",
        "      - uses: OWNER/goferry/actions/x@v1\n",
        "      - uses: $/\n",
    ):
        assert render(text, PLACE) == text


@pytest.mark.parametrize(
    "given",
    [
        ("acme", "v1"),
        ("acme/goferry extra", "v1"),
        ("acme/goferry\n", "v1"),
        ("acme/goferry", "v1 # x"),
        ("acme/goferry", ""),
        ("acme/goferry", "-x"),
        ("acme/goferry", "a/../b"),
        ("-acme/goferry", "v1"),
        ("acme/goferry", "a" * 40, "v1\n  run: evil"),
        ("${{ x }}/goferry", "v1"),
    ],
)
def test_what_cannot_stand_in_yaml_is_refused(given):
    with pytest.raises(WorkflowReferenceInvalid):
        TemplateSource(*given)


def test_a_folder_is_rendered_whole_and_again_the_same(tmp_path):
    source = ROOT / ".github" / "workflows"
    first = {path.name: path.read_bytes() for path in render_folder(source, tmp_path / "out", PLACE)}
    assert set(first) == {path.name for path in source.glob("*.yml")}
    again = {path.name: path.read_bytes() for path in render_folder(source, tmp_path / "out", PLACE)}
    assert again == first


def test_the_script_renders_and_names_what_it_refuses(tmp_path):
    def script(*arguments):
        return subprocess.run(
            [sys.executable, ROOT / "scripts" / "render-workflows", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    assert script(tmp_path / "out", "acme/goferry", "v1").returncode == 0
    assert "acme/goferry/actions/inspect@v1" in (tmp_path / "out" / "push-to-release.yml").read_text()
    assert script().returncode == 2
    refused = script(tmp_path / "no", "acme", "v1")
    assert refused.returncode == 2
    assert "workflow-reference-invalid" in refused.stderr
    assert not (tmp_path / "no").exists()
