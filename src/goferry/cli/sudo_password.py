"""Asks for the password that a host's sudo wants, where somebody is at a terminal to type it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO


def asker(terminal: TextIO | None = None) -> Callable[[str], str] | None:
    """Return what asks on the terminal, without showing what is typed; None where there is no terminal.

    `terminal` is the stream that shows it: standard input, unless a command reads that from elsewhere.
    """
    if not (terminal or sys.stdin).isatty():
        return None

    def ask(prompt: str) -> str:
        from getpass import getpass

        return getpass(prompt)

    return ask
