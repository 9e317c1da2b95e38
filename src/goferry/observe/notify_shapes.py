"""A message (observe.notify) as services take it: generic JSON, Slack's and Microsoft Teams' incoming webhooks. Pure.

Slack (Block Kit reference): text in `plain_text` is literal; in `mrkdwn` `&`, `<` and `>` are escaped and `verbatim`
keeps addresses, channels and mentions from being made out of text. A section takes 3000 characters, a header 150.
Teams (Adaptive Cards 1.4): a TextBlock reads Markdown, so untrusted text stands in RichTextBlocks, which read none. A
message takes 28 KB.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from goferry.observe.notify import (
    FAILURES,
    ICONS,
    DeliveryFailure,
    Message,
    commands,
    place,
    sentence,
    silence,
)

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"
Payload = dict[str, Json]
"""An object of JSON whose keys stand in the order in which they are sent."""

SLACK_SECTION = 3000
SLACK_HEADER = 150
TEAMS_MOST = 26_000
_SHOWN = 5


def shape_of(url: str) -> str:
    """Return the shape that a webhook's address asks for: `slack`, `teams` or `json`."""
    host = (urlsplit(url).hostname or "").lower()
    if host in {"hooks.slack.com", "hooks.slack-gov.com"}:
        return "slack"
    # Each begins with its dot: else a domain that only ends in the same letters would count.
    teams = (".webhook.office.com", ".logic.azure.com", ".environment.api.powerplatform.com")
    return "teams" if host.endswith(teams) else "json"


class JobResult(Struct, frozen=True):
    """A job's name and result."""

    name: str
    result: str


class Page(Struct, frozen=True):
    """Which run it is: its number, its attempt, and its page."""

    id: str
    attempt: str
    url: str


class Notification(Struct, frozen=True):
    """The generic shape; its fields are the object's keys, and no key changes its meaning while `schema` is 1.

    Attributes:
        text: the message in one sentence. conclusion: as of a Message.
        failures: at most FAILURES. lost: failed jobs that left no word. commands: what to type about the run.
    """

    schema: int
    text: str
    conclusion: str
    repository: str
    workflow: str
    ref: str
    commit: str
    event: str
    run: Page
    jobs: tuple[JobResult, ...]
    failures: tuple[DeliveryFailure, ...]
    lost: tuple[str, ...]
    commands: tuple[str, ...]


def generic(message: Message) -> Payload:
    """Return the message as plain JSON: a Notification."""
    run = message.run
    told = Notification(
        schema=1,
        text=sentence(message),
        conclusion=message.conclusion,
        repository=run.repository,
        workflow=run.workflow,
        ref=run.ref,
        commit=run.commit,
        event=run.event,
        run=Page(run.id, run.attempt, run.url),
        jobs=tuple(JobResult(name, result) for name, result in message.jobs.items()),
        failures=message.failures[:FAILURES],
        lost=message.lost,
        commands=tuple(commands(message)),
    )
    payload: Payload = to_builtins(told)
    return payload


def slack(message: Message) -> Payload:
    """Return the message for Slack's incoming webhooks; `text` is what a notification shows."""
    title = f"{ICONS[message.conclusion]} {sentence(message)}"
    blocks: list[Payload] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title, SLACK_HEADER), "emoji": True}},
        _section(_slack_facts(message)),
    ]
    for failure in message.failures[:_SHOWN]:
        blocks += _slack_failure(failure)
    blocks += _slack_rest(message)
    # A link that a person clicks on must lead to a page, whatever the record says.
    if message.run.url.startswith("https://"):
        link = f"<{_slack(message.run.url)}|Open the run>"
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": link}]})
    return {"text": _slack(title), "blocks": blocks}


def _slack_facts(message: Message) -> str:
    run = message.run
    facts = [("ref", run.ref), ("commit", run.commit[:12]), ("event", run.event)]
    jobs = ", ".join(f"{name} {result}" for name, result in message.jobs.items())
    return "  ".join(f"*{key}* {_inline(value)}" for key, value in [*facts, ("jobs", jobs)] if value) or "a run"


