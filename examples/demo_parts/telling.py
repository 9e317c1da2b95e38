"""What the demo prints at its end, and the record for the HTML report."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from demo_parts.story import Told
from demo_parts.surroundings import Folder
from goferry.observe import humanize
from goferry.observe.events import Event
from goferry.observe.record import Run, RunRefusal, Traffic
from goferry.pipeline import run_summary


def lines(told: Told, events: Sequence[Event], folder: Folder, seconds: float) -> list[str]:
    """Return the short report: what a script reads stands at the start of its line."""
    assert told.load is not None
    assert told.bare is not None
    assert told.switched is not None
    assert told.rolled_back is not None
    newest = told.releases[-1]
    back = told.rolled_back.switch_ms
    return [
        "",
        "stages",
        *(f"  {name:22} {humanize.seconds(took):>12}" for name, took in stages(events)),
        "",
        f"artifacts of {newest.manifest.project} {newest.manifest.version}",
        *(
            f"  {entry.name:34} {humanize.size(entry.size):>8}  sha256 {entry.sha256}"
            for entry in newest.manifest.files
        ),
        *(f"  image {image.name:28} {'':>8}  {image.digest}" for image in newest.manifest.images),
        "",
        f"go: {newest.manifest.toolchain.get('version')} ({newest.manifest.toolchain.get('proof')})",
        f"tampered copy: refused ({told.refusal})",
        f"connections: {told.load.connections}, {told.load.rps:.0f} requests a second, {told.load.slow} of them slow",
        f"sent: {told.load.sent}",
        f"lost: {told.load.lost}",
        f"ids: {'equal' if told.load.ids_equal else 'not equal'}",
        f"lost by a bare restart: {told.bare.lost} of {told.bare.sent}",
        f"time to switch: {told.switched.switch_ms} ms",
        f"time to roll back: {humanize.seconds(told.rolled_back.seconds)} (switched in {back} ms)",
        f"time in all: {humanize.seconds(seconds)}",
        f"report: {folder.report}",
    ]


def stages(events: Sequence[Event]) -> list[tuple[str, float]]:
    """Return the root spans and their seconds, in order."""
    return [(event.stage, event.seconds) for event in events if event.kind == "end" and not event.parent]


def complaints(told: Told) -> list[str]:
    """Return what went wrong although every step ended well."""
    found = []
    if told.load is None or not told.load.clean:
        found.append("the blue-green switch lost requests" + (f": {told.load.by_cause}" if told.load else ""))
    if told.bare is None or not told.bare.lost:
        found.append("the bare restart lost nothing, so this load would not have seen a loss")
    if told.load is not None and (told.load.rps < 1000 or told.load.connections < 16 or not told.load.slow):
        found.append(f"the load was too light: {told.load.rps:.0f} requests a second")
    return found


def record(told: Told, folder: Folder, seconds: float) -> Run:
    """Return the record of the HTML report."""
    assert told.load is not None
    assert told.bare is not None
    assert told.rolled_back is not None
    newest = told.releases[-1]
    found = run_summary.of_release(
        newest, trust=folder.keys / "goferry.trust", seconds=seconds, deployed=told.switched, root=folder.root
    )
    sentence = (
        f"{newest.manifest.project} {newest.manifest.version} was switched in on this machine under load with "
        f"{told.load.lost} of {humanize.count(told.load.sent)} requests lost, and rolled back."
    )
    refused = RunRefusal(what="a copy with one bit of an archive changed", refusal=told.refusal)
    load = Traffic(requests=told.load.sent, lost=told.load.lost)
    back = told.rolled_back.seconds
    return replace(
        found,
        sentence=sentence,
        trust=replace(found.trust, refused=(refused,)),
        services=tuple(replace(each, traffic=load, rollback_seconds=back) for each in found.services),
        comparison=Traffic(requests=told.bare.sent, lost=told.bare.lost),
        warnings=tuple(complaints(told)),
    )
