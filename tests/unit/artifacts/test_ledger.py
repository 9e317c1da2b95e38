"""A sealed folder says what it is, and what can be done with it."""

import pytest

from goferry.artifacts.ledger import DistSealed, refuse_sealed


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ('{"project":"shop","version":"v1.2.3"}', " as shop v1.2.3"),
        ('{"project":"\\u001b[31mshop","version":"v1.2.3"}', " as \\x1b[31mshop v1.2.3"),
        ("[]", ""),
        ("{", ""),
        (None, ""),
    ],
)
def test_a_sealed_folder_says_as_what_and_what_to_go_on_with(tmp_path, release, said):
    folder = tmp_path / "dist of mine"
    folder.mkdir()
    refuse_sealed(folder)
    (folder / "SHA256SUMS").write_text("")
    if release is not None:
        (folder / "release.json").write_text(release)
    with pytest.raises(DistSealed) as caught:
        refuse_sealed(folder)
    assert caught.value.what == f"{folder} is sealed{said}, and nothing can be added to it"
    assert caught.value.advice[0].endswith(f"goferry verify '{folder}' --trust FILE")