def _slack_failure(failure: DeliveryFailure) -> list[Payload]:
    head = f"*{_inline(place(failure))}*  {_inline(failure.error)}\n{_slack(failure.what)}"
    blocks = [_section(f"{head}\n_{_slack(failure.state)}_" if failure.state else head)]
    if failure.lines:
        blocks.append(_section(_block("\n".join(failure.lines))))
    if failure.advice:
        blocks.append(_section("*What to do*\n" + _block("\n".join(failure.advice))))
    return blocks


def _slack_rest(message: Message) -> list[Payload]:
    blocks = []
    if len(message.failures) > _SHOWN:
        blocks.append(_section(f"and {len(message.failures) - _SHOWN} more"))
    if message.lost:
        blocks.append(_section("\n".join(_slack(silence(job)) for job in message.lost)))
    if typed := commands(message):
        blocks.append(_section(_block("\n".join(typed))))
    return blocks


def _section(text: str) -> Payload:
    # Cut text ends a block of code that it was cut in; four characters are left for the line that does.
    cut = _cut(text, SLACK_SECTION - 4)
    closed = cut + "\n```" if cut.count("```") % 2 else cut
    return {"type": "section", "text": {"type": "mrkdwn", "text": closed, "verbatim": True}}


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("```", "'''")


def _inline(text: str) -> str:
    return f"`{_slack(text).replace('`', chr(39)).replace(chr(10), ' ')}`" if text else ""


def _block(text: str) -> str:
    return f"```\n{_slack(text)}\n```"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def teams(message: Message) -> Payload:
    """Return the message for Teams: an Adaptive Card in a message's envelope, small enough to be taken."""
    card: Payload = {}
    # Measured when encoded: Teams counts bytes, and what JSON and its keys add is more than the text.
    for shown, lines in ((_SHOWN, 15), (_SHOWN, 5), (2, 5), (1, 1)):
        kept = tuple(_shortened(failure, lines) for failure in message.failures[:shown])
        card = _card(replace(message, failures=kept), len(message.failures) - len(kept))
        if len(encoded(card)) <= TEAMS_MOST:
            break
    return card


def _shortened(failure: DeliveryFailure, lines: int) -> DeliveryFailure:
    return replace(
        failure,
        what=_cut(failure.what, 100 * lines),
        lines=failure.lines[-lines:],
        advice=failure.advice[:lines],
    )


def _card(message: Message, more: int) -> Payload:
    run = message.run
    body = [_rich(f"{ICONS[message.conclusion]} {sentence(message)}", weight="Bolder", size="Medium")]
    facts = [("ref", run.ref), ("commit", run.commit[:12]), ("event", run.event)]
    body.append(_rich("  ".join(f"{key} {value}" for key, value in facts if value) or "a run", isSubtle=True))
    body += [_rich(f"{name}: {result}") for name, result in list(message.jobs.items())[:20]]
    for failure in message.failures:
        body.append(_rich(f"{place(failure)}: {failure.error}", weight="Bolder", separator=True))
        body += [_rich(line) for line in (*failure.what.split("\n")[:12], failure.state) if line]
        body += [_rich(line, fontType="Monospace") for line in failure.lines if line]
        body += [_rich(line, fontType="Monospace", weight="Bolder") for line in failure.advice if line]
    body += [_rich(f"and {more} more")] if more else []
    body += [_rich(silence(job)) for job in message.lost[:_SHOWN]]
    body += [_rich(command, fontType="Monospace") for command in commands(message)]
    actions = [{"type": "Action.OpenUrl", "title": "Open the run", "url": run.url}]
    card: Payload = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": actions if run.url.startswith("https://") else [],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    attachment: Payload = {"contentType": kind, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _rich(text: str, **style: Json) -> Payload:
    separator = {"separator": True} if style.pop("separator", False) else {}
    return {"type": "RichTextBlock", **separator, "inlines": [{"type": "TextRun", "text": text, **style}]}


def encoded(body: Mapping[str, Json]) -> bytes:
    """Return what is sent."""
    return json.dumps(body, ensure_ascii=False).encode()


SHAPES: Mapping[str, Callable[[Message], Payload]] = {"json": generic, "slack": slack, "teams": teams}
