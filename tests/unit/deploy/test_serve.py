"""The agent's loop: every request gets an answer that is a frame."""

import io
import sys

import pytest

from goferry.deploy.client import sendable
from goferry.host import serve
from goferry.kernel import frames
from goferry.kernel.errors import Misuse
from goferry.system import process


@pytest.mark.parametrize("answer", [{"ok": True, "log": "\udcff"}, {"ok": True, "text": "x" * frames.MAX_HEADER}])
def test_an_answer_that_cannot_be_sent_is_told_as_an_error(answer):
    sent = io.BytesIO()
    serve.Line(io.BytesIO(), sent).send(answer)
    sent.seek(0)
    told, _ = frames.read(sent)
    assert (told["ok"], told["error"]["name"]) == (False, "host-failed")


def test_a_path_that_no_frame_carries_is_misuse(tmp_path):
    assert sendable(tmp_path) == str(tmp_path)
    with pytest.raises(Misuse):
        sendable(tmp_path / "\udcff")


def test_no_program_gets_the_passphrase():
    words = [sys.executable, "-c", "import os; print(sorted(k for k in os.environ if k.startswith('GOFERRY')))"]
    done = process.run(words, environ={"GOFERRY_SIGNING_PASSPHRASE": "x", "GOFERRY_CACHE": "y"})
    assert done.text.strip() == "['GOFERRY_CACHE']"
