from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.runner._summaryfile import LIMIT, SummaryFile, sections


def test_sections_are_appended(tmp_path):
    path = tmp_path / "summary"
    path.write_text("theirs\n")
    SummaryFile(path).add("## One\ntext\n")
    SummaryFile(path).add("## Two")
    assert path.read_text() == "theirs\n## One\ntext\n\n## Two\n\n"


def test_no_file_is_no_error(tmp_path):
    SummaryFile(None).add("x")
    SummaryFile(tmp_path / "absent").add("x")
    assert not (tmp_path / "absent").exists()


def test_a_heading_in_code_starts_no_section():
    text = "## A\n````text\n# no\n```\n# no\n````\n## B\n~~~\n# no\n"
    assert sections(text) == ["## A\n````text\n# no\n```\n# no\n````\n\n", "## B\n~~~\n# no\n\n"]
    assert sections("before\n# A\n\n\n") == ["before\n\n", "# A\n\n"]


def test_what_does_not_fit_is_counted_and_a_failure_still_fits(tmp_path):
    path = tmp_path / "summary"
    path.write_text("")
    summary = SummaryFile(path)
    for index in range(12):
        summary.add(f"## Part {index}\n" + "é" * 60_000)
    summary.add("## Broken\nthis", urgent=True)
    summary.close()
    text = path.read_text()
    assert path.stat().st_size <= LIMIT
    assert "## Part 7\n" in text
    assert "## Part 8\n" not in text
    assert "## Broken" in text
    assert text.endswith("… and 4 more of this step's sections were left out: a summary ends at 1 MiB._\n")


def test_only_what_is_urgent_uses_the_room_that_is_kept(tmp_path):
    path = tmp_path / "summary"
    path.write_text("x" * 700)
    summary = SummaryFile(path, limit=1000, kept=150)
    summary.add("## Usual\n" + "y" * 80)
    assert path.stat().st_size == 700
    summary.add("## Urgent\n" + "y" * 80, urgent=True)
    assert "## Urgent" in path.read_text()


@settings(deadline=None, max_examples=examples(40))
@given(parts=st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=20))
def test_the_limit_is_never_passed(parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("summary") / "file"
    path.write_text("")
    summary = SummaryFile(path, limit=1000, kept=200)
    for size, urgent in parts:
        summary.add("## x\n" + "y" * size + "\n## z\n" + "y" * size, urgent=urgent)
    summary.close()
    assert path.stat().st_size <= 1000
