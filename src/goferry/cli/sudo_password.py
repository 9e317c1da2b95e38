"""Asks for the password that a host's sudo wants, where somebody is at a terminal to type it."""

from __future__ import annotations

import sys
from collections.abc import Callable


def asker() -> Callable[[str], str] | None:
    """Return what asks on the terminal, without showing what is typed; None where there is no terminal."""
    if not sys.stdin.isatty():
        return None

    def ask(prompt: str) -> str:
        from getpass import getpass

        return getpass(prompt)

    return ask
