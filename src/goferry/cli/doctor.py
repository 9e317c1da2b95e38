"""`goferry doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, example, output_options, settings
from goferry.config.context import Context

if TYPE_CHECKING:
    from goferry.system.tools import ToolFinding


def _proxy(finding: type[ToolFinding]) -> ToolFinding:
    from goferry import golang
    from goferry.kernel.errors import GoferryError
    from goferry.observe.events import Stream

    try:
        request = golang.GoRequest(Path(), "stable")
        answer = golang.resolve_version(Context(settings(), Stream()), request).version
    except GoferryError as error:
        answer = ""
        reason = f"; {error.name}"
    else:
        reason = ""
    return finding(
        name="GOPROXY",
        required=False,
        purpose=f"brings Go and modules{reason}",
        found=f"stable is {answer}" if answer else "",
    )


@click.command(epilog=example("goferry doctor", "goferry doctor --online"))
@click.option("--online", is_flag=True, help="Also ask whether the configured module proxy answers.")
@output_options
def command(output: Output, *, online: bool) -> None:
    """Say what is on this machine, what is missing, and what each thing is for.

    Exit 1 only if something is missing that is needed.
    """
    from goferry.system import tools

    findings = tools.examine(settings().environ)
    if online:
        findings.append(_proxy(tools.ToolFinding))
    record = {
        finding.name: {
            "required": finding.required,
            "purpose": finding.purpose,
            "found": finding.found,
            "trouble": finding.trouble,
        }
        for finding in findings
    }
    missing = [finding.name for finding in findings if finding.required and not finding.found]
    if missing:
        rows = "\n".join(finding.line() for finding in findings)
        raise tools.MachineUnready(
            f"missing: {', '.join(missing)}\n{rows}", advice=["install it with the system's packages"], checks=record
        )
    output.result({"checks": record}, *(finding.line() for finding in findings))
