"""The agent as a program: `python -m goferry.host VERB` from source, `goferry-host VERB` on a host.

    serve --root DIR [--trust FILE] [--trust-folder DIR] [--host-file FILE]
                                                           serve one client on standard input and output
    connect [--project NAME] [--socket FILE]               the deploy key's forced command
    recover --root DIR [--host-file FILE]                  at boot: end what was open, start what is live
    purge PROJECT [SERVICE] [--yes | --dry-run]            for root: remove what the host keeps of it
    floor PROJECT --to SEQUENCE --reason TEXT              by root alone: lower a project's floor
    adopt --root DIR [--host-file FILE]                    after provisioning: bring what runs to what the units say now
    check                                                  for root: what is not as it should be? JSON
    shim SLOT                                              what a slot's unit starts; its standard input is the slot
    may-start                                              what the unit asks before: may the slot's release run?
    ports [NOTE FIRST]                                     before that: draws the slot's port, denies those of others
    forward NOTE                                           from a slot's unix socket to its port
    version

Each verb loads only what it needs: the first two are part of every deploy's time.
"""

from __future__ import annotations

import os
import sys

VERSION = 1
"""The agent's, raised when a client must know of a change."""


def main() -> int:
    """Run the verb and return the exit code."""
    words = sys.argv[1:]
    if words[:1] == ["connect"]:
        from goferry.host.connect import connect

        said = dict(zip(words[1::2], words[2::2]))  # noqa: B905  Python 3.9 has no strict=
        return connect(said.get("--socket", "/run/goferry/agent.sock"), said.get("--project", ""))
    if words[:1] == ["shim"] and len(words) == 2:
        from goferry.host import shim

        return shim.unit()
    if words == ["may-start"]:
        from goferry.host import shim

        return shim.may_start()
    if words[:1] == ["ports"] and len(words) in (1, 3):
        from goferry.host import ports

        return ports.main(words[1:])
    if words[:1] == ["forward"] and len(words) == 2:
        from goferry.host import forward

        return forward.main(words[1])
    if words == ["check"]:
        from goferry.host import checks

        return checks.command()
    if words == ["version"]:
        sys.stdout.write("goferry-host %d\n" % VERSION)
        return 0
    return _agent()


def _agent() -> int:
    import argparse
    import signal
    from pathlib import Path

    from goferry.kernel import hostfile

    parser = argparse.ArgumentParser(prog="goferry.host", description="The Goferry host agent.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve one client on standard input and output")
    serving.add_argument("--trust", type=Path, help="the trust file")
    serving.add_argument("--trust-folder", type=Path, help="the folder of projects' own trust files")
    recovering = commands.add_parser("recover", help="end what is unfinished, and start what is live")
    for command in (serving, recovering, commands.add_parser("adopt", help="bring what runs to what units say now")):
        command.add_argument("--root", type=Path, required=True, help="the target's folder")
        command.add_argument("--host-file", type=Path, help="the host file of a provisioned host")
    purging = commands.add_parser("purge", help="remove what the host keeps: data, logs, releases, secrets, history")
    purging.add_argument("names", nargs="+", metavar="NAME", help="the project, and one service of it or all")
    purging.add_argument("--yes", action="store_true", help="remove it, and do not only say what would be removed")
    purging.add_argument("--dry-run", action="store_true", help="say what would be removed")
    purging.add_argument("--root", type=Path, default=Path(hostfile.ROOT), help="the target's folder")
    purging.add_argument("--host-file", type=Path, default=Path(hostfile.HOST_FILE), help="the host file")
    lowering = commands.add_parser("floor", help="lower a project's floor, on the host itself and by its root alone")
    lowering.add_argument("project", help="whose floor")
    lowering.add_argument("--to", type=int, required=True, help="the sequence that it is lowered to")
    lowering.add_argument("--reason", required=True, help="why; `status` shows it")
    lowering.add_argument("--root", type=Path, help="an embedded target's folder; else the provisioned host's")
    for name, text in (
        ("check", "say what of the host is not as it should be, as JSON"),
        ("connect", "pass bytes to the agent's socket"),
        ("shim", "start a slot's version"),
        ("may-start", "say whether a slot's unit may start"),
        ("version", "print the agent's version"),
    ):
        commands.add_parser(name, help=text)
    options = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if options.command == "floor":
        from goferry.host.floor import Lowering
        from goferry.host.floor import run as lower

        asked = Lowering(options.project, options.to, options.reason)
        if options.root is not None:
            return lower(options.root, None, asked, dict(os.environ))
        return lower(Path(hostfile.ROOT), Path(hostfile.HOST_FILE), asked, dict(os.environ))
    if options.command in ("recover", "adopt"):
        from goferry.host import recover

        ways = {"recover": recover.recover, "adopt": recover.adopt}
        return ways[options.command](options.root, options.host_file, dict(os.environ))
    if options.command == "purge":
        from goferry.host import takedown

        chosen = {"yes": options.yes, "dry_run": options.dry_run}
        return takedown.command(options.root, options.host_file, options.names, dict(os.environ), **chosen)
    from goferry.host.serve import Outlet, serve  # --help needs none of it

    reader = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115  unbuffered: its thread may outlive us
    writer = Outlet(os.dup(1))
    os.dup2(2, 1)  # nothing but frames may reach the client's stream
    trust, own = options.trust, options.trust_folder
    try:
        return serve(reader, writer, options.root, trust, dict(os.environ), host=options.host_file, own=own)
    finally:
        writer.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


if __name__ == "__main__":
    sys.exit(main())
