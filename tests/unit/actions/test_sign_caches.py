"""Only lists that a job of the run wrote are signed: artifacts can be replaced, outputs of another job can't."""

import hashlib
import io

import pytest

from goferry.actions import main

LIST = b'{"schema":1}\n'
DIGEST = hashlib.sha256(LIST).hexdigest()


@pytest.mark.parametrize(
    ("digests", "refused"),
    [
        ("any", False),
        (DIGEST, False),
        (f"  {'0' * 64}\n {DIGEST} ", False),
        (" ", True),
        ("0" * 64, True),
        (f"x{DIGEST}", True),
    ],
)
def test_a_list_that_no_job_of_the_run_wrote_is_not_signed(tmp_path, digests, refused):
    (tmp_path / "lists" / "shard-1").mkdir(parents=True)
    (tmp_path / "lists" / "shard-1" / "shop-01234567.json").write_bytes(LIST)
    output = tmp_path / "output"
    output.touch()
    environ = {
        "PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": str(output), "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_WORKSPACE": str(tmp_path), "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1",
        "INPUT_LISTS": "lists", "INPUT_DIGESTS": digests,
    }  # fmt: skip
    said = io.StringIO()
    assert main.run("sign-caches", environ, said) == 0
    assert ("lists/shard-1/shop-01234567.json is not signed" in said.getvalue()) is refused
    assert ("goferry-v1-shop-01234567-signed-7-1" in output.read_text()) is not refused
