"""The forced command of the deploy key: bytes between the ssh session and the agent's socket, and nothing else.

Before the first byte of the client the agent learns for which project the key is: its line in authorized_keys says so,
and nothing that the client sends can say otherwise. Each direction ends by itself: when the client has sent all, the
agent learns it and may still answer. What the client asked ssh to run (`SSH_ORIGINAL_COMMAND`) is never looked at.
"""

from __future__ import annotations

import os
import signal
import socket
import struct

from goferry.kernel import frames, protocol

WAIT = 15
"""Seconds in which the agent's socket must take the connection."""


def connect(path: str, project: str, key: str = "") -> int:
    """Bridge standard input and output to the unix socket at `path`; return the exit code.

    `project` and `key`, its fingerprint, are what the key's line in authorized_keys says.
    """
    agent = socket.socket(socket.AF_UNIX)
    try:
        agent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", WAIT, 0))
        agent.connect(path)  # connect(2) takes that limit where the socket's queue is full
        agent.sendall(frames.encode(protocol.bind(project, key)))
        agent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 0))
    except OSError as error:
        os.write(2, f"goferry: the host agent can't be reached: {path}: {error.strerror}\n".encode())
        return 5
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(1)  # the session ends when the agent has, not when the client has
        os.close(2)
        _copy(0, agent.fileno())
        agent.shutdown(socket.SHUT_WR)
        os._exit(0)
    os.close(0)
    try:
        _copy(agent.fileno(), 1)
    finally:
        # The child waits for a client that may keep its side open forever; the agent hears nobody any more.
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return 0


def _copy(source: int, sink: int) -> None:
    try:
        while True:
            data = os.read(source, 1 << 18)
            if not data:
                return
            while data:
                data = data[os.write(sink, data) :]
    except OSError:
        return
