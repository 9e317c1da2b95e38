import os

from goferry.runner import _ownership as ownership


def test_what_root_makes_is_the_checkouts_owners(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(
        os, "chown", lambda path, uid, gid, *, follow_symlinks: given.append((str(path), uid, gid, follow_symlinks))
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").touch()
    dist = tmp_path / "dist"
    (dist / "below").mkdir(parents=True)
    (dist / "below" / "file").touch()
    (dist / "link").symlink_to(outside)
    owner = tmp_path.stat()
    ownership.give_all(dist, tmp_path)
    paths = {str(dist), str(dist / "below"), str(dist / "below" / "file"), str(dist / "link")}
    assert {path for path, *_ in given} == paths
    assert {rest for _, *rest in map(tuple, given) for rest in [tuple(rest)]} == {(owner.st_uid, owner.st_gid, False)}


def test_other_users_hand_over_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "chown", None)
    assert ownership.shared(tmp_path / "temp", tmp_path).is_dir()


def test_a_folder_that_is_gone_is_no_obstacle(tmp_path):
    ownership.give_all(tmp_path / "absent", tmp_path / "absent too")
