"""The agent as a program: `python -m goferry.host serve --root DIR --trust FILE`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path


def main() -> int:
    """Serve one client on standard input and output."""
    parser = argparse.ArgumentParser(prog="goferry.host", description="The Goferry host agent.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("serve", help="serve one client on standard input and output")
    command.add_argument("--root", type=Path, required=True, help="the target's folder")
    command.add_argument("--trust", type=Path, help="the trust file")
    options = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from goferry.host.serve import serve  # --help needs none of it

    reader = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115  unbuffered: its thread may outlive us
    writer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but frames may reach the client's stream
    serve(reader, writer, options.root, options.trust, dict(os.environ))
    return 0


if __name__ == "__main__":
    sys.exit(main())
