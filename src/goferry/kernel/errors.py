"""Errors as a reader meets them: a name, what happened, what state the world is in, what to type next.

    GoferryError
    ├── Failed        1    a step did its work and the work failed (tests red, compiler error)
    ├── Misuse        2    wrong usage or configuration; nothing was started
    ├── Refused       3    verification or policy judged and said no; nothing was written or executed
    ├── RolledBack    4    deployed, judged bad, and the version before serves again
    ├── Unreachable   5    a network or a host did not answer; trying again may help
    ├── FleetSplit    6    some hosts switched and some did not
    └── Interrupted 130    a person or the runner stopped it

Every error that a user can meet is one subclass with its own `name`, and its docstring is the text of its heading in
docs/errors.md: the first paragraph says what it means, the second why it usually happens. The name is also the JSON's
`error` (or `refusal`) and the title of the annotation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from goferry.kernel import invisible

_COMMAND = r"(?m)^([^\S\n]*):(?=:.*::)|#(?=#\[)"


def printable(text: str, limit: int = 2000) -> str:
    r"""Return `text` fit for a terminal or a log: what nobody sees as `\xNN`, at most `limit` characters.

    Untrusted text (file names, host answers, commit messages) passes through here before a person sees it. Invisible
    characters (kernel.invisible) are escaped but for line feeds, tabs and no-break spaces, surrogates with them, for
    no stream takes those, and so is the first character of what GitHub's runner would obey in a log: `::name::` behind
    nothing but white space, and `##[name]` anywhere. Of a long text only the beginning is looked at.
    """
    safe = invisible.escaped(text[: limit + 1], keep="\n\t\xa0")
    safe = re.sub(_COMMAND, lambda match: (match.group(1) or "") + f"\\x{ord(match.group()[-1]):02x}", safe)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


class Advice(str):
    """A line of advice that reads otherwise elsewhere than on a command line; the text itself is for a command line.

    Attributes:
        step, caller: what a step's log says instead, and what the caller of a reusable workflow reads; empty leaves the
            line out there, None lets runner.surface turn the options and commands of the text into what they are there.
    """

    __slots__ = ("caller", "step")
    step: str | None
    caller: str | None

    def __new__(cls, text: str, step: str | None = None, caller: str | None = None) -> Advice:  # noqa: PYI034
        """Make the line; where `caller` is None it reads as in a step."""
        line = super().__new__(cls, text)
        line.step, line.caller = step, step if caller is None else caller
        return line


class GoferryError(Exception):
    """An outcome that ends a command with a documented exit code.

    Attributes:
        name: kebab-case, stable; a heading in docs/errors.md.
        exit_code: one of the table above.
        what: one sentence with the actual values.
        state: what the world looks like now ("Nothing was written.").
        advice: what to type or do next on a command line, one line each: `in words:  typed`; see Advice.
        facts: machine-readable details for `--json`, JSON types only.
    """

    name = "failed"
    exit_code = 1

    def __init__(self, what: str, *, state: str = "", advice: Sequence[str] = (), **facts: object) -> None:
        """Keep the message's parts; each is made printable when shown, not here."""
        super().__init__(what)
        self.what = what
        self.state = state
        self.advice: tuple[str, ...] = tuple(advice)
        self.facts: dict[str, object] = facts

    @property
    def docs(self) -> str:
        """Where to read on."""
        return "docs/errors.md#" + self.name

    def as_json(self) -> dict[str, object]:
        """Return the object that `--json` prints: `{"ok": false, "error": NAME, "exit_code": N, "what": …, …}`."""
        return {
            # First, so that no fact takes the place of one of the others.
            **self.facts,
            "ok": False,
            "error": self.name,
            "exit_code": self.exit_code,
            "what": self.what,
            "state": self.state,
            "advice": list(self.advice),
            "docs": self.docs,
        }


class Failed(GoferryError):
    """A step ran and its work failed."""


class Misuse(GoferryError):
    """Wrong usage or configuration."""

    name = "misuse"
    exit_code = 2


class Refused(GoferryError):
    """Verification or policy said no."""

    name = "refused"
    exit_code = 3

    def as_json(self) -> dict[str, object]:
        """Return the error object with the name under `refusal` as well."""
        return {**super().as_json(), "refusal": self.name}


class RolledBack(GoferryError):
    """The new version failed after the switch; the version before serves again."""

    name = "rolled-back"
    exit_code = 4


class Unreachable(GoferryError):
    """A network or a host did not answer."""

    name = "unreachable"
    exit_code = 5


class FleetSplit(GoferryError):
    """Some hosts run the new version and some the one before.

    Usual causes: a host that could not be reached after the switch. Run the same command again to bring all of them to
    one version.
    """

    name = "fleet-split"
    exit_code = 6


class Interrupted(GoferryError):
    """A person or the runner stopped the command."""

    name = "interrupted"
    exit_code = 130

    @classmethod
    def by(cls, error: BaseException | None, again: str) -> Interrupted:
        """Return the error for a KeyboardInterrupt, or what was raised from one; `again` says how to go on.

        The stage that was stopped is the interrupt's own word (observe.events.Stream.span).
        """
        while error is not None and not isinstance(error, KeyboardInterrupt):
            error = error.__cause__
        stage = str(error.args[0]) if error is not None and error.args else ""
        return cls("stopped before the end" + (", in " + stage if stage else ""), advice=[again])
