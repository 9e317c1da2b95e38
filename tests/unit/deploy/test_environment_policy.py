import pytest

from goferry.config._environments import resolve
from goferry.deploy._environment_policy import UncommittedRefused, judge_accepts, judge_uncommitted
from goferry.kernel.manifest import MANIFEST, Manifest
from goferry.kernel.outcomes import SnapshotRefused

FILE = {"path": "web/dist/index.html", "sha256": "1" * 64}


@pytest.fixture
def release(tmp_path):
    """Write a manifest with these notes, and return its folder."""

    def make(notes):
        made = Manifest(
            "shop", "example.com/shop", "v1.0.0", "a" * 40, 1, "2026-11-26T00:00:00Z", files=(), notes=notes
        )
        (tmp_path / MANIFEST).write_bytes(made.to_bytes())
        return tmp_path

    return make


@pytest.mark.parametrize("notes", [{}, {"uncommitted": []}, {"uncommitted": [FILE]}, {"uncommitted": "odd"}])
@pytest.mark.parametrize("rule", ["", "allowed"])
def test_what_the_commit_lacks_is_allowed_unless_an_environment_says_otherwise(release, notes, rule):
    judge_uncommitted(release(notes), rule)


def test_a_release_that_lists_nothing_is_taken(release):
    judge_uncommitted(release({"uncommitted": []}), "refused", "production")


@pytest.mark.parametrize(
    ("notes", "told"),
    [
        ({"uncommitted": [FILE]}, "has web/dist/index.html"),
        ({"uncommitted": [{"path": "a\x1b[31m", "sha256": ""}]}, "has a"),
        ({}, "does not say"),
        ({"uncommitted": "odd"}, "does not say"),
        ({"uncommitted": [7]}, "has "),
    ],
)
def test_one_that_lists_files_or_does_not_tell_is_refused(release, notes, told):
    with pytest.raises(UncommittedRefused) as caught:
        judge_uncommitted(release(notes), "refused", "production")
    assert f"production takes nothing that the commit lacks; shop v1.0.0 {told}" in caught.value.what
    assert "\x1b" not in caught.value.what
    assert caught.value.exit_code == 3


def test_every_environment_allows_it_by_default():
    assert {rules["uncommitted"] for rules in resolve({"canary": {}}).values()} == {"allowed"}
    assert (
        resolve({"production": {"uncommitted": "refused"}, "eu": {"inherits": "production"}})["eu"]["uncommitted"]
        == "refused"
    )


def test_a_snapshot_is_refused_with_no_scheme_of_tags_but_the_project_s_own(tmp_path):
    made = Manifest("shop", "m", "2026.8.2", "a" * 40, 1, "2026-11-26T00:00:00Z", files=(), snapshot=True)
    (tmp_path / MANIFEST).write_bytes(made.to_bytes())
    with pytest.raises(SnapshotRefused) as caught:
        judge_accepts(tmp_path, "releases")
    assert caught.value.advice[0].endswith(":  git push origin TAG")
