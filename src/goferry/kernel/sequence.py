"""How releases are ordered, and which order is believed.

A sequence is the second of sealing, or a number of people's choice where the trust file says so (`sequence: manual`).
Whoever may sign could take one from the future, and no later release would ever be admitted; so what is more than a day
ahead is neither sealed nor admitted. A day is more than clocks differ by and less than a person needs to notice.
"""

from __future__ import annotations

from goferry.kernel.manifest import Manifest
from goferry.kernel.refusals import Refusal
from goferry.kernel.times import format_time, parse_time
from goferry.kernel.trustfile import ProjectTrust

DAY = 86_400
_LAST = 253_402_300_799
"""The last second that RFC 3339 can name, of the year 9999."""


class SequenceNotATime(Refusal):
    """The release's sequence is more than a day from its time of sealing, and the trust file doesn't allow that.

    Usual causes: it was sealed with `--sequence`. The trust file can say that a project's sequences are chosen by hand:
    `"projects": {"shop": {"sequence": "manual"}}`.
    """

    name = "sequence-not-a-time"


class SequenceBelowMinimum(Refusal):
    """The release's sequence is below the minimum that the trust file sets for its project, so it is not started.

    Usual causes: the minimum was raised so that releases with a known fault never serve again.
    """

    name = "sequence-below-minimum"


class ReleaseInFuture(Refusal):
    """The release's sequence or time of sealing is more than a day ahead of this machine's clock.

    Usual causes: the clock of the machine that sealed it is wrong, a typing error in `--sequence`, or somebody who
    wants to block all later releases. Both clocks are shown.
    """

    name = "release-in-future"


class HostClockBehind(Refusal):
    """The release seems to come from the future because the host's clock is wrong: it is behind the live release.

    Usual causes: the host lost its time and can't reach a time server. Set the clock (`timedatectl`) and deploy again.
    """

    name = "host-clock-behind"


def is_time(sequence: int, created: int) -> bool:
    """Whether a sequence can be the time of sealing of a release that was created then; seconds since the epoch."""
    return abs(sequence - created) <= DAY


def shown(seconds: int) -> str:
    """Return a time for a message; also one that no calendar has."""
    return format_time(seconds) if 0 <= seconds <= _LAST else "after the year 9999"


def check_sealed(sequence: int, created: int, now: int) -> None:
    """Refuse to seal what hosts would refuse; `now` is this machine's clock, seconds since the epoch.

    Raises:
        ReleaseInFuture: as it says.
    """
    for what, seconds in ((f"sequence {sequence}", sequence), ("the time of sealing", created)):
        if seconds > now + DAY:
            raise ReleaseInFuture(
                f"{what} ({shown(seconds)}) is more than a day ahead of this machine's clock, {shown(now)}",
                state="Nothing was signed.",
                advice=["leave out --sequence: it is the second of sealing then", "or set this machine's clock"],
            )


def check_admitted(release: Manifest, trust: ProjectTrust, now: int) -> None:
    """Refuse a release whose sequence or time a host must not believe.

    Args:
        release: one whose signatures are good.
        trust: what the trust file says of its project.
        now: the host's clock, seconds since the epoch.

    Raises:
        SequenceNotATime: the release's sequence is more than a day from its time of sealing, and the trust
            file doesn't allow that.
        ReleaseInFuture: the release's sequence or time of sealing is more than a day ahead of this machine's
            clock.
    """
    created, manual = parse_time(release.created), trust.sequence == "manual"
    # A number that people choose is not a time; when it was sealed is one in any case.
    ahead = created if manual else max(created, release.sequence)
    if ahead > now + DAY:
        raise ReleaseInFuture(
            f"{release.project} {release.version} has sequence {release.sequence} and was created {release.created}: "
            f"{shown(ahead)} is more than a day ahead of this host's clock, {shown(now)}",
            advice=["see which clock is wrong; what comes from the future must be built and sealed again"],
        )
    if not manual and not is_time(release.sequence, created):
        raise SequenceNotATime(
            f"{release.project} {release.version} has sequence {release.sequence} and was created {release.created}, "
            f"at second {created}",
            advice=[
                "leave out --sequence: it is the second of sealing then",
                f'or say in the trust file:  "projects": {{"{release.project}": {{"sequence": "manual"}}}}',
            ],
        )


def check_minimum(project: str, version: str, sequence: int, trust: ProjectTrust) -> None:
    """Refuse what the trust file wants never to be started again.

    Raises:
        SequenceBelowMinimum: as it says.
    """
    if sequence < trust.minimum:
        raise SequenceBelowMinimum(
            f"{project} {version} has sequence {sequence}; the trust file's minimum for {project} is {trust.minimum}",
            advice=["deploy a newer release, or lower `minimum` in the trust file"],
        )
