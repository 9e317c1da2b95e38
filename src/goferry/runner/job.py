"""One step of a job, as an action sees it.

    job = Job.from_environ(os.environ, sys.stdout, action="cross-compile")
    directory = job.inputs.path("working-directory")
    with job.stream() as stream:
        …
    job.set_output("version", "v1.4.0")
    job.close()

Whatever text comes from a repository, a host or a message, nothing that is handed to a method here becomes a command,
an entry of the runner's files, or a terminal escape.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from goferry.config.settings import Settings
from goferry.kernel.errors import GoferryError, printable
from goferry.observe.events import Event, Stream
from goferry.runner import (
    _environment_files as environment_files,
    _failure as failure,
    _masks as masks,
    _ownership as ownership,
    child_environment,
)
from goferry.runner._annotations import AnnotationPlace, Annotations
from goferry.runner._event import EventContext
from goferry.runner._inputs import Inputs
from goferry.runner._lines import GroupedLines
from goferry.runner._summaryfile import SummaryFile
from goferry.runner._surface import CALLED, Surface, adapt
from goferry.runner._workflow_commands import command, to_value
from goferry.runner.errors import SecretMissing
from goferry.system.runner_variables import RunnerVariables


class Job:
    """The runner, for one step.

    Attributes:
        action: the action's name. environ: a copy of the environment, kept up to date by `export` and `add_path`.
        workspace: the checkout. temp: the runner's folder for this job. inputs: the step's inputs.
        context: repository, ref, commit and event; most of it is an attribute of the job as well.
        events: all that the stream has reported so far.
        surface: who reads the log: whoever wrote this step, or the caller of the reusable workflow that has it.
        debug: whether the run is repeated with debug logging. in_container: whether this is an action's container.
    """

    def __init__(self, environ: Mapping[str, str], out: TextIO, *, action: str = "") -> None:
        """Read the step's environment; commands and lines go to `out`."""
        self.environ = dict(environ)
        self.action = action
        given = RunnerVariables.of(environ)
        self.workspace = Path(given.github_workspace or ".").absolute()
        self.temp = Path(given.runner_temp or tempfile.mkdtemp(prefix="goferry-")).absolute()
        self.inputs = Inputs(self.environ, self.workspace)
        self.context = EventContext.from_environ(environ)
        self.debug = given.runner_debug == "1"
        self.in_container = given.goferry_in_container == "1"
        self.events: list[Event] = []
        self._out = out
        self._annotations = Annotations(self.write, self.temp / "goferry" / "annotations")
        summary = given.github_step_summary
        self._summary = SummaryFile(Path(summary) if summary else None)
        self._lines = GroupedLines(self.write, self._tell, debug=self.debug)
        self.surface = Surface.CALLER if environ.get(CALLED) else Surface.STEP

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], out: TextIO, *, action: str = "") -> Job:
        """Return the job of this process; `out` is made to take all of Unicode, also on Windows."""
        if isinstance(out, io.TextIOWrapper):
            out.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        return cls(environ, out, action=action)

    @property
    def settings(self) -> Settings:
        """The surroundings for stages: no input, secret or runner file of this step reaches a program they start."""
        return Settings.from_environ(child_environment.for_programs(self.environ))

    @property
    def repository(self) -> str:
        """`owner/name`."""
        return self.context.repository

    @property
    def ref(self) -> str:
        """The full ref, `refs/tags/v1.4.0`."""
        return self.context.ref

    @property
    def sha(self) -> str:
        """The commit."""
        return self.context.sha

    @property
    def event_name(self) -> str:
        """`push`, `pull_request`, …."""
        return self.context.event_name

    @property
    def from_fork(self) -> bool:
        """Whether a pull request of another repository started the run."""
        return self.context.from_fork

    @property
    def run_id(self) -> str:
        """The run's number."""
        return self.context.run_id

    @property
    def run_attempt(self) -> str:
        """`1`, or more after "Re-run"."""
        return self.context.run_attempt

    @property
    def run_url(self) -> str:
        """The run's page."""
        return self.context.run_url

    @property
    def api_url(self) -> str:
        """The REST API's address."""
        return self.context.api_url

    @property
    def server_url(self) -> str:
        """GitHub's address."""
        return self.context.server_url

    def write(self, line: str) -> None:
        """Write one line that is fit for the log: a command, or text made printable by the caller."""
        self._out.write(line + "\n")
        self._out.flush()

    def say(self, *lines: str) -> None:
        """Write text of any origin to the log, a line each."""
        for text in lines:
            for line in text.split("\n"):
                self.write(printable(line, 10_000))

    def set_output(self, name: str, value: object) -> None:
        """Set an output: text, a boolean (`true`, `false`), a number, or lists and mappings as compact JSON."""
        environment_files.append(self.environ, "OUTPUT", environment_files.entry(name, value))

    def export(self, name: str, value: object) -> None:
        """Set an environment variable for the job's later steps."""
        environment_files.append(self.environ, "ENV", environment_files.entry(name, value))
        self.environ[name] = to_value(value)

    def add_path(self, path: str | Path) -> None:
        """Put a folder in front of the PATH of the job's later steps."""
        environment_files.append(self.environ, "PATH", environment_files.folder(str(path)))
        self.environ["PATH"] = os.pathsep.join(part for part in (str(path), self.environ.get("PATH", "")) if part)

    def mask(self, secret: str) -> None:
        """Have the runner replace a secret, whole and line by line, in all that is logged from now on."""
        for line in masks.commands(secret):
            self.write(line)

    def secret(self, name: str) -> str:
        """Return a secret of the step's `env:`, masked; an empty string when there is none."""
        value = self.environ.get(name, "")
        self.mask(value)
        return value if value.strip() else ""

    def required_secret(self, name: str, why: str) -> str:
        """Return a secret that the action can't do without; `why` ends the sentence "… is needed".

        Raises:
            SecretMissing: it is empty, with the usual reasons.
        """
        value = self.secret(name)
        if value:
            return value
        where = (
            "give the step  env" if self.surface is Surface.STEP else "give the job that calls the workflow  secrets"
        )
        if self.from_fork:
            advice = ["pull requests from forks get no secrets: leave this step out for them"]
        else:
            advice = [
                f"{where}: {{{name}: '${{{{ secrets.{name} }}}}'}}",
                f"store it:  gh secret set {name} < FILE",
                "secrets of an environment never reach a workflow of another owner: run the step in a job of your own",
                "with that `environment:`, or keep the secret in the repository or the organisation.",
            ]
        raise SecretMissing(f"{name} is empty; it is needed {why}", state="Nothing was started.", advice=advice)

    @contextlib.contextmanager
    def secret_file(self, name: str) -> Iterator[Path | None]:
        """Yield a secret as a private file under RUNNER_TEMP that is gone after the block, or None without one."""
        value = self.secret(name)
        if not value:
            yield None
            return
        self.temp.mkdir(parents=True, exist_ok=True)
        with masks.as_file(value, self.temp) as path:
            yield path

    def notice(
        self, message: str, title: str = "", file: str = "", line: int = 0, end_line: int = 0, *, column: int = 0
    ) -> None:
        """Annotate the run, or a place in a file of the workspace, with what is good to know."""
        self._annotations.add("notice", message, AnnotationPlace(title, file, line, end_line, column))

    def warning(
        self, message: str, title: str = "", file: str = "", line: int = 0, end_line: int = 0, *, column: int = 0
    ) -> None:
        """Annotate with what a person should look at."""
        self._annotations.add("warning", message, AnnotationPlace(title, file, line, end_line, column))

    def error(
        self, message: str, title: str = "", file: str = "", line: int = 0, end_line: int = 0, *, column: int = 0
    ) -> None:
        """Annotate with what stops the step."""
        self._annotations.add("error", message, AnnotationPlace(title, file, line, end_line, column))

    def _tell(self, kind: str, message: str, title: str) -> None:
        self._annotations.add(kind, message, AnnotationPlace(title))

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what the block writes under a title; groups don't nest."""
        self.write(command("group", printable(" ".join(title.split()), 200)))
        try:
            yield
        finally:
            self.write(command("endgroup"))

    @contextlib.contextmanager
    def stream(self) -> Iterator[Stream]:
        """Open the event stream: groups and lines in the log, annotations for warnings, events kept for the summary."""
        try:
            yield Stream([self.events.append, self._lines])
        finally:
            self._lines.close()

    def summary(self, markdown: str, *, urgent: bool = False) -> None:
        """Add Markdown to the job's summary, by whole sections below GitHub's limit."""
        self._summary.add(markdown, urgent=urgent)

    def oidc_token(self, audience: str) -> str:
        """Return an identity token for `audience`, masked.

        Raises:
            OidcPermissionMissing: the job lacks `id-token: write`.
            OidcUnavailable: the issuer did not answer.
        """
        from goferry.runner import _oidc as oidc

        token = oidc.request(self.environ, audience, from_fork=self.from_fork)
        self.mask(token)
        return token

    def relative(self, path: Path) -> str:
        """Return a path as an output carries it: from the workspace, with slashes; one outside of it whole."""
        whole = path.absolute()
        return (whole.relative_to(self.workspace) if whole.is_relative_to(self.workspace) else whole).as_posix()

    def give(self, *paths: Path) -> None:
        """Hand what root made in an action's container to the owner of the workspace."""
        for path in paths:
            ownership.give_all(path, self.workspace)

    def fail(self, error: GoferryError, lines: Sequence[str] = ()) -> int:
        """Tell a failure in log, annotation, summary and failure.json; return the exit code."""
        from goferry.observe import summary

        self._lines.close()
        adapt(error, self.surface)
        self._print(error)
        first, *others = _spots(error)
        self._annotations.add("error", _brief(error), first.titled(error.name), last=True)
        for each in others:
            self._annotations.add("error", each.message, each.titled(error.name))
        stage = _stage(self.events)
        self.summary(summary.failure(error), urgent=True)
        last, secrets = [*lines] or [*self._lines.last], child_environment.secret_values(self.environ)
        left = failure.record(error, stage=stage, lines=last, action=self.action, secrets=secrets)
        with contextlib.suppress(OSError):
            folder = ownership.shared(self.temp, self.workspace)
            ownership.give(failure.write(folder, left), self.workspace)
        self.close()
        return error.exit_code

    def close(self) -> None:
        """End the step: what annotations and summary left out is counted there."""
        self._lines.close()
        with contextlib.suppress(OSError):
            ownership.shared(self.temp, self.workspace)
        self._annotations.close()
        ownership.give(self.temp / "goferry" / "annotations", self.workspace)
        self._summary.close()

    def _print(self, error: GoferryError) -> None:
        for line in failure.message(error):
            self.write(line)


