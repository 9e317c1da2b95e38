"""What the script on a host is asked, as both sides have it: the client makes the one request, the host reads it again.

It is sent along with `on_host`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from goferry.kernel.fields import Fields, typed

Words = tuple[str, ...]
"""A command: the program and its arguments."""


@dataclass(frozen=True)
class HostEntry:
    """A file, or a folder where `content` is None.

    Attributes:
        keep: it is made when absent and never overwritten; such a folder may be anybody's, and as open as they like.
        gone: it is to be a file no more.
    """

    path: str
    content: bytes | None = None
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    keep: bool = False
    gone: bool = False

    @property
    def yours(self) -> bool:
        """Whether what is there already may stay as it is, and be a link: a folder, or a file to keep."""
        return self.keep or self.content is None

    @classmethod
    def of(cls, record: object) -> HostEntry:
        """Read one of a request.

        Raises:
            TypeError, ValueError: when it is none.
        """
        given = Fields(record, "a file or folder")
        content = base64.b64decode(given.text("content")) if "content" in given else None
        path, owner, group = given.text("path"), given.text("owner"), given.text("group")
        keep, gone = given.flag("keep", default=False), given.flag("gone", default=False)
        return cls(path, content, given.number("mode"), owner, group, keep, gone)

    def as_json(self) -> dict[str, object]:
        """Return it as JSON types."""
        record: dict[str, object] = {"path": self.path, "mode": self.mode, "owner": self.owner, "group": self.group}
        if self.gone:
            return {**record, "gone": True}
        if self.content is None:
            return {**record, "keep": True} if self.keep else record
        return {**record, "content": base64.b64encode(self.content).decode(), "keep": self.keep}


@dataclass(frozen=True)
class Command:
    """A command and its reasons: any of them makes it run.

    Attributes:
        run: the words.
        changed: path prefixes; a changed file under one is a reason.
        unless: a question; its answer no (an exit code but 0) is a reason.
        locked: a user; a locked password field is a reason.
        undo: what takes the command back when something fails after it. again: what has to be run then, once the files
            are as they were. stays: what it made that nothing takes back.
        after: it is run when all else is done and deploys may go on, whose locks it takes.
        restores: its undo is noted, and run when the host is left: what it changes is not Goferry's own.
    """

    run: Words
    changed: tuple[str, ...] = ()
    unless: Words = ()
    locked: str = ""
    undo: Words = ()
    again: Words = ()
    stays: str = ""
    after: bool = False
    restores: bool = False

    @property
    def text(self) -> str:
        """The words, for people."""
        return " ".join(self.run)

    @classmethod
    def of(cls, record: object) -> Command:
        """Read one of a request.

        Raises:
            TypeError, ValueError: when it is none.
        """
        given = Fields(record, "a command")
        return cls(
            run=tuple(given.texts("run")),
            changed=tuple(given.texts("changed", [])),
            unless=tuple(given.texts("unless", [])),
            locked=given.text("locked", ""),
            undo=tuple(given.texts("undo", [])),
            again=tuple(given.texts("again", [])),
            stays=given.text("stays", ""),
            after=given.flag("after", default=False),
            restores=given.flag("restores", default=False),
        )

    def as_json(self) -> dict[str, object]:
        """Return it as JSON types, reasons that it lacks left out."""
        record = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: list(value) if type(value) is tuple else value for name, value in record.items() if value}


@dataclass(frozen=True)
class SlotCopy:
    """A copy of a file that a slot starts with, to be taken before the unit changes that reads it.

    Attributes:
        source, copy: the file and its copy. slot: a file that is there where the slot is filled.
        unit: the slot's, of which an older one reads `source` at every start: then a copy that is there means nothing.
    """

    source: str
    copy: str
    slot: str
    unit: str

    @classmethod
    def of(cls, record: object) -> SlotCopy:
        """Read one of a request.

        Raises:
            TypeError, ValueError: when it is none.
        """
        given = Fields(record, "a copy")
        return cls(given.text("source"), given.text("copy"), given.text("slot"), given.text("unit"))

    def as_json(self) -> dict[str, object]:
        """Return it as JSON types."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True)
