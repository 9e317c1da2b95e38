"""The agent as a program: `python -m goferry.host VERB` from source, `goferry-host VERB` on a host; VERBS lists them.

Each verb loads only what it needs: `connect` and `serve` are part of every deploy's time, and a slot's unit runs four
more at each of its starts. Those take plain words; the others have a parser.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Callable, NamedTuple

if TYPE_CHECKING:
    import argparse

VERSION = 1
"""The agent's, raised when a client must know of a change."""


class Verb(NamedTuple):
    """What the program can do.

    Attributes:
        words: how its arguments are written. does: what it does, for `--help`.
        run: takes the arguments and returns the exit code.
        takes: how many plain words it takes; empty where `run` has a parser of its own.
    """

    words: str
    does: str
    run: Callable[[list[str]], int]
    takes: tuple[int, ...] = ()


def main() -> int:
    """Run the verb and return the exit code."""
    name, words = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    verb = VERBS.get(name)
    if verb and (not verb.takes or len(words) in verb.takes):
        return verb.run(words)
    asked = name in ("-h", "--help")
    listed = ["  " + f"{each} {of.words}".rstrip() + f"\n      {of.does}\n" for each, of in VERBS.items()]
    (sys.stdout if asked else sys.stderr).write(f"usage: goferry-host VERB ...\n\n{''.join(listed)}")
    return 0 if asked else 2


def _parser(name: str) -> argparse.ArgumentParser:
    """Return a parser for the words of a verb that goes on when its terminal is lost."""
    import argparse
    import signal

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return argparse.ArgumentParser(
        prog=f"goferry-host {name}",
        usage=f"goferry-host {name} {VERBS[name].words}",
        description=VERBS[name].does,
        allow_abbrev=False,
    )


def _places(parser: argparse.ArgumentParser) -> None:
    """Let it say the target's folder, and the host file of a provisioned host."""
    from pathlib import Path

    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--host-file", type=Path)


def _connect(words: list[str]) -> int:
    from goferry.host.connect import connect

    options = dict(zip(words[::2], words[1::2]))
    socket = options.get("--socket", "/run/goferry/agent.sock")
    return connect(socket, options.get("--project", ""), options.get("--key", ""))


def _serve(words: list[str]) -> int:
    from pathlib import Path

    from goferry.host.serve import ClientWriter, serve

    parser = _parser("serve")
    _places(parser)
    parser.add_argument("--trust", type=Path)
    parser.add_argument("--trust-folder", type=Path)
    options = parser.parse_args(words)
    reader = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115  unbuffered: its thread may outlive us
    writer = ClientWriter(os.dup(1))
    os.dup2(2, 1)  # nothing but frames may reach the client's stream
    trust, own = options.trust, options.trust_folder
    try:
        return serve(reader, writer, options.root, trust, dict(os.environ), host=options.host_file, own=own)
    finally:
        writer.close()
        # Descriptor 0 is the client's socket too: a recovery that goes on would keep it from seeing the end.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def _recover(words: list[str]) -> int:
    return _as_root("recover", words)


def _adopt(words: list[str]) -> int:
    return _as_root("adopt", words)


def _as_root(name: str, words: list[str]) -> int:
    from goferry.host import recover

    parser = _parser(name)
    _places(parser)
    options = parser.parse_args(words)
    run = {"recover": recover.recover, "adopt": recover.adopt}[name]
    return run(options.root, options.host_file, dict(os.environ))


def _purge(words: list[str]) -> int:
    from pathlib import Path

    from goferry.host import takedown
    from goferry.kernel import hostfile

    parser = _parser("purge")
    parser.add_argument("names", nargs="+")
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--wait", type=float, default=takedown.WAIT)
    parser.add_argument("--root", type=Path, default=Path(hostfile.ROOT))
    parser.add_argument("--host-file", type=Path, default=Path(hostfile.HOST_FILE))
    options = parser.parse_args(words)
    if len(options.names) > 2:
        parser.error("a project and a service are named, not more")
    choice = takedown.PurgeChoice(*options.names)._replace(
        yes=options.yes, dry_run=options.dry_run, json=options.json, wait=options.wait
    )
    return takedown.command(options.root, options.host_file, choice, dict(os.environ))


def _floor(words: list[str]) -> int:
    from pathlib import Path

    from goferry.host import floor
    from goferry.kernel import hostfile

    parser = _parser("floor")
    parser.add_argument("project")
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--root", type=Path)
    options = parser.parse_args(words)
    asked = floor.Lowering(options.project, options.to, options.reason)
    if options.root is not None:
        return floor.run(options.root, None, asked, dict(os.environ))
    return floor.run(Path(hostfile.ROOT), Path(hostfile.HOST_FILE), asked, dict(os.environ))


def _check(_: list[str]) -> int:
    from goferry.host import checks

    return checks.command()


def _shim(_: list[str]) -> int:
    from goferry.host import unit

    return unit.unit(os.environ)


def _may_start(_: list[str]) -> int:
    from goferry.host import unit

    return unit.may_start()


def _ports(words: list[str]) -> int:
    from goferry.host import ports

    return ports.main(words)


def _forward(words: list[str]) -> int:
    from goferry.host import forward

    return forward.main(words[0])


def _compile(words: list[str]) -> int:
    from pathlib import Path

    from goferry.host import compiled

    return compiled.command(words, Path(sys.argv[0]))


def _version(_: list[str]) -> int:
    sys.stdout.write(f"goferry-host {VERSION}\n")
    return 0


_PLACES = "--root DIR [--host-file FILE]"
VERBS: dict[str, Verb] = {
    "serve": Verb(
        _PLACES + " [--trust FILE] [--trust-folder DIR]", "serve one client on standard input and output", _serve
    ),
    "connect": Verb(
        "[--project NAME] [--key FINGERPRINT] [--socket FILE]",
        "the deploy key's forced command: pass bytes to the agent",
        _connect,
    ),
    "recover": Verb(_PLACES, "at boot: end what was open, start what is live", _recover),
    "adopt": Verb(_PLACES, "after provisioning: bring what runs to what the units say now", _adopt),
    "purge": Verb(
        "PROJECT [SERVICE] [--yes | --dry-run] [--json]", "for root: remove what the host keeps of it", _purge
    ),
    "floor": Verb("PROJECT --to SEQUENCE --reason TEXT", "by root alone: lower a project's floor", _floor),
    "check": Verb("", "for root: what is not as it should be, as JSON", _check, (0,)),
    "compile": Verb("[--check]", "by provisioning: compile the agent for this host's Python", _compile, (0, 1)),
    "shim": Verb("SLOT", "what a slot's unit starts; its standard input is the slot", _shim, (1,)),
    "may-start": Verb("", "what the unit asks before: may the slot's release run?", _may_start, (0,)),
    "ports": Verb(
        "[TURN] [NOTE FIRST]",
        "before that: note the start, draw the slot's port, deny those of others",
        _ports,
        (0, 1, 2, 3),
    ),
    "forward": Verb("NOTE", "from a slot's unix socket to its port", _forward, (1,)),
    "version": Verb("", "print the agent's version", _version, (0,)),
}


if __name__ == "__main__":
    sys.exit(main())
