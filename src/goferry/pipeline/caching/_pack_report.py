"""What came of each pack, for a person and for a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from goferry.caches.pack import PackUnusable
from goferry.kernel.errors import printable
from goferry.observe.humanize import size

NOTHING = "nothing is kept yet"


@dataclass(frozen=True)
class PackRow:
    """What came of one pack.

    Attributes:
        kind, slot: which.
        done: `restored`, `saved`, `missed`, `kept` (nothing to do), `there`, `missing`, `removed`, `listed`, `signed`;
            or with --dry-run `would go`, `would be saved`, `would be signed`.
        why: the reason, where there is something to say. bytes: what was moved. seconds: what it took.
        sha256: of the pack, in hex, as far as it is known. signed: whether a signature that counts covers it.
        saves: the seconds that its content took to make, or 0 where nobody knows.
    """

    kind: str
    slot: str
    done: str
    why: str = ""
    bytes: int = 0
    seconds: float = 0.0
    sha256: str = ""
    signed: bool = False
    saves: float = 0.0


def record(rows: Sequence[PackRow]) -> dict[str, object]:
    """Return what `--json` prints."""
    return {"packs": [asdict(row) for row in rows]}


def lines(rows: Sequence[PackRow]) -> list[str]:
    """Return the rows for a person."""
    shown_rows = []
    for row in rows:
        moved = f"  {size(row.bytes)}" if row.bytes else ""
        moved += f" in {row.seconds:.1f} s" if row.seconds else ""
        moved += f", in place of {row.saves:.0f} s" if row.saves >= 1 and row.done == "restored" else ""
        why = f"  {row.why}" if row.why else ""
        signed = "  signed" if row.signed and row.done != "signed" else ""
        shown_rows.append(f"  {row.done:8}  {row.kind:7}  {row.slot}{moved}{signed}{why}")
    return shown_rows


def guarded(kind: str, slot: str, work: Callable[[], PackRow]) -> PackRow:
    """Do it; what fails is a miss with a reason."""
    try:
        return work()
    except (OSError, PackUnusable) as error:
        return PackRow(kind, slot, "missed", printable(str(error), 200))


def nearest(exact: bool) -> str:
    """Say that a pack of modules is not the one of this go.sum, where it is not."""
    return "" if exact else "the newest, as go.sum has changed"


def differs(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Say which inputs are others than those that a pack was made from."""
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    shown = ", ".join(printable(name, 60) for name in changed[:3])
    return f"the newest, as {shown} changed" + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
