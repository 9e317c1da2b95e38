"""Pages of logs, from files and from systemd's journal: each line of a version once, and no other version's."""

import json
import os
import time

import pytest
from hypothesis import given, settings, strategies as st

from goferry.host import journal_page, log_files, log_parts, slots, view
from goferry.host.agent import AgentSession
from goferry.host.embedded import Embedded
from goferry.host.log_parts import LogPart, PageQuery
from goferry.host.shim import Slot
from goferry.host.slots import Begin
from goferry.kernel.errors import GoferryError


def service(path):
    made = Embedded(path).service("shop", "api")
    made.prepare()
    return made


def write(folder, *lines, end="\n"):
    with folder.log_file(0).open("a") as file:
        file.write("".join(line + end for line in lines))


def rotate(folder):
    """As supervisord does."""
    log = folder.log_file(0)
    if log.exists():
        os.replace(log, log.with_name("0.log.1"))


def start(folder, version):
    slot = Slot(slot=0, version=version, attempt=os.urandom(4).hex())
    slots.write(folder, slot)
    slots.note_start(folder, slot, slots.end_of_log(folder, 0))


def texts(page):
    return [line.text for line in page.lines]


def read_all(parts, query):
    """Return the texts of all pages, and where the last one ended."""
    found = []
    while True:
        page = log_files.read(parts(), query)
        found += texts(page)
        query = PageQuery(after=page.after or query.after)
        if not page.more:
            return found, query


@given(
    st.lists(st.one_of(st.integers(0, 5), st.just("rotate"), st.just("read")), max_size=20),
    st.integers(1, 3),
    st.integers(0, 4),
)
@settings(max_examples=60, deadline=None)
def test_whoever_reads_page_by_page_gets_each_line_once(tmp_path_factory, steps, most, last):
    folder = service(tmp_path_factory.mktemp("logs"))
    write(folder, "of a version before")
    start(folder, "v1")
    written, read, query, rotations = [], [], PageQuery(lines=last), 0
    before, log_files.MOST = log_files.MOST, most
    try:
        for step in [*steps, "read"]:
            if step == "rotate" and not rotations:
                # Read before each rotation but one: a file of two rotations ago is gone with its lines.
                rotate(folder)
                rotations += 1
            elif step == "read":
                found, query = read_all(lambda: [log_parts.of_slot(folder, "api", 0)], query)
                read += found
                rotations = 0
            elif type(step) is int:
                lines = [f"line {len(written) + n}" for n in range(step)]
                written += lines
                write(folder, *lines)
    finally:
        log_files.MOST = before
    assert read == written[len(written) - len(read) :]
    assert last or read == written


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path):
    folder = service(tmp_path)
    start(folder, "v1")
    write(folder, "whole", "half", end="")
    write(folder, "", "x\ry")
    page = log_files.read([log_parts.of_slot(folder, "api", 0)], PageQuery())
    assert texts(page) == ["wholehalf", "x\ry"]
    write(folder, "not yet", end="")
    assert texts(log_files.read([log_parts.of_slot(folder, "api", 0)], PageQuery(after=page.after))) == []


def test_what_an_earlier_version_wrote_ends_where_the_next_one_began(tmp_path):
    folder = service(tmp_path)
    for version in ("v1", "v2", "v1"):
        start(folder, version)
        write(folder, f"{version} a", f"{version} b")
    assert texts(log_files.read(log_parts.of_version(folder, "api", "v1"), PageQuery())) == ["v1 a", "v1 b"] * 2
    assert texts(log_files.read(log_parts.of_version(folder, "api", "v2"), PageQuery())) == ["v2 a", "v2 b"]
    assert log_parts.of_version(folder, "api", "v3") == []
    for _ in range(2):
        rotate(folder)
        write(folder, "later")
    assert texts(log_files.read(log_parts.of_version(folder, "api", "v2"), PageQuery())) == []


