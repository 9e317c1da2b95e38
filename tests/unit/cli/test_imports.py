import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["goferry.pipeline.build", "goferry.golang._setup", "goferry.cli.status"])
def test_what_fetches_nothing_loads_nothing_to_fetch_with(module):
    """A build with nothing to do is mostly the time of its imports."""
    code = f"import sys, goferry.cli.main, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"urllib3", "ssl", "difflib", "tarfile", "cryptography"} & {*loaded}