class _Spot(NamedTuple):
    """A place in a file of the repository, and what is said about it; no file: the run as a whole."""

    file: str = ""
    line: int = 0
    column: int = 0
    message: str = ""

    @classmethod
    def read(cls, raw: object) -> _Spot | None:
        """Return the place that an error's facts name, or None where they name none."""
        file, line, column, message = (raw.get(key) if isinstance(raw, dict) else None for key in cls._fields)
        if not isinstance(file, str) or type(line) is not int:
            return None
        return cls(file, line, column if type(column) is int else 0, "" if message is None else str(message))

    def titled(self, title: str) -> AnnotationPlace:
        return AnnotationPlace(title, self.file, self.line, 0, self.column)


def _spots(error: GoferryError) -> list[_Spot]:
    """Return where an error is: its own place, or that of each of its problems; at least one."""
    listed = error.facts.get("problems")
    whole = {**error.facts, "message": error.what}
    found = [_Spot.read(each) for each in (whole, *(listed if isinstance(listed, list) else ()))]
    return list(dict.fromkeys(each for each in found if each is not None)) or [_Spot()]


def _brief(error: GoferryError) -> str:
    """Return what an annotation has room for: the first lines, the state, and what to do."""
    lines = error.what.splitlines()
    head = "\n".join(lines[:10]) + (f"\n… {len(lines) - 10} more lines in the log" if len(lines) > 10 else "")
    return "\n".join(part for part in (head, error.state, *error.advice) if part)


def _stage(events: Sequence[Event]) -> str:
    """Return the innermost stage that failed first, or nothing."""
    failed = [event for event in events if event.kind == "end" and event.outcome not in {"done", "skipped"}]
    return " ".join(part for part in (failed[0].stage, failed[0].target, failed[0].host) if part) if failed else ""