class Removal:
    """What is taken away beside files.

    Attributes:
        ends: patterns of units that are ended before anything changes. first: commands that are run then.
        clears: files and folders of no lasting use that go with all that is in them. tidies: folders of projects that
            go where nothing but a lock is in them. folders: they go where they are empty.
        keeps: what is not touched; those that are there are told.
        leave: nothing of Goferry's stays on the host but this, and what it changed of others' is put back.
        login: a user who goes, if no file is his. packages: commands that remove packages, of which the installed ones
            are used for what a package manager installed.
    """

    ends: Words = ()
    first: tuple[Command, ...] = ()
    clears: Words = ()
    tidies: Words = ()
    folders: Words = ()
    keeps: Words = ()
    leave: bool = False
    login: str = ""
    packages: tuple[Words, ...] = ()

    @classmethod
    def of(cls, given: Fields) -> Removal:
        """Read it from a request, which may have none.

        Raises:
            TypeError, ValueError: when it is none.
        """
        if "removal" not in given:
            return cls()
        given = given.fields("removal")
        texts = {name: tuple(given.texts(name, [])) for name in ("ends", "clears", "tidies", "folders", "keeps")}
        return cls(
            **texts,
            first=tuple(Command.of(each) for each in given.items("first", [])),
            leave=given.flag("leave", default=False),
            login=given.text("login", ""),
            packages=_commands(given, "packages"),
        )

    def as_json(self) -> dict[str, object]:
        """Return it as JSON types, without what is empty."""
        whole = {
            "ends": list(self.ends),
            "first": [command.as_json() for command in self.first],
            "clears": list(self.clears),
            "tidies": list(self.tidies),
            "folders": list(self.folders),
            "keeps": list(self.keeps),
            "leave": self.leave,
            "login": self.login,
            "packages": [list(words) for words in self.packages],
        }
        return {name: value for name, value in whole.items() if value}


NOTHING = Removal()


@dataclass(frozen=True)
class HostOrder:
    """The one request.

    Attributes:
        do: one of `on_host.DOES`.
        asks, reads, finds: commands, files and paths, of which `facts` tells how they end, what is in them, and which
            are there.
        install: commands that install packages. listing: prints those that are installed.
        entries, commands: what the plan wants to be, and to be run. copies: what is copied before any entry changes.
        check: the agent's own check. trials: commands that are run at the end, to be told how they end.
        seen: path → SHA-256 of a file that the plan was made from. removal: what is taken away beside files.
    """

    do: str
    asks: tuple[Words, ...] = ()
    reads: tuple[str, ...] = ()
    finds: tuple[str, ...] = ()
    install: tuple[Words, ...] = ()
    listing: Words = ()
    entries: tuple[HostEntry, ...] = ()
    commands: tuple[Command, ...] = ()
    copies: tuple[SlotCopy, ...] = ()
    check: Words = ()
    trials: tuple[Words, ...] = ()
    seen: Mapping[str, str] = field(default_factory=dict)
    removal: Removal = NOTHING

    @classmethod
    def of(cls, record: object) -> HostOrder:
        """Read a request.

        Raises:
            TypeError, ValueError: when it is none.
        """
        given = Fields(record, "the request")
        return cls(
            do=given.text("do"),
            asks=_commands(given, "asks"),
            reads=tuple(given.texts("reads", [])),
            finds=tuple(given.texts("finds", [])),
            install=_commands(given, "install"),
            listing=tuple(given.texts("listing", [])),
            entries=tuple(HostEntry.of(each) for each in given.items("entries", [])),
            commands=tuple(Command.of(each) for each in given.items("commands", [])),
            copies=tuple(SlotCopy.of(each) for each in given.items("copies", [])),
            check=tuple(given.texts("check", [])),
            trials=_commands(given, "trials"),
            seen={path: typed(digest, str, "seen") for path, digest in given.mapping("seen", {}).items()},
            removal=Removal.of(given),
        )

    def as_json(self) -> dict[str, object]:
        """Return it as JSON types, without what is empty."""
        whole = {
            "do": self.do,
            "asks": [list(words) for words in self.asks],
            "reads": list(self.reads),
            "finds": list(self.finds),
            "install": [list(words) for words in self.install],
            "listing": list(self.listing),
            "entries": [entry.as_json() for entry in self.entries],
            "commands": [command.as_json() for command in self.commands],
            "copies": [copy.as_json() for copy in self.copies],
            "check": list(self.check),
            "trials": [list(words) for words in self.trials],
            "seen": dict(self.seen),
            "removal": self.removal.as_json(),
        }
        return {name: value for name, value in whole.items() if value}


def _commands(given: Fields, name: str) -> tuple[Words, ...]:
    return tuple(tuple(typed(word, str, name) for word in typed(words, list, name)) for words in given.items(name, []))
