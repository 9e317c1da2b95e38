import stat

import pytest

from goferry.runner import _masks as masks


def test_a_secret_of_several_lines_is_masked_whole_and_by_line(github):
    secret = "-----BEGIN KEY-----\r\n\r\nabcd%ef\r\n=x\r\n-----END KEY-----\n"
    found = [github.command(line) for line in masks.commands(secret)]
    assert {name for name, _, _ in found} == {"add-mask"}
    values = [value for _, _, value in found]
    assert values[0] == secret.strip()
    assert values[1:] == ["-----BEGIN KEY-----", "abcd%ef", "-----END KEY-----"]


@pytest.mark.parametrize("secret", ["", " ", "\n\r\n"])
def test_nothing_is_masked_for_a_blank_secret(secret):
    assert masks.commands(secret) == []


def test_a_short_secret_is_still_masked():
    assert masks.commands("ab") == ["::add-mask::ab"]


def test_the_file_is_private_and_gone_afterwards(tmp_path):
    with masks.as_file("line\r\nlast", tmp_path) as path:
        assert path.read_bytes() == b"line\nlast\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_gone_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), masks.as_file("x", tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
