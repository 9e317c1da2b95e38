"""The agent's loop: every request gets an answer that is a frame."""

import io
import os
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


def test_a_client_that_waits_long_is_told_so_while_it_is_there(monkeypatch):
    ours, theirs = os.pipe()
    sent = io.BytesIO()
    with os.fdopen(ours, "rb", buffering=0) as reader:
        line = serve.Line(reader, sent)
        line.send({"progress": "watch api"})
        assert not line.gone()
        said = sent.getvalue()
        monkeypatch.setattr(serve, "QUIET", -1.0)
        assert not line.gone()
        assert sent.getvalue() == said * 2
        os.close(theirs)
        assert line.next(5) is None
        assert line.gone()
        assert sent.getvalue() == said * 2