@pytest.mark.parametrize("most", [1, 2, 3])
def test_pages_of_a_version_that_ran_twice_in_one_file_lack_nothing(tmp_path, monkeypatch, most):
    folder = service(tmp_path)
    for version in ("v1", "v2", "v1"):
        start(folder, version)
        write(folder, *(f"{version} {number}" for number in range(3)))
    monkeypatch.setattr(log_files, "MOST", most)
    found, _ = read_all(lambda: log_parts.of_version(folder, "api", "v1"), PageQuery())
    assert found == ["v1 0", "v1 1", "v1 2"] * 2


def test_a_version_that_was_started_again_in_its_slot_has_one_part(tmp_path):
    folder = service(tmp_path)
    start(folder, "v1")
    write(folder, "port taken")
    start(folder, "v1")
    write(folder, "serving")
    (part,) = log_parts.of_version(folder, "api", "v1")
    assert texts(log_files.read([part], PageQuery())) == ["port taken", "serving"]


def test_damaged_starts_are_left_out(tmp_path):
    folder = service(tmp_path)
    start(folder, "v1")
    with folder.starts.open("ab") as file:
        file.write(b"torn by a power c")
    start(folder, "v2")
    with folder.starts.open("ab") as file:
        file.write(b"00000000 {}\n")
    assert [len(log_parts.of_version(folder, "api", version)) for version in ("v1", "v2", "v3")] == [1, 1, 0]


def test_files_have_no_times_to_select_by(tmp_path):
    with pytest.raises(GoferryError) as refused:
        log_files.read([], PageQuery(since=1))
    assert (refused.value.name, refused.value.exit_code) == ("log-without-times", 2)


@given(st.lists(st.text(max_size=40), max_size=4))
def test_any_cursor_of_files_is_read_or_ignored(tmp_path_factory, after):
    folder = service(tmp_path_factory.mktemp("logs"))
    start(folder, "v1")
    write(folder, "one")
    assert texts(log_files.read([log_parts.of_slot(folder, "api", 0)], PageQuery(after=tuple(after)))) == ["one"]


class Journal:
    """journalctl over a list of entries."""

    def __init__(self):
        self.entries = []

    def add(self, unit, at, message, invocation="a" * 32):
        self.entries.append(
            {
                "_SYSTEMD_UNIT": unit, "MESSAGE": message, "__REALTIME_TIMESTAMP": str(at),
                "_SYSTEMD_INVOCATION_ID": invocation, "__CURSOR": f"s=a;i={len(self.entries):x}",
            }
        )  # fmt: skip

    def __call__(self, words):
        units = [word[14:] for word in words if word.startswith("_SYSTEMD_UNIT=")]
        after = [int(word.rpartition("=")[2], 16) for word in words if word.startswith("--after-cursor=")]
        since = [float(word[9:]) * 1e6 for word in words if word.startswith("--since=@")]
        lines = [int(word[8:]) for word in words if word.startswith("--lines=")]
        found = [
            json.dumps(entry).encode()
            for number, entry in enumerate(self.entries)
            if entry["_SYSTEMD_UNIT"] in units
            and (not after or number > after[0])
            and (not since or int(entry["__REALTIME_TIMESTAMP"]) >= since[0])
        ]
        return found[-lines[0] :] if lines else found


def part(version, since, end=None, before=""):
    begin = Begin(since=since, before=before)
    return LogPart("api", version, None, 0, begin, None if end is None else Begin(since=end))


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 3)), max_size=20), st.integers(1, 4), st.sampled_from([0, 3])
)
@settings(deadline=None)
def test_pages_of_the_journal_have_each_line_once_and_in_order(entries, most, last):
    journal = Journal()
    for at, (unit, lines) in enumerate(entries):
        journal.add(f"unit{unit}", 1000 + at, "\n".join(f"{at}.{n}" for n in range(lines)))
    parts, units = [part("v1", 1000), part("v2", 1000)], ["unit0", "unit1"]
    before, journal_page.MOST = journal_page.MOST, most
    found, query = [], PageQuery(lines=last)
    try:
        while True:
            page = journal_page.read(parts, units, {}, query, journal)
            found += page.lines
            query = PageQuery(after=page.after)
            if not page.more:
                break
    finally:
        journal_page.MOST = before
    wanted = [(unit, 1000 + at, f"{at}.{n}") for at, (unit, lines) in enumerate(entries) for n in range(lines)]
    shown = sum(lines for _, lines in entries[-last:]) if last else len(wanted)
    assert [tuple(line) for line in found] == wanted[len(wanted) - shown :]


