"""Uploads: blocks in order, bounded whatever is claimed, resumable, and never under a name that leaves the folder."""

import errno
import hashlib
import os

import pytest

from goferry.deploy import _upload as upload
from goferry.host import incoming
from goferry.host.embedded import Embedded
from goferry.host.provisioned import Provisioned
from goferry.kernel.errors import Misuse
from goferry.kernel.files import sha256_file
from goferry.kernel.hostfile import HostFile
from goferry.kernel.outcomes import DiskFull, UploadDamaged, UploadRefused
from goferry.kernel.protocol import Request, RequestMalformed

DATA = os.urandom(3000)


@pytest.fixture
def root(tmp_path):
    made = Embedded(tmp_path / "root")
    made.prepare()
    return made


def send(root, data, offset, name="api_linux_amd64", identifier="t1", whole=DATA, **changes):
    request = {"id": identifier, "name": name, "size": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    if not incoming.folder(root, identifier).is_dir():
        root.prepare()
        os.close(incoming.claim(root, identifier))
    asked = Request.of({"request": "upload", **request, "offset": offset, **changes})
    return incoming.receive(root, asked, data, {})


def test_a_file_gets_its_name_when_it_is_whole_and_right(root):
    place = incoming.folder(root, "t1")
    assert send(root, b"", -1) == {"have": 0, "done": False}
    assert send(root, DATA[:1000], 0) == {"have": 1000, "done": False}
    assert list(incoming.names(place)) == []
    assert send(root, DATA[1000:], 1000) == {"have": 3000, "done": True}
    assert list(incoming.names(place)) == ["api_linux_amd64"]
    assert (place / "api_linux_amd64").read_bytes() == DATA
    assert (place / "api_linux_amd64").stat().st_mode & 0o777 == 0o600
    assert place.stat().st_mode & 0o777 == 0o700
    assert send(root, b"", -1) == {"have": 3000, "done": True}


def test_a_broken_upload_goes_on_where_the_host_says(root):
    send(root, DATA[:1000], 0)
    assert send(root, DATA[:1000], 0) == {"have": 1000, "done": False}  # sent twice, written once
    assert send(root, DATA[2000:], 2000) == {"have": 1000, "done": False}
    assert send(root, DATA[1000:], 1000)["done"]


def test_an_empty_file_is_whole_at_once(root):
    assert send(root, b"", 0, whole=b"") == {"have": 0, "done": True}


def test_other_bytes_than_announced_are_removed(root):
    with pytest.raises(UploadDamaged):
        send(root, b"x" * 3000, 0)
    assert send(root, b"", -1) == {"have": 0, "done": False}


@pytest.mark.parametrize(
    "changes",
    [
        *[{"name": name} for name in ("", ".", "..", "../x", "/etc/passwd", ".part", "-x", "a/b", "a\0", "a\n", "é" * 200, 5)],
        *[{"size": size} for size in (-1, True, "1", None, incoming.MAX_FILE + 1)],
        *[{"sha256": text} for text in ("", "x" * 64, "A" * 64, None, "a" * 63)],
        {"name": "release.json", "size": (8 << 20) + 1},
        {"name": "SHA256SUMS", "size": (1 << 20) + 1},
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused_and_writes_nothing(root, changes):
    with pytest.raises((UploadRefused, RequestMalformed)):
        send(root, DATA, 0, **changes)
    assert list(incoming.folder(root, "t1").iterdir()) == []


def test_more_bytes_than_announced_are_refused(root):
    with pytest.raises(UploadRefused):
        send(root, DATA + b"x", 0)


@pytest.mark.parametrize("identifier", ["", "..", "../x", "a/b", ".x", "a" * 64])
def test_an_id_that_is_no_folder_is_refused(root, identifier):
    with pytest.raises(Misuse):
        send(root, DATA, 0, identifier=identifier)


def test_files_and_bytes_and_room_are_bounded(root, monkeypatch):
    monkeypatch.setattr(incoming, "MAX_FILES", 2)
    for number in range(2):
        send(root, DATA, 0, name=f"f{number}")
    with pytest.raises(UploadRefused, match="more than 2 files"):
        send(root, DATA, 0, name="f2")
    monkeypatch.setattr(incoming, "MAX_TOTAL", 8000)
    with pytest.raises(UploadRefused, match="8000 bytes"):
        send(root, DATA, 0, identifier="t1", name="f0", whole=DATA * 2)
    monkeypatch.undo()
    monkeypatch.setattr(incoming, "MARGIN", 1 << 62)
    with pytest.raises(DiskFull):
        send(root, DATA, 0, identifier="t3")


def test_what_others_left_makes_room_the_oldest_first(root, monkeypatch):
    for age, identifier in enumerate(("new", "held", "old")):
        send(root, DATA, 0, identifier=identifier, name=identifier)
        os.utime(incoming.folder(root, identifier), (9000 - age, 9000 - age))
    holding = incoming.claim(root, "held")
    monkeypatch.setattr(incoming, "MAX_TOTAL", 10_000)
    assert send(root, DATA, 0, identifier="t1", name="mine")["done"]
    assert sorted(path.name for path in root.incoming.iterdir()) == ["held", "new", "t1"]
    with pytest.raises(UploadRefused, match="10000 bytes"):
        send(root, DATA, 0, identifier="t1", name="more", whole=DATA * 3)
    assert sorted(path.name for path in root.incoming.iterdir()) == ["held", "t1"]
    os.close(holding)


def test_folders_are_bounded(root, monkeypatch):
    monkeypatch.setattr(incoming, "MAX_FOLDERS", 3)
    for number in range(6):
        os.close(incoming.claim(root, f"t{number}"))
        os.utime(incoming.folder(root, f"t{number}"), (number, number))
    assert sorted(path.name for path in root.incoming.iterdir()) == ["t3", "t4", "t5"]


def test_a_link_in_place_of_a_part_is_not_followed(root, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"")
    send(root, b"", -1)
    (incoming.folder(root, "t1") / f".{hashlib.sha256(DATA).hexdigest()}.part").symlink_to(outside)
    with pytest.raises(OSError, match="symbolic"):
        send(root, DATA, 0)
    assert outside.read_bytes() == b""


def test_what_nobody_continues_is_removed(root):
    send(root, DATA[:10], 0)
    incoming.prune(root)
    assert incoming.folder(root, "t1").is_dir()
    os.utime(incoming.folder(root, "t1"), (1, 1))
    incoming.prune(root)
    assert not incoming.folder(root, "t1").exists()


def test_what_a_session_uploaded_stays_however_long_it_waits_for_the_lock(root):
    send(root, DATA[:10], 0)
    holding = incoming.claim(root, "t1")
    os.utime(incoming.folder(root, "t1"), (1, 1))
    incoming.prune(root)
    assert incoming.folder(root, "t1").is_dir()
    os.close(holding)


def test_a_full_disk_is_no_project_s_to_keep(tmp_path, monkeypatch):
    host = HostFile(projects={"shop": {}, "blog": {}})
    shop, blog = (Provisioned(tmp_path / "root", host, name) for name in host.projects)
    for project in (shop, blog):
        project.prepare()
        for identifier in ("left", "going-on"):
            send(project, DATA[:10], 0, identifier=identifier)
    holding = [incoming.claim(project, "going-on") for project in (shop, blog)]
    monkeypatch.setattr(incoming, "_free", lambda _: 1 << 40 if not incoming.folder(blog, "left").exists() else 0)
    assert send(shop, DATA[10:], 10, identifier="going-on")["done"]
    assert [path.name for project in (shop, blog) for path in project.incoming.iterdir()] == ["going-on"] * 2
    for descriptor in holding:
        os.close(descriptor)


def test_the_next_upload_of_these_bytes_goes_on_where_the_last_one_broke_off(root):
    send(root, DATA[:1000], 0)
    send(root, b"list", 0, name="SHA256SUMS", whole=b"list")
    assert send(root, b"", 0, identifier="t2") == {"have": 1000, "done": False}
    assert send(root, b"", 0, identifier="t2", name="SHA256SUMS", whole=b"list") == {"have": 4, "done": True}
    assert send(root, DATA[1000:], 1000, identifier="t2") == {"have": 3000, "done": True}
    assert not incoming.folder(root, "t1").exists()
    assert send(root, b"", 0, name="other", identifier="t3", whole=DATA[:500]) == {"have": 0, "done": False}


def test_nothing_is_taken_from_an_upload_that_goes_on(root):
    alive = incoming.claim(root, "t1")
    send(root, DATA[:1000], 0)
    assert send(root, b"", 0, identifier="t2") == {"have": 0, "done": False}
    with pytest.raises(UploadRefused, match="another client"):
        incoming.claim(root, "t1")
    assert send(root, DATA[1000:], 1000)["done"]
    os.close(alive)
    assert send(root, b"", 0, identifier="t2") == {"have": 3000, "done": True}


def test_a_beginning_of_other_bytes_is_found_out_and_removed(root):
    send(root, DATA[:1000], 0)
    part = incoming.folder(root, "t1") / f".{hashlib.sha256(DATA).hexdigest()}.part"
    part.write_bytes(b"x" * 1000)
    assert send(root, b"", 0, identifier="t2") == {"have": 1000, "done": False}
    with pytest.raises(UploadDamaged):
        send(root, DATA[1000:], 1000, identifier="t2")
    assert send(root, b"", 0, identifier="t2") == {"have": 0, "done": False}
    assert send(root, DATA, 0, identifier="t2")["done"]


def test_a_whole_file_of_other_bytes_under_the_same_name_is_not_believed(root):
    send(root, b"y" * 3000, 0, whole=b"y" * 3000)
    assert send(root, b"", 0, identifier="t2") == {"have": 0, "done": False}


def test_a_block_for_which_there_is_no_room_leaves_what_was_there(root, monkeypatch):
    send(root, DATA[:1000], 0)
    write, calls = os.write, []

    def full(descriptor, data):
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:700])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        send(root, DATA[1000:], 1000)
    monkeypatch.undo()
    assert send(root, b"", -1) == {"have": 1000, "done": False}
    assert send(root, DATA[1000:], 1000)["done"]


class Line:
    """An agent that is asked without a connection."""

    def __init__(self, root):
        self.root, self.payloads, self.digests = root, [], {}

    def ask(self, request, payload=b"", **fields):
        self.payloads.append(len(payload))
        return incoming.receive(self.root, Request.of({"request": request, **fields}), payload, self.digests)


def test_the_client_sends_the_rest_and_all_of_it_when_the_beginning_was_wrong(root, tmp_path):
    path = tmp_path / "api_linux_amd64"
    path.write_bytes(DATA)
    item = upload.Item(path, path.name, len(DATA), hashlib.sha256(DATA).hexdigest())
    send(root, DATA[:1000], 0)
    os.close(incoming.claim(root, "t2"))
    assert upload.send(Line(root), [item], "t2", lambda _: None) == 2000
    assert (incoming.folder(root, "t2") / path.name).read_bytes() == DATA
    send(root, b"z" * 10, 0, identifier="t3", name="x", whole=DATA)
    incoming.remove(incoming.folder(root, "t2"))
    os.close(incoming.claim(root, "t4"))
    assert upload.send(Line(root), [item], "t4", lambda _: None) == 2990 + 3000
    assert (incoming.folder(root, "t4") / path.name).read_bytes() == DATA


def test_asking_again_does_not_hash_again(root, monkeypatch):
    hashed = []
    monkeypatch.setattr(incoming, "sha256_file", lambda path: hashed.append(path) or sha256_file(path))
    line, about = Line(root), {"id": "t1", "name": "api", "size": len(DATA), "offset": 0}
    right, wrong = hashlib.sha256(DATA).hexdigest(), "0" * 64
    os.close(incoming.claim(root, "t1"))
    assert line.ask("upload", DATA, **about, sha256=right)["done"]
    assert len(hashed) == 1
    assert [line.ask("upload", **about, sha256=right)["done"] for _ in range(50)] == [True] * 50
    assert [line.ask("upload", **about, sha256=wrong)["done"] for _ in range(50)] == [False] * 50
    assert len(hashed) == 1
    later = Line(root)  # a session that finds the file there looks once
    assert [later.ask("upload", **about, sha256=right)["done"] for _ in range(50)] == [True] * 50
    assert len(hashed) == 2
