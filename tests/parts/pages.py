"""The `sh` blocks of the checkout's pages, as one script a page.

A block is left out by an HTML comment right before it that gives the reason: `<!-- not run: needs root -->`.
A line that ends in `# exit N` must end with that code.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?```(?:sh|shell|bash|console)\n(?P<body>.*?)```", re.DOTALL
)
RUN = ["docs/tutorial.md", "docs/trust.md", "docs/deploy.md", "docs/operate.md", "docs/image.md", "docs/caches.md"]
"""Run by test_docs.py."""
ELSEWHERE = ["docs/ssh.md", "docs/proxy.md"]
"""Run on real hosts by test_ssh_faults.py and test_proxy.py."""


def pages() -> list[str]:
    """Return every page of the checkout, wherever it lies, from its root."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def blocks(text: str) -> list[str]:
    """Return the blocks that a page wants run."""
    return [block["body"] for block in BLOCK.finditer(text) if not block["reason"]]


def script(text: str) -> str:
    """Return a page's blocks as one program for bash."""
    lines = ["set -euo pipefail"]
    for body in blocks(text):
        for line in re.split(r"(?<!\\)\n", body.strip()):
            expected = re.search(r"\s# exit (\d+)$", line)
            if expected:
                command = line[: expected.start()]
                lines.append(f'code=0; {command} || code=$?; [ "$code" = {expected[1]} ] || exit 99')
            else:
                lines.append(line)
    return "\n".join(lines)
