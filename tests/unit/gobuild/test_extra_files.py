"""What goes into every archive beside the programs, and what is said of what does not."""

import pytest

from goferry.gobuild import _extra_files as extra_files


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repository"
    (root / "services" / "api").mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("free\n")
    (root / "licenses").mkdir()
    (root / "licenses" / "MIT.txt").write_text("free\n")
    return root


@pytest.mark.parametrize(
    ("link", "to", "found", "told"),
    [
        ("LICENSE", "licenses/MIT.txt", ("LICENSE",), 0),
        ("LICENSE", "../elsewhere", (), 1),
        ("README.md", "absent.md", (), 1),
        ("COPYING", "licenses", (), 1),
        ("other", "../elsewhere", (), 0),
    ],
)
def test_a_link_within_the_repository_is_followed_and_any_other_is_told(link, to, found, told, repository):
    (repository / link).symlink_to(to)
    assert extra_files.find(repository, repository, ()) == found
    said = extra_files.left_out(repository, repository)
    assert len(said) == told
    assert all(link in sentence for sentence in said)


def test_a_project_in_a_folder_takes_the_license_that_the_top_links_to(repository):
    (repository / "LICENSE").symlink_to("licenses/MIT.txt")
    assert extra_files.find(repository / "services" / "api", repository, ()) == ("../../LICENSE",)
