import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.runner._annotations import AnnotationPlace, Annotations


def run(counts, count=None, fail=False):
    lines = []
    annotations = Annotations(lines.append, count)
    for kind, number in counts.items():
        for index in range(number):
            annotations.add(kind, f"{kind} {index}")
    if fail:
        annotations.add("error", "the end", last=True)
    annotations.close()
    return lines


@pytest.mark.parametrize("number", [0, 1, 9, 10])
def test_ten_of_a_kind_all_become_annotations(number, github):
    found = github.log("\n".join(run({"warning": number})))
    assert [data for _, _, data in found] == [f"warning {index}" for index in range(number)]


def test_what_is_over_is_counted_and_stays_in_the_log(github):
    lines = run({"warning": 14, "notice": 1})
    found = [data for name, _, data in github.log("\n".join(lines)) if name == "warning"]
    assert found == [*(f"warning {index}" for index in range(9)), "and 5 more: they stand in this step's log"]
    assert [line for line in lines if line.startswith("warning: ")] == [
        f"warning: warning {index}" for index in range(9, 14)
    ]


def test_the_error_that_ends_a_step_always_has_a_place(github):
    errors = [data for _, _, data in github.log("\n".join(run({"error": 30}, fail=True)))]
    assert len(errors) == 10
    assert errors[-1] == "the end"


def test_a_job_has_fifty(tmp_path, github):
    count = tmp_path / "annotations"
    found = [github.log("\n".join(run({"warning": 10, "notice": 10}, count))) for _ in range(4)]
    assert [len(each) for each in found] == [20, 20, 10, 0]
    assert [data for _, _, data in github.log("\n".join(run({}, count, fail=True)))] == ["the end"]


def test_a_foreign_count_is_no_obstacle(tmp_path, github):
    for text in ("", "x", "-4", "\x00"):
        (tmp_path / "count").write_text(text)
        assert len(github.log("\n".join(run({"notice": 1}, tmp_path / "count")))) == 1


@settings(deadline=None, max_examples=examples(30))
@given(data=st.data())
def test_no_text_is_more_than_an_annotation(data, github, hostile_text):
    lines = []
    annotations = Annotations(lines.append)
    for _ in range(12):
        place = AnnotationPlace(title=data.draw(hostile_text), file=data.draw(hostile_text))
        annotations.add("error", data.draw(hostile_text), place)
    annotations.close()
    found = github.log("\n".join(lines))
    assert [name for name, _, _ in found] == ["error"] * 10
    assert all(set(properties) <= {"title", "file"} for _, properties, _ in found)
    assert "\x1b" not in "".join(lines)
