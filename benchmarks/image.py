"""Writing a two-platform image: `goferry image` beside crane.

Both get the same two binaries and the same base files, and are timed in turn in one run, process start included.
crane's part is what a script does by hand: one tar of the files, one `crane append` for each platform. crane sets no
user, no entry point and no index there, so it does less than ours.

    benchmarks/image.py [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOFERRY = ROOT / ".venv" / "bin" / "goferry"
PLATFORMS = ("amd64", "arm64")


def main() -> int:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    crane = shutil.which("crane") or shutil.which("crane", path=str(ROOT / "tests" / "parts" / "bin"))
    if not crane:
        print("crane is missing: tests/parts/install brings it", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="goferry-bench-") as name:
        folder = Path(name)
        dist = build(folder)
        ours, peer = [], []
        for _ in range(rounds):
            ours.append(timed([str(GOFERRY), "image", str(dist), "-q"], folder))
            peer.append(by_hand(crane, dist, folder))
    report(statistics.median(ours), statistics.median(peer))
    return 0


def build(folder: Path) -> Path:
    """Build examples/plain for both platforms."""
    shutil.copytree(ROOT / "examples" / "plain", folder / "plain")
    dist = folder / "dist"
    targets = ",".join(f"linux/{arch}" for arch in PLATFORMS)
    words: list[str | Path] = [
        GOFERRY,
        "build",
        "--dir",
        folder / "plain",
        "--targets",
        targets,
        "--version",
        "v1.0.0",
        "--out",
        dist,
        "-q",
    ]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return dist


def by_hand(crane: str, dist: Path, folder: Path) -> float:
    """Return the seconds for tars and images by crane."""
    import certifi

    start = time.perf_counter()
    for arch in PLATFORMS:
        layer = folder / f"{arch}.tar"
        with tarfile.open(layer, "w") as archive:
            archive.add(certifi.where(), "etc/ssl/certs/ca-certificates.crt")
            archive.add(dist / f"plain_linux_{arch}", "usr/local/bin/plain")
        timed([crane, "append", "--oci-empty-base", "-f", str(layer), "-t", "plain:1", "-o", f"{layer}.image"], folder)
    return time.perf_counter() - start


def timed(argv: list[str], folder: Path) -> float:
    """Run a command and return its seconds."""
    start = time.perf_counter()
    subprocess.run(argv, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def report(ours: float, peer: float) -> None:
    """Print the line; the goal is to need no longer than the peer."""
    ratio = ours / peer
    line = {
        "work": f"image of {len(PLATFORMS)} platforms, {os.cpu_count()} cores, seconds",
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "peer_name": "crane append",
        "ratio": round(ratio, 2),
        "goal": 1.0,
        "met": ratio <= 1.0,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    sys.exit(main())
