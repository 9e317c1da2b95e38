"""The agent as one file: the same bytes each time, and it runs on the oldest Python that a host may have."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from goferry.deploy._bundle import SHEBANG, bundle
from goferry.host import serve
from goferry.kernel import frames, protocol


def pythons():
    named = sorted(Path.home().glob(".pyenv/versions/3.9*/bin/python"))
    return [sys.executable, *(map(str, named) if named else filter(None, [shutil.which("python3.9")]))]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "goferry-host"
    path.write_bytes(bundle())
    return path


@pytest.fixture(scope="module")
def unpacked(program):
    """The same program as a folder: Python keeps what it compiled of it, which is most of a start's time."""
    with zipfile.ZipFile(program) as archive:
        archive.extractall(program.with_name("unpacked"))
    return program.with_name("unpacked")


def run(python, program, *words, **more):
    return subprocess.run([python, "-I", program, *words], capture_output=True, check=False, timeout=60, **more)


def test_it_is_deterministic_and_holds_the_two_rooms_alone():
    assert bundle() == bundle()
    assert bundle().startswith(SHEBANG)
    members = zipfile.ZipFile(BytesIO(bundle())).infolist()
    assert len({member.date_time for member in members}) == 1  # no time of its own, which two calls at once would hide
    names = [member.filename for member in members]
    assert names == sorted(names)
    assert [name for name in names if "/" not in name] == ["__main__.py", "identity"]
    assert {name.split("/")[1] for name in names if "/" in name} == {"__init__.py", "kernel", "host"}
    assert names == sorted(names)


@pytest.mark.parametrize("python", pythons())
def test_it_compiles_itself_and_loads_that_and_nothing_that_was_made_of_other_sources(tmp_path, python):
    program, made = tmp_path / "goferry-host", tmp_path / "goferry-host.d"
    program.write_bytes(bundle())
    made.mkdir()
    for age, name in enumerate(("old.cpython-39.zip", "older.cpython-39.zip")):
        (made / name).write_bytes(b"")
        os.utime(made / name, (1000 - age, 1000 - age))

    def loaded():
        done = run(python, program, "version")
        assert done.returncode == 0, done.stderr
        words = [python, "-I", "-v", program, "version"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stderr.count(f"{made}{os.sep}")

    assert run(python, program, "compile", "--check").returncode == 1
    assert not loaded()
    assert run(python, program, "compile").returncode == 0
    assert run(python, program, "compile", "--check").returncode == 0
    assert loaded()
    (compiled,) = [path for path in made.iterdir() if path.stat().st_size]
    assert sorted(path.name for path in made.iterdir()) == sorted(["old.cpython-39.zip", compiled.name])
    with zipfile.ZipFile(compiled) as archive:
        assert all(name.endswith(".pyc") for name in archive.namelist())
    whole = compiled.read_bytes()
    compiled.write_bytes(whole[:100] + bytes(len(whole) - 2100) + whole[-2000:])
    assert run(python, program, "compile", "--check").returncode == 1
    assert run(python, program, "compile").returncode == 0
    assert run(python, program, "compile", "--check").returncode == 0
    assert loaded()
    # Another agent's identity is another name, so what was compiled of the one before is not looked at.
    text = program.read_bytes().replace(b"identity", b"identitz")
    program.write_bytes(text.replace(compiled.name.partition(".")[0].encode(), b"0" * 32))
    assert not loaded()
    assert run(python, program, "compile").returncode == 1  # what it is made of is not said any more


@pytest.mark.parametrize("python", pythons())
def test_every_module_loads(unpacked, python):
    """What parses on an old Python may still not load there: aliases and base classes are evaluated."""
    found = sorted(path.relative_to(unpacked) for path in unpacked.rglob("*.py") if path.stem != "__main__")
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in found]
    assert {"goferry.kernel.files", "goferry.host.agent"} <= {*names}
    program = f"import sys; sys.path.insert(0, {str(unpacked)!r}); import {', '.join(names)}"
    done = subprocess.run([python, "-I", "-c", program], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("python", pythons())
def test_every_verb_runs(program, unpacked, python, tmp_path):
    assert run(python, program, "version").stdout == b"goferry-host 1\n"
    hello = frames.encode({"request": "hello"})
    done = run(python, program, "serve", "--root", tmp_path / "r", input=hello)
    answer, _ = frames.read(BytesIO(done.stdout))
    assert (done.returncode, answer["ok"], answer["held"], answer["provisioned"]) == (0, True, [], False)
    assert run(python, unpacked, "recover", "--root", tmp_path / "r").returncode == 0
    assert run(python, unpacked, "shim", "0", input=b"{}").returncode == 1
    assert run(python, unpacked, "unknown").returncode == 2


def served(sent, root, host=None):
    """Serve what a client sends, in this process; return the exit code and the first answer."""
    answers = BytesIO()
    code = serve.serve(BytesIO(sent), answers, root, None, {}, host=host)
    return code, frames.read(BytesIO(answers.getvalue()))[0]


NO_FRAMES = [b"GET / HTTP/1.1\r\n\r\n", b"GF\x01", b"GF\x09" + bytes(8), b"\xff" * 5000]


@pytest.mark.parametrize("sent", NO_FRAMES)
def test_what_is_no_frame_is_named_and_ends_it(sent, tmp_path):
    code, answer = served(sent, tmp_path / "r")
    assert (code, answer["error"]["name"]) == (2, "malformed-frame")


def test_the_program_ends_with_what_serving_ended_with(unpacked, tmp_path):
    done = run(sys.executable, unpacked, "serve", "--root", tmp_path / "r", input=NO_FRAMES[0])
    answer, _ = frames.read(BytesIO(done.stdout))
    assert (done.returncode, answer["error"]["name"], done.stderr) == (2, "malformed-frame", b"")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema":2}', '{"schema":3}'])
def test_a_damaged_host_file_is_named(text, tmp_path):
    (tmp_path / "host.json").write_text(text)
    code, answer = served(frames.encode({"request": "hello"}), tmp_path / "r", tmp_path / "host.json")
    assert (code, answer["error"]["name"]) == (3, "host-file-invalid")


def test_connect_passes_bytes_and_lets_the_agent_answer_after_the_client_has_ended(program):
    path = f"/tmp/goferry-test-{os.getpid()}.sock"
    data = os.urandom(3 << 20)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def agent():
            connection, _ = listener.accept()
            with connection:
                heard = b"".join(iter(lambda: connection.recv(1 << 16), b""))
                connection.sendall(hashlib.sha256(heard).digest() + heard)

        thread = threading.Thread(target=agent)
        thread.start()
        environ = {"SSH_ORIGINAL_COMMAND": "rm -rf /"}
        done = run(sys.executable, program, "connect", "--project", "shop", "--socket", path, input=data, env=environ)
        thread.join()
    os.unlink(path)
    heard = frames.encode(protocol.bind("shop")) + data
    assert (done.returncode, done.stdout) == (0, hashlib.sha256(heard).digest() + heard)


def test_connect_says_when_no_agent_is_there(program, tmp_path):
    done = run(sys.executable, program, "connect", "--socket", tmp_path / "none.sock", input=b"")
    assert done.returncode == 5
    assert b"can't be reached" in done.stderr
