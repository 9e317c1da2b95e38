"""What a target holds, as its agent measured it for `status --details`; read with suspicion (`reading`)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from goferry.deploy.reading import Answer, Row


class HeldVersion(Struct, frozen=True):
    """A version that is held: its binary's bytes, whether it serves, and whether the next deploy removes it."""

    version: str
    sequence: int
    bytes: int
    live: bool
    goes_next: bool

    @classmethod
    def read(cls, record: Answer) -> HeldVersion:
        """Read one row; malformed fields count as absent."""
        row = Row(record)
        return cls(
            row.text("version"), row.count("sequence"), row.count("bytes"), row.flag("live"), row.flag("goes_next")
        )

    def as_json(self) -> dict[str, object]:
        """Return `{"version", "sequence", "bytes", "live", "goes_next"}`."""
        return {
            "version": self.version,
            "sequence": self.sequence,
            "bytes": self.bytes,
            "live": self.live,
            "goes_next": self.goes_next,
        }


class HeldService(Struct, frozen=True):
    """What a target holds of one service.

    Attributes:
        versions: the newest first. store, data, log: bytes; None where they can't be measured.
        part: those of the three that are larger than that, as not all was measured.
        restarts: since its deploy; None where nobody counts.
    """

    versions: tuple[HeldVersion, ...]
    store: int | None
    data: int | None
    log: int | None
    part: tuple[str, ...]
    restarts: int | None

    @classmethod
    def read(cls, record: Answer) -> HeldService:
        """Read one row; malformed fields count as absent."""
        row = Row(record)
        versions = tuple(HeldVersion.read(each) for each in row.rows("versions"))
        store, data, log = (row.whole(name) for name in ("store", "data", "log"))
        return cls(versions, store, data, log, row.texts("part"), row.whole("restarts"))

    def as_json(self) -> dict[str, object]:
        """Return `{"versions": [{…}], "store", "data", "log", "part": [name], "restarts"}`."""
        return {
            "versions": [each.as_json() for each in self.versions],
            "store": self.store,
            "data": self.data,
            "log": self.log,
            "part": list(self.part),
            "restarts": self.restarts,
        }


class Held(Struct, frozen=True):
    """What a target holds: by service, with the bytes of its disk, free and in all, and of systemd's journal."""

    services: Mapping[str, HeldService]
    free: int | None
    size: int | None
    journal: int | None

    @classmethod
    def read(cls, record: Answer) -> Held:
        """Read it; malformed fields count as absent."""
        row = Row(record)
        services = {name: HeldService.read(each) for name, each in row.named("services").items() if type(each) is dict}
        return cls(services, row.whole("free"), row.whole("size"), row.whole("journal"))

    def as_json(self) -> dict[str, object]:
        """Return `{"services": {name: {…}}, "free", "size", "journal"}`."""
        return {
            "services": {name: each.as_json() for name, each in self.services.items()},
            "free": self.free,
            "size": self.size,
            "journal": self.journal,
        }
