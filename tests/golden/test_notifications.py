"""What a webhook is sent, byte for byte, from the error of a failed step on.

`GOFERRY_WRITE_GOLDEN=1` writes the expected payloads again; look at the difference before you commit it.
"""

import json
import os
from pathlib import Path

import pytest

from goferry.kernel.errors import Failed, Refused
from goferry.observe import notify, notify_shapes
from goferry.pipeline import notification
from goferry.runner import _failure as failure

FOLDER = Path(__file__).parent / "notify"
RUN = notify.WorkflowRun(
    repository="acme/shop",
    workflow="Release",
    ref="v1.4.0",
    commit="3f1c2ab0" * 5,
    event="push",
    id="42",
    url="https://github.com/acme/shop/actions/runs/42",
)


class KeyRevoked(Refused):
    name = "signature-key-revoked"


REVOKED = KeyRevoked(
    "dist/SHA256SUMS.asc was signed by a revoked key",
    state="Nothing was installed.",
    advice=["goferry sign dist --openpgp-key new.asc"],
)
LONG = Failed("\n".join(f"line {number} of <what> & `why`" for number in range(40)), advice=["a " * 100] * 12)
EVIL = Failed(
    "<!channel> <https://evil.example|click> ```\n*b* [a](https://x.y) @here & \x1b[31m\u202e ghp_" + "a1B2" * 9
)
WARM = {"stage": "verify", "lines": ["verify  dist", "refused"], "action": "verify"}
CASES = {
    "one-failed": ({"plan": "success", "package": "failure"}, {"package": (REVOKED, WARM)}, False),
    "three-failed-one-is-lost": (
        {"build": "failure", "test": "failure", "lint": "failure", "deploy": "skipped"},
        {"build": (LONG, {"stage": "build linux/amd64", "lines": ["x" * 400] * 30, "action": "cross-compile"}),
         "test": (EVIL, {"stage": "test", "lines": ["::error::x", "```"], "action": "test"})},
        False,
    ),
    "a-fleet-of-failures": (
        {f"build-{number:02}": "failure" for number in range(12)},
        {f"build-{number:02}": (REVOKED, {**WARM, "lines": ["y" * 300] * 20}) for number in range(12)},
        False,
    ),
    "cancelled": ({"build": "cancelled", "deploy": "skipped"}, {}, True),
    "success": ({"build": "success"}, {}, False),
    "recovery": ({"build": "success", "deploy": "skipped"}, {}, True),
}  # fmt: skip
RENDERERS = {
    "json": lambda message: notify_shapes.encoded(notify_shapes.generic(message)),
    "slack.json": lambda message: notify_shapes.encoded(notify_shapes.slack(message)),
    "teams.json": lambda message: notify_shapes.encoded(notify_shapes.teams(message)),
    "md": lambda message: notify.markdown(message).encode(),
}
GOLDEN = [(case, suffix) for case in CASES for suffix in RENDERERS if case != "a-fleet-of-failures" or "." in suffix]


def told(folder, needs, left, *, recovered):
    """Return the message of a run in whose jobs these steps failed: each leaves its file, and all are read back."""
    for job, (error, about) in left.items():
        (folder / f"goferry-failure-{job}").mkdir()
        failure.write(folder / f"goferry-failure-{job}", failure.record(error, secrets=["hunter22"], **about))
    jobs = notification.results(json.dumps({name: {"result": result} for name, result in needs.items()}))
    return notify.compose(RUN, jobs, notification.failures(folder, jobs, ["evil.example"]), recovered=recovered)


@pytest.mark.parametrize(("case", "suffix"), GOLDEN)
def test_the_payload_is_the_one_on_record(case, suffix, tmp_path):
    needs, left, recovered = CASES[case]
    made = RENDERERS[suffix](told(tmp_path, needs, left, recovered=recovered))
    path = FOLDER / f"{case}.{suffix}"
    if os.environ.get("GOFERRY_WRITE_GOLDEN"):
        path.write_bytes(made)
    assert made == path.read_bytes()


def test_what_a_failed_step_leaves_is_the_one_on_record(tmp_path):
    path = FOLDER / "failure.json"
    made = failure.write(tmp_path, failure.record(REVOKED, **WARM)).read_bytes()
    if os.environ.get("GOFERRY_WRITE_GOLDEN"):
        path.write_bytes(made)
    assert made == path.read_bytes()


def test_every_file_has_its_case():
    assert {path.name for path in FOLDER.iterdir()} == {"failure.json", *(".".join(each) for each in GOLDEN)}