def test_windows_of_the_journal_are_versions():
    journal = Journal()
    journal.add("unit", 5, "long before", "0" * 32)
    journal.add("unit", 11, "late words of the one before", "b" * 32)
    journal.add("unit", 12, "v1 starts")
    journal.add("unit", 20, "v2 starts", "c" * 32)
    journal.add("other", 13, "nobody asked")
    page = journal_page.read([part("v1", 10, end=20, before="b" * 32)], ["unit"], {}, PageQuery(), journal)
    assert texts(page) == ["v1 starts"]
    # An older agent noted no start: the unit's invocation says what is its.
    page = journal_page.read(
        [LogPart("api", "v1", None, 0, Begin())], ["unit"], {"unit": "c" * 32}, PageQuery(), journal
    )
    assert texts(page) == ["v2 starts"]


def test_whoever_follows_reads_the_end_of_what_ended_and_of_what_was_short(tmp_path, monkeypatch):
    folder, journal = service(tmp_path), Journal()
    session = AgentSession(folder.root, None, {})
    clock = iter(range(time.time_ns() // 1000, 1 << 62, 1000))

    def begin(number, version):
        slot = Slot(slot=number, version=version, attempt=os.urandom(4).hex())
        slots.write(folder, slot)
        slots.note_start(folder, slot, Begin(since=next(clock)))

    def says(number, text):
        journal.add(f"unit{number}", next(clock), text)

    def page(parts, query):
        return journal_page.read(parts, [f"unit{part.slot}" for part in parts], {}, query, journal)

    def ask(**more):
        found = session.answer({"request": "read-logs", "services": ["api"], "candidates": True, **more})
        return [f"{found['parts'][at]['version']}: {text}" for at, _, text in found["lines"]], found["after"]

    monkeypatch.setattr(type(session.view.guard.driver), "page", lambda _, parts, query: page(parts, query))
    begin(0, "v1")
    says(0, "a")
    begin(1, "v0")
    says(1, "given up long before")
    slots.clear(folder, 1)
    monkeypatch.setattr(view.time, "time_ns", lambda: next(clock) * 1000)
    found, after = ask(lines=5)
    assert found == ["v1: a"]
    assert ask(after=after)[0] == []
    begin(1, "v2")
    says(1, "candidate")
    slots.clear(folder, 1)
    says(0, "b")
    begin(1, "v3")
    says(0, "last words")
    slots.clear(folder, 0)
    found, after = ask(after=after)
    assert found == ["v2: candidate", "v1: b", "v1: last words"]
    begin(0, "v4")
    says(0, "hello")
    assert ask(after=after)[0] == ["v4: hello"]


@given(st.text(max_size=40))
def test_no_cursor_becomes_anything_but_one_word(after):
    asked = []
    journal_page.read(
        [part("v1", 10)], ["unit"], {}, PageQuery(after=(after,)), lambda words: asked.append(words) or ()
    )
    (words,) = asked
    assert all(word.startswith(("--after-cursor=", "--since=@", "_SYSTEMD_UNIT=unit")) for word in words)
    assert not any(letter in " \n" for word in words for letter in word)


def test_a_journal_that_is_slow_is_asked_again(monkeypatch):
    monkeypatch.setattr(journal_page, "SECONDS", -1)
    page = journal_page.read([part("v1", 10)], ["unit"], {}, PageQuery(after=("s=a",)), lambda _: ())
    assert (page.lines, page.after, page.more) == ([], ("s=a",), True)


def test_a_huge_entry_is_cut_and_fits_into_a_frame():
    journal = Journal()
    journal.add("unit", 11, "\n".join(["\x01" * 4000] * 200))
    page = journal_page.read([part("v1", 10)], ["unit"], {}, PageQuery(), journal)
    assert page.lines[-1].text == "…"
    assert len(json.dumps(page.lines)) < 1 << 20
