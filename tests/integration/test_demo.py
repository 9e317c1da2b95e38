"""The demo as `make demo` runs it: whole, and stopped half-way, when nothing of it may run on."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from goferry.observe import humanize

FOLDER = Path(__file__).resolve().parents[2] / ".demo"


def start(root, mark):
    environ = {**os.environ, "DEMO_MARK": mark}
    environ.pop("TARGETS", None)
    words = [
        sys.executable,
        "-I",
        "-c",
        "import runpy, sys; sys.path.insert(0, 'examples'); sys.argv = ['demo.py']; runpy.run_path('examples/demo.py', run_name='__main__')",
    ]
    return subprocess.Popen(
        words, cwd=root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def left(mark):
    """Processes that bear the demo's mark, or the folder in their arguments or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in told or f"GOFERRY_CONTROL={FOLDER}".encode() in told:
            found.append((entry.name, told.split(b"\0")[:3]))
    return found


def await_gone(mark):
    end = time.monotonic() + 5
    while (remaining := left(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    return remaining


def test_the_demo_tells_the_truth_and_leaves_nothing_running(root):
    mark = secrets.token_hex(8)
    demo = start(root, mark)
    out, err = demo.communicate(timeout=500)
    assert demo.returncode == 0, err
    facts = dict(re.findall(r"^([a-z ]+): (.*)$", out, re.MULTILINE))
    assert facts["lost"] == "0"
    assert int(facts["sent"]) > 3000
    assert int(facts["lost by a bare restart"].split()[0]) > 0
    assert facts["ids"] == "equal"
    assert "file-altered" in facts["tampered copy"]
    assert "checksum-database" in facts["go"]
    assert {"setup-go", "test", "build", "image", "sign", "verify", "deploy"} <= set(
        re.findall(r"^  ([a-z-]+) ", out, re.MULTILINE)
    )
    page = Path(facts["report"]).read_text()
    sent, (bare_lost, bare_sent) = int(facts["sent"]), map(int, facts["lost by a bare restart"].split(" of "))
    assert f"{facts['lost']} of {sent:,} requests lost" in page
    assert f"{bare_lost:,}</span> of {bare_sent:,} requests" in page
    switched = int(facts["time to switch"].split()[0])
    assert humanize.seconds(switched / 1000).replace(" ", "\xa0") in page
    assert "<svg" in page
    assert "<script" not in page
    assert not await_gone(mark)


@pytest.mark.parametrize(("stage", "number"), [("build", signal.SIGTERM), ("switch under load", signal.SIGINT)])
def test_a_demo_that_is_stopped_leaves_nothing_running(root, stage, number):
    mark = secrets.token_hex(8)
    events = FOLDER / "events.ndjson"
    events.unlink(missing_ok=True)
    demo = start(root, mark)
    try:
        wait_for(events, stage, demo)
        time.sleep(1.5 if stage == "switch under load" else 0.1)
        os.kill(demo.pid, number)
        _, err = demo.communicate(timeout=60)
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.communicate()
    assert demo.returncode == 130, err
    assert "interrupted (exit 130)" in err
    assert "Traceback" not in err
    assert not await_gone(mark)


def wait_for(events, stage, demo):
    end = time.monotonic() + 400
    while time.monotonic() < end and demo.poll() is None:
        lines = events.read_text().splitlines() if events.exists() else []
        for line in lines:
            if line.endswith("}") and json.loads(line).get("stage") == stage:
                return
        time.sleep(0.05)
    if demo.poll() is None:
        pytest.fail(f"{stage} was not reached in 400 s")
    _, err = demo.communicate()
    pytest.fail(f"{stage} was never reached: exit {demo.returncode}\n{err}")
