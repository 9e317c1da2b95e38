"""The embedded target's logs: a slot's file holds many versions' lines, and what is shown is the one's that is in it."""

import os

import pytest

from goferry.host import slots
from goferry.host.embedded import Embedded
from goferry.host.shim import Slot


@pytest.fixture
def folder(tmp_path):
    made = Embedded(tmp_path).service("shop", "api")
    made.prepare()
    return made


def write(folder, text):
    with folder.log_file(0).open("a") as file:
        file.write(text + "\n")


def rotate(folder):
    """As supervisord does."""
    log = folder.log_file(0)
    os.replace(log, log.with_name("0.log.1"))


def start(folder, attempt):
    slot = Slot(slot=0, attempt=attempt)
    slots.write(folder, slot)
    slots.note_start(folder, slot, slots.end_of_log(folder, 0))


def test_lines_of_the_version_that_was_started_last(folder):
    start(folder, "a")
    write(folder, "one")
    assert slots.lines(folder, 0) == ["one"]
    start(folder, "b")
    assert slots.lines(folder, 0) == []
    write(folder, "two")
    assert slots.lines(folder, 0) == ["two"]


def test_a_file_that_was_renamed_since_counts(folder):
    write(folder, "before")
    rotate(folder)
    write(folder, "one")
    start(folder, "b")
    write(folder, "two")
    rotate(folder)
    write(folder, "three")
    assert slots.lines(folder, 0) == ["two", "three"]
    rotate(folder)
    write(folder, "four")
    assert slots.lines(folder, 0) == ["three", "four"]


def test_another_file_with_the_inode_of_the_one_that_was_noted_is_not_it(folder):
    write(folder, "before the start")
    start(folder, "b")
    noted = slots.noted_start(folder, 0)
    folder.log_file(0).write_text("a later file, and longer than the one before\n")
    begin = noted._replace(inode=folder.log_file(0).stat().st_ino)
    slots.note_start(folder, Slot(slot=0, attempt="b"), begin)
    assert slots.lines(folder, 0) == ["a later file, and longer than the one before"]


def test_what_an_older_agent_started_shows_what_is_there(folder):
    write(folder, "one")
    slots.write(folder, Slot(slot=0, attempt="a"))
    assert slots.lines(folder, 0) == ["one"]
    folder.since(0).write_text("{torn")
    assert slots.lines(folder, 0) == ["one"]
    slots.note_start(folder, Slot(slot=0, attempt="another"), slots.Begin(inode=1, offset=2, mark=""))
    assert slots.lines(folder, 0) == ["one"]
