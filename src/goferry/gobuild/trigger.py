"""What started a build: a person at a machine, or an event on a runner of GitHub's. It decides what a release is.

A release is what the push of its tag builds. What a branch, a pull request or a merge queue builds is a snapshot, also
where a tag points to the same commit: nobody said of that run that it makes the release. A person at a machine says it
by checking out the tag, or by `--version`.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from goferry.kernel.errors import printable
from goferry.system.runner_variables import RunnerVariables

WRITERS = frozenset(
    {
        "",
        "push",
        "create",
        "release",
        "schedule",
        "workflow_dispatch",
        "repository_dispatch",
        "workflow_run",
        "deployment",
    }
)
"""Events that only those start who may write to the repository (GitHub docs, "Events that trigger workflows").

A called workflow (`workflow_call`) sees its caller's event.
"""


ASKERS = WRITERS - {"workflow_run"}
"""Events whose workflow may name another tag than its own; a stranger's pull request can lie behind a workflow_run."""
TAGS = "refs/tags/"


class Trigger(Struct, frozen=True):
    """What started a build.

    Attributes:
        event: the event's name, `push`, `pull_request`, …; empty at a machine.
        ref: the full ref, `refs/tags/v1.2.3`; empty at a machine, and of a deployment of a bare commit.
        runner: whether a runner of GitHub's says that it runs this.
        asked: a tag that the workflow names in place of its own ref.
    """

    event: str = ""
    ref: str = ""
    runner: bool = False
    asked: str = ""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, tag: str = "") -> Trigger:
        """Read the variables that GitHub's runners set (GitHub docs, "Variables reference").

        Args:
            environ: the variables.
            tag: the tag that the workflow asks for.
        """
        given = RunnerVariables.of(environ)
        event, ref = given.github_event_name, given.github_ref
        return cls(event, ref, bool(event or ref or given.github_actions == "true"), tag)

    @property
    def tag(self) -> str:
        """The tag that the run is about: the one that is asked for, else the ref's; or empty."""
        return self.asked or (self.ref.removeprefix(TAGS) if self.ref.startswith(TAGS) else "")

    @property
    def writes(self) -> bool:
        """Whether only those start such a run who may write to the repository, as far as the event's name tells."""
        return self.event in (ASKERS if self.asked else WRITERS)

    def names(self, tag: str) -> bool:
        """Whether the run is about this tag."""
        return bool(tag) and self.tag == tag

    def releases(self, tag: str) -> bool:
        """Whether what is built as `tag` may be a release: a person builds it, or the run is the tag's own."""
        return not self.runner or (self.names(tag) and self.writes)

    def __str__(self) -> str:
        """Say where it was built: `refs/heads/main (push)`."""
        event = f" ({printable(self.event, 40)})" if self.event else ""
        return f"{printable(self.ref, 200) or 'no ref'}{event}"
