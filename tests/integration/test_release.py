"""Publishing and downloading against a fake GitHub that keeps bytes, enforces permissions and injects faults."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import hostile
import pytest

from goferry import release
from goferry.artifacts import Artifact, Ledger
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream
from goferry.release import _github_connections as github_connections, _retry as retry
from goferry.release._api import Api
from goferry.release.errors import GitHubFailing
from goferry.trust import seal
from goferry.trust._minisign_key import MinisignSecretKey
from goferry.trust.signer import clean_trust

REPOSITORY = "acme/shop"
COMMIT = "3f1c2ab0" * 5
SETTINGS = Settings({"PATH": os.environ["PATH"]}, Path("/nonexistent"))
FILES = {
    "api_linux_amd64": (b"\x7fELF" + b"a" * 300_000, "binary"),
    "shop_1.4.0_linux_amd64.tar.gz": (b"archive" * 1000, "archive"),
    "shop_1.4.0_sbom.json": (b"{}\n", "sbom"),
    "empty.txt": (b"", "archive"),
}


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """How long a run would have waited, without waiting."""
    slept = []
    monkeypatch.setattr(retry, "sleep", slept.append)
    return slept


def make_dist(folder, version="v1.4.0", commit=COMMIT, sequence=1_795_409_822, files=FILES, signer=None, **flags):
    folder.mkdir(parents=True)
    ledger = Ledger(
        "shop",
        version,
        module="example.com/shop",
        commit=commit,
        **flags,
    )
    for name, (data, kind) in files.items():
        (folder / name).write_bytes(data)
        ledger.add(
            Artifact.of_file(
                folder / name,
                project="shop",
                kind=kind,
                goos="linux" if kind == "binary" else "",
                goarch="amd64" if kind == "binary" else "",
            )
        )
    ledger.save(folder)
    signer = signer or MinisignSecretKey.generate().signer()
    seal.seal(Context(SETTINGS, Stream()), folder, [signer], now=sequence)
    trust = folder.parent / f"{folder.name}.trust"
    trust.write_bytes(clean_trust([signer]).to_bytes())
    return folder, trust


@pytest.fixture
def dist(tmp_path):
    return make_dist(tmp_path / "dist")


@pytest.fixture
def github(fake_github):
    fake_github.repository(REPOSITORY).tags["v1.4.0"] = COMMIT
    return release.GitHub(REPOSITORY, token=fake_github.token({"contents": "write"}), api_url=fake_github.url)


def publish(dist, github, settings=SETTINGS, **options):
    folder, trust = dist
    return release.publish(Context(settings, Stream()), folder, github=github, **{"trust": trust, **options}).as_json()


def there(fake, name=REPOSITORY):
    return list(fake.repository(name).releases.values())


def test_publishes(dist, github, fake_github):
    record = publish(dist, github)
    folder, _ = dist
    assert record["published"]
    assert not record["unchanged"]
    (found,) = there(fake_github)
    assert not found.draft
    assert not found.prerelease
    assert {asset.name: asset.data for asset in found.assets.values()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    digest = hashlib.sha256((folder / "release.json").read_bytes()).hexdigest()
    assert record["release"] == f"v1.4.0@sha256:{digest}"
    assert sorted(record["uploaded"]) == sorted(path.name for path in folder.iterdir())
    assert fake_github.repository(REPOSITORY).latest == found.id == record["id"]
    assert f"goferry fetch acme/shop@v1.4.0@sha256:{digest}" in found.body


def writes(fake):
    return [request.operation for request in fake.requests if request.method != "GET"]


def same_as(folder, found):
    assert {asset.name: asset.data for asset in found.assets.values()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    assert all(asset.state == "uploaded" for asset in found.assets.values())


def test_a_second_run_changes_nothing(dist, github, fake_github):
    first = publish(dist, github)
    fake_github.requests.clear()
    second = publish(dist, github)
    assert second["unchanged"]
    assert second["published"]
    assert second["uploaded"] == []
    assert sorted(second["kept"]) == sorted(first["uploaded"])
    assert (second["release"], second["id"], second["url"]) == (first["release"], first["id"], first["url"])
    assert writes(fake_github) == []


def test_goes_on_from_wherever_it_was_cut(tmp_path, fake_github):
    """The k-th request is done but never answered, and none after it, for every k of a whole run."""
    folder, trust = make_dist(tmp_path / "dist", files={"a.txt": (b"a" * 99, "archive")})
    whole, k, cut = 0, 0, 0
    while not whole:
        k += 1
        name = f"acme/shop{k}"
        fake_github.repository(name).tags["v1.4.0"] = COMMIT
        github = release.GitHub(name, token=fake_github.token({"contents": "write"}), api_url=fake_github.url)
        fake_github.requests.clear()
        fake_github.dies_at = k
        try:
            publish((folder, trust), github)
            whole = k
        except GitHubFailing:
            cut += 1
        fake_github.dies_at = 0
        record = publish((folder, trust), github)
        assert record["published"]
        (found,) = there(fake_github, name)
        assert not found.draft
        same_as(folder, found)
        assert publish((folder, trust), github)["unchanged"]
    assert cut > 12


@pytest.mark.parametrize("kind", ["starter", "race", "corrupt", "lost", "cut"])
@pytest.mark.parametrize("times", [1, 3])
def test_an_upload_that_fails_is_looked_at_and_repeated(kind, times, dist, github, fake_github):
    fake_github.fail("upload", kind, times=times)
    assert publish(dist, github)["published"]
    (found,) = there(fake_github)
    same_as(dist[0], found)


WAITS = [
    ({"status": 502}, [0.5, 1.0]),
    ({"status": 503, "headers": {"Retry-After": "7"}}, [7.0, 7.0]),
    ({"status": 429, "headers": {"Retry-After": "3"}}, [3.0, 3.0]),
    ({"status": 403, "message": "You have exceeded a secondary rate limit."}, [60.0, 60.0]),
    ({"status": 403, "headers": {"Retry-After": "2"}, "message": "Slow down"}, [2.0, 2.0]),
]


@pytest.mark.parametrize(
    ("operation", "fault", "expected"),
    [
        (operation, fault, expected)
        for operation in ("list-releases", "create-release", "upload", "update-release", "get-ref", "storage")
        for fault, expected in WAITS
        if (operation, fault["status"]) != ("storage", 403)  # the storage knows no such limit
    ],
)
def test_waits_as_long_as_github_asks(operation, fault, expected, dist, github, fake_github, waits):
    fake_github.fail(operation, "status", times=2, **fault)
    assert publish(dist, github)["published"]
    assert waits == expected
    (found,) = there(fake_github)
    same_as(dist[0], found)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ({"kind": "status", "status": 500}, "github-failing"),
        ({"kind": "cut"}, "github-failing"),
        ({"kind": "status", "status": 429, "headers": {"Retry-After": "3600"}}, "github-rate-limited"),
        (
            {"kind": "status", "status": 403, "message": "API rate limit exceeded for installation"},
            "github-rate-limited",
        ),
        ({"kind": "status", "status": 418}, "github-unexpected"),
    ],
)
@pytest.mark.parametrize("operation", ["list-releases", "create-release", "upload", "update-release"])
def test_gives_up_after_a_bounded_number_of_attempts(operation, fault, name, dist, github, fake_github):
    fake_github.fail(operation, times=99, **fault)
    with pytest.raises(GoferryError) as caught:
        publish(dist, github)
    assert caught.value.name == name
    assert len(fake_github.made(operation)) <= 5
    assert all(found.draft for found in there(fake_github))
    fake_github.faults.clear()
    assert publish(dist, github)["published"]


def test_what_is_damaged_every_time_is_never_published(dist, github, fake_github):
    fake_github.fail("upload", "corrupt", times=99)
    with pytest.raises(GoferryError) as caught:
        publish(dist, github)
    assert caught.value.name == "asset-damaged"
    assert all(found.draft for found in there(fake_github))


def test_everything_is_downloaded_again_before_it_is_published(dist, github, fake_github):
    fake_github.fail("storage", "corrupt")
    with pytest.raises(GoferryError) as caught:
        publish(dist, github)
    assert caught.value.name == "asset-damaged"
    assert there(fake_github)[0].draft
    fake_github.requests.clear()
    publish(dist, github)
    assert len(fake_github.made("storage")) == len(list(dist[0].iterdir()))


def test_the_storage_never_sees_the_token(dist, github, fake_github):
    publish(dist, github)
    stored = fake_github.made("storage")
    assert stored
    assert not [request for request in stored if "authorization" in request.headers]
    assert all(request.headers["authorization"] == f"Bearer {github.token}" for request in fake_github.made("download"))


def test_a_server_that_tells_no_digests(dist, github, fake_github):
    fake_github.digests = "null"
    fake_github.fail("update-release", "status", status=500, times=5)
    with pytest.raises(GoferryError):
        publish(dist, github)
    fake_github.faults.clear()
    fake_github.requests.clear()
    record = publish(dist, github)
    assert record["published"]
    assert not record["uploaded"]
    assert publish(dist, github)["unchanged"]
    there(fake_github)[0].named("empty.txt").data = b""
    there(fake_github)[0].named("api_linux_amd64").data = b"\x7fELF" + b"b" * 300_000
    with pytest.raises(GoferryError) as caught:
        publish(dist, github)
    assert caught.value.name == "release-differs"


# Permissions


def refused(dist, github, **options):
    with pytest.raises(GoferryError) as caught:
        publish(dist, github, **options)
    return caught.value


def test_a_token_that_only_reads(dist, github, fake_github):
    error = refused(dist, release.GitHub(REPOSITORY, fake_github.token({"contents": "read"}), fake_github.url))
    assert error.name == "github-permission-missing"
    assert error.advice[0] == "give the token that permission:  contents: write"
    assert error.facts == {"permission": "contents: write", "fork": False}
    assert there(fake_github) == []


def test_a_pull_request_from_a_fork_gets_its_own_text(dist, fake_github, tmp_path):
    fake_github.repository(REPOSITORY).tags["v1.4.0"] = COMMIT
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"repo": {"full_name": "stranger/shop"}}}}))
    surroundings = Settings(
        {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": REPOSITORY},
        Path("/nonexistent"),
    )
    github = release.GitHub(REPOSITORY, fake_github.token({"contents": "read"}), fake_github.url)
    error = refused(dist, github, settings=surroundings)
    assert error.name == "github-permission-missing"
    assert "fork" in error.what
    assert error.facts["fork"] is True
    assert "permissions:" not in error.advice


@pytest.mark.parametrize(
    ("private", "permissions", "name"),
    [
        (False, None, "github-token-invalid"),
        (True, {}, "github-not-found"),
        (False, {}, "github-permission-missing"),
    ],
)
def test_tokens_that_will_not_do(private, permissions, name, dist, fake_github):
    fake_github.repository(REPOSITORY, private=private).tags["v1.4.0"] = COMMIT
    token = "ghs_unknown" if permissions is None else fake_github.token(permissions)
    assert refused(dist, release.GitHub(REPOSITORY, token, fake_github.url)).name == name


def test_without_a_token_nothing_is_asked(dist, fake_github):
    assert refused(dist, release.GitHub(REPOSITORY, "", fake_github.url)).name == "github-token-missing"
    assert fake_github.requests == []


def test_what_is_not_there_in_a_repository_that_is_blames_no_name(dist, github, fake_github):
    fake_github.fail("list-releases", "status", status=404, times=9, message="Not Found")
    error = refused(dist, github)
    assert (error.name, error.exit_code) == ("github-thing-missing", 1)
    assert f"it is not there in {REPOSITORY} (HTTP 404): Not Found" in error.what


def test_a_repository_that_is_not_there(dist, fake_github):
    github = release.GitHub("acme/nothing", fake_github.token({"contents": "write"}), fake_github.url)
    assert refused(dist, github).name == "github-not-found"


@pytest.mark.parametrize("operation", ["list-releases", "create-release", "upload", "storage", "update-release"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 500])
def test_the_token_is_in_no_message(operation, status, dist, github, fake_github, capfd, caplog):
    caplog.set_level("DEBUG")
    said = []
    fake_github.fail(operation, "status", status=status, times=9, message=f"no, {github.token[:4]}…")
    with pytest.raises(GoferryError) as caught:
        release.publish(
            Context(SETTINGS, Stream([lambda event: said.append(repr(event))])), dist[0], github=github, trust=dist[1]
        )
    text = repr(caught.value) + json.dumps(caught.value.as_json()) + repr(github) + "".join(said)
    assert github.token not in text + "".join(capfd.readouterr()) + caplog.text


def test_the_address_for_uploads_must_be_githubs(dist, github, fake_github):
    fake_github.shapes.uploads = fake_github.uploads.replace("127.0.0.1", "localhost")
    error = refused(dist, github)
    assert error.name == "github-unexpected"
    assert fake_github.made("upload") == []


# What is there already


def test_published_with_other_bytes(tmp_path, dist, github, fake_github):
    publish(dist, github)
    before = {asset.id for asset in there(fake_github)[0].assets.values()}
    other = make_dist(tmp_path / "other", sequence=1_795_409_999)
    fake_github.requests.clear()
    error = refused(other, github)
    assert error.name == "release-differs"
    assert "release.json" in error.facts["files"]
    assert writes(fake_github) == []
    assert {asset.id for asset in there(fake_github)[0].assets.values()} == before


@pytest.fixture
def signer():
    return MinisignSecretKey.generate().signer()


@pytest.mark.parametrize("digests", ["given", "null"])
def test_the_same_files_sealed_again_are_the_release_that_stands(digests, tmp_path, signer, github, fake_github):
    fake_github.digests = digests
    first = publish(make_dist(tmp_path / "first", signer=signer), github)
    again = make_dist(tmp_path / "again", signer=signer, sequence=1_795_409_999)
    fake_github.requests.clear()
    record = publish(again, github)
    assert record["unchanged"]
    assert (record["release"], record["digest"], record["url"]) == (first["release"], first["digest"], first["url"])
    assert writes(fake_github) == []


def test_sealed_again_with_other_files_is_refused(tmp_path, signer, github, fake_github):
    publish(make_dist(tmp_path / "first", signer=signer), github)
    files = {**FILES, "api_linux_amd64": (b"\x7fELF" + b"b" * 300_000, "binary")}
    error = refused(make_dist(tmp_path / "again", signer=signer, sequence=1_795_409_999, files=files), github)
    assert error.name == "release-differs"


@pytest.mark.parametrize("name", ["api_linux_amd64", "SHA256SUMS.minisig", "SHA256SUMS", "release.json"])
def test_sealed_again_beside_a_release_that_somebody_changed(name, tmp_path, signer, github, fake_github):
    publish(make_dist(tmp_path / "first", signer=signer), github)
    asset = next(each for each in there(fake_github)[0].assets.values() if each.name == name)
    asset.data = asset.data[:-2] + bytes([asset.data[-2] ^ 1]) + asset.data[-1:]
    error = refused(make_dist(tmp_path / "again", signer=signer, sequence=1_795_409_999), github)
    assert error.name == "release-differs"
    assert name in error.facts["files"]


BY_HAND = {"tag_name": "v1.4.0", "name": "Ferries, at last", "body": "What is new", "prerelease": True}


def test_published_by_hand_without_files_it_is_filled_and_its_notes_stay(dist, github, fake_github):
    made = fake_github.state.create_release(fake_github.repository(REPOSITORY), BY_HAND)
    record = publish(dist, github)
    assert (record["published"], record["id"]) == (True, made.id)
    same_as(dist[0], made)
    order = [asset.name for asset in made.assets.values()]
    assert order.index("SHA256SUMS") == len(order) - 2
    assert order[-1] == "SHA256SUMS.minisig"
    assert (made.name, made.prerelease) == ("Ferries, at last", True)
    assert made.body.startswith("What is new\n\n<!-- goferry: begin -->")
    assert record["release"] in made.body
    again = publish(dist, github)
    assert again["unchanged"]
    assert again["release"] == record["release"]


@pytest.mark.parametrize("files", [1, 2, 3])
def test_a_filling_that_was_cut_goes_on_also_when_it_was_sealed_anew(files, tmp_path, signer, github, fake_github):
    made = fake_github.state.create_release(fake_github.repository(REPOSITORY), BY_HAND)
    first = make_dist(tmp_path / "first", signer=signer)
    fake_github.fail("upload", "status", status=403, message="no more", times=1, after=files)
    assert refused(first, github).name == "github-permission-missing"
    assert len(made.assets) == files
    assert "SHA256SUMS.minisig" not in {asset.name for asset in made.assets.values()}
    second = make_dist(tmp_path / "second", signer=signer, sequence=1_795_409_999)
    assert publish(second, github)["published"]
    same_as(second[0], made)


def test_published_immutable_without_files_it_is_refused(dist, github, fake_github):
    repository = fake_github.repository(REPOSITORY)
    repository.immutable = True
    fake_github.state.create_release(repository, BY_HAND)
    error = refused(dist, github)
    assert (error.name, error.facts["immutable"]) == ("release-incomplete", True)
    assert '"draft": true' in " ".join(error.advice)
    assert writes(fake_github) == []
    with pytest.raises(GoferryError) as caught:
        release.refuse_closed("v1.4.0", github, settings=SETTINGS)
    assert (caught.value.name, caught.value.advice) == (error.name, error.advice)


def test_what_is_still_open_or_whole_is_not_refused_before_the_build(dist, github, fake_github):
    release.refuse_closed("v1.4.0", github, settings=SETTINGS)
    fake_github.repository(REPOSITORY).immutable = True
    publish(dist, github)
    release.refuse_closed("v1.4.0", github, settings=SETTINGS)


def test_immutable_releases(dist, github, fake_github):
    fake_github.repository(REPOSITORY).immutable = True
    assert publish(dist, github)["published"]
    assert there(fake_github)[0].immutable
    assert publish(dist, github)["unchanged"]


def test_our_own_draft_of_other_bytes_is_filled_anew(tmp_path, dist, github, fake_github):
    publish(dist, github, draft=True)
    (draft,) = there(fake_github)
    assert draft.draft
    stray = fake_github.state.upload(fake_github.repository(REPOSITORY), draft, "stray.txt", b"x", content_type="")
    other = make_dist(tmp_path / "other", sequence=1_795_409_999)
    record = publish(other, github)
    assert set(record["uploaded"]) == {"release.json", "SHA256SUMS", "SHA256SUMS.minisig"}
    (found,) = there(fake_github)
    assert found.id == draft.id
    assert stray.id not in found.assets
    same_as(other[0], found)


def test_a_draft_stays_a_draft_when_asked_and_is_published_later(dist, github, fake_github):
    record = publish(dist, github, draft=True)
    assert not record["published"]
    assert not record["unchanged"]
    fake_github.requests.clear()
    record = publish(dist, github)
    assert record["published"]
    assert record["uploaded"] == []
    assert writes(fake_github) == ["update-release"]


def test_what_people_wrote_into_a_draft_stays(dist, github, fake_github):
    repository = fake_github.repository(REPOSITORY)
    fake_github.state.create_release(
        repository, {"tag_name": "v1.4.0", "draft": True, "body": "Faster checkout.\r\n\r\n* a\r\n"}
    )
    publish(dist, github)
    (found,) = there(fake_github)
    assert found.body.startswith("Faster checkout.\n\n* a\n\n<!-- goferry: begin -->")
    assert "goferry verify" in found.body


@pytest.mark.parametrize(("told", "pre"), [(None, True), (True, True), (False, False)])
def test_what_somebody_marked_as_a_prerelease_stays_one(told, pre, dist, github, fake_github):
    repository = fake_github.repository(REPOSITORY)
    fake_github.state.create_release(repository, {"tag_name": "v1.4.0", "draft": True, "prerelease": True})
    record = publish(dist, github, prerelease=told)
    (found,) = there(fake_github)
    assert (found.draft, found.prerelease, record["prerelease"]) == (False, pre, pre)
    assert publish(dist, github)["unchanged"]


def test_a_draft_by_hand_with_what_broke_off_is_filled(dist, github, fake_github):
    repository = fake_github.repository(REPOSITORY)
    draft = fake_github.state.create_release(repository, {"tag_name": "v1.4.0", "draft": True, "body": "Mine"})
    for name in ("SHA256SUMS", "of-somebody.zip"):
        fake_github.state.upload(repository, draft, name, b"", content_type="")
        draft.named(name).state = "starter"
    assert publish(dist, github)["published"]
    (found,) = there(fake_github)
    same_as(dist[0], found)


def test_a_draft_of_others_with_foreign_files_is_left_alone(dist, github, fake_github):
    repository = fake_github.repository(REPOSITORY)
    draft = fake_github.state.create_release(repository, {"tag_name": "v1.4.0", "draft": True, "body": "Mine"})
    fake_github.state.upload(repository, draft, "manual.pdf", b"%PDF", content_type="")
    error = refused(dist, github)
    assert error.name == "draft-of-others"
    assert error.facts["files"] == ["manual.pdf"]
    assert writes(fake_github) == []
    assert draft.named("manual.pdf")


def test_a_draft_is_found_behind_many_releases(dist, github, fake_github):
    repository = fake_github.repository(REPOSITORY)
    draft = fake_github.state.create_release(repository, {"tag_name": "v1.4.0", "draft": True})
    for number in range(230):
        fake_github.state.create_release(repository, {"tag_name": f"v0.{number}.0"})
    publish(dist, github)
    assert draft.draft is False
    assert len(repository.releases) == 231


def test_two_runs_at_once_leave_one_draft(dist, github, fake_github):
    fake_github.fail("create-release", "lost", times=2)
    publish(dist, github)
    (found,) = there(fake_github)
    assert not found.draft


# Tags and versions


def test_tags_must_fit(dist, github, fake_github, tmp_path):
    tags = fake_github.repository(REPOSITORY).tags
    tags["v1.4.0"] = "0" * 40
    assert refused(dist, github).name == "tag-moved"
    del tags["v1.4.0"]
    assert refused(dist, github).name == "tag-missing"
    assert refused(dist, github, tag="v1.5.0").name == "tag-mismatch"
    assert refused(dist, github, tag="v1.4.0\n").name == "tag-mismatch"
    assert writes(fake_github) == []


def test_an_annotated_tag_is_followed(dist, github, fake_github):
    fake_github.repository(REPOSITORY).annotated["v1.4.0"] = "a" * 40
    assert publish(dist, github)["published"]


def test_a_tag_of_a_module_in_a_folder(dist, github, fake_github):
    fake_github.repository(REPOSITORY).tags["services/shop/v1.4.0"] = COMMIT
    record = publish(dist, github, tag="services/shop/v1.4.0")
    assert record["tag"] == "services/shop/v1.4.0"
    assert record["published"]
    assert release.reference.parse(record["release"]).tag == "services/shop/v1.4.0"


def test_a_tag_that_moves_meanwhile_is_found_before_publishing(dist, github, fake_github, monkeypatch):
    from goferry.release._transfer import Transfer

    upload = Transfer.upload

    def moved(*arguments):
        fake_github.repository(REPOSITORY).tags["v1.4.0"] = "1" * 40
        return upload(*arguments)

    monkeypatch.setattr(Transfer, "upload", moved)
    assert refused(dist, github).name == "tag-moved"
    assert there(fake_github)[0].draft


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ({"snapshot": True}, "a snapshot: it was not built by the run of its tag"),
        ({"snapshot": True, "version": "v1.4.1-0.20261123040322-3f1c2ab4d5e6"}, "not built by the run of its tag"),
        ({"snapshot": True, "dirty": True}, "built from a changed work tree"),
        ({"dirty": True}, "built from a changed work tree"),
        ({"commit": ""}, "of no commit"),
    ],
)
def test_what_is_no_release_is_refused_before_anything_is_asked(flags, why, tmp_path, github, fake_github):
    dist = make_dist(tmp_path / "snapshot", **flags)
    error = refused(dist, github)
    assert (error.name, error.exit_code) == ("snapshot-refused", 3)
    assert why in error.what
    assert fake_github.requests == []


def test_a_hotfix_and_a_prerelease_do_not_become_the_latest(tmp_path, dist, github, fake_github):
    repository = fake_github.repository(REPOSITORY)
    latest = publish(dist, github)["id"]
    for version, prerelease in (("v1.3.9", False), ("v2.0.0-rc.1", True)):
        repository.tags[version] = COMMIT
        record = publish(make_dist(tmp_path / version, version=version), github)
        assert record["prerelease"] is prerelease is repository.releases[record["id"]].prerelease
        assert repository.latest == latest
    repository.tags["v1.4.1"] = COMMIT
    assert publish(make_dist(tmp_path / "v1.4.1", version="v1.4.1"), github)["id"] == repository.latest


# Our own folder


def change(folder, name, data):
    (folder / name).chmod(0o644)
    (folder / name).write_bytes(data)


@pytest.mark.parametrize("with_trust", [True, False])
@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("file-altered", lambda folder: change(folder, "shop_1.4.0_sbom.json", b"[]\n")),
        ("file-missing", lambda folder: (folder / "empty.txt").unlink()),
        ("file-unlisted", lambda folder: (folder / "stray.txt").write_text("x")),
        ("file-not-regular", lambda folder: (folder / "link").symlink_to("empty.txt")),
        ("list-missing", lambda folder: (folder / "SHA256SUMS").unlink()),
        ("manifest-missing", lambda folder: (folder / "release.json").unlink()),
        ("folder-unreadable", shutil.rmtree),
    ],
)
def test_a_folder_that_is_not_as_it_was_sealed(name, harm, with_trust, dist, github, fake_github):
    harm(dist[0])
    assert refused(dist, github, trust=dist[1] if with_trust else None).name == name
    assert fake_github.requests == []


def test_a_folder_that_nobody_trusted_signed(dist, tmp_path, github, fake_github):
    _, trust = make_dist(tmp_path / "other")
    assert refused((dist[0], trust), github).exit_code == 3
    assert fake_github.requests == []


@pytest.mark.parametrize("name", ["read me.txt", "shop_1.0~rc1.deb", "a..b", "a@b"])
def test_a_name_that_github_would_change_is_refused_before_a_draft_is_made(name, tmp_path, github, fake_github):
    dist = make_dist(tmp_path / "odd", files={name: (b"x", "archive")})
    assert refused(dist, github).name == "asset-renamed"
    assert there(fake_github) == []


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("shop_1.0.0~rc1_amd64.deb", "shop_1.0.0.rc1_amd64.deb"),
        ("read me (1).txt", "read.me.1.txt"),
        ("a@b,c;d=e.txt", "a.b.c.d.e.txt"),
        (".hidden.", "hidden"),
        ("shop+1.0_x-y.tar.gz", "shop+1.0_x-y.tar.gz"),
    ],
)
def test_the_fake_renames_assets_as_github_was_seen_to(name, stored, github, fake_github):
    repository = fake_github.repository(REPOSITORY)
    made = fake_github.state.create_release(repository, {"tag_name": "v1.4.0", "draft": True})
    assert fake_github.state.upload(repository, made, name, b"x", content_type="text/plain").name == stored


@pytest.mark.parametrize("operation", ["create-release", "upload", "update-release"])
def test_githubs_own_words_reach_the_person(operation, dist, github, fake_github):
    error = {"resource": "Release", "field": "tag_name", "code": "custom", "message": "tag_name is protected by a rule"}
    fake_github.fail(operation, "status", status=422, message="Validation Failed", errors=[error])
    told = refused(dist, github)
    assert told.name == "github-unexpected"
    assert "Validation Failed: tag_name is protected by a rule (Release.tag_name custom)" in told.what


def test_a_dry_run_needs_no_token(dist, fake_github):
    fake_github.repository(REPOSITORY).tags["v1.4.0"] = COMMIT
    steps = publish(dist, release.GitHub(REPOSITORY, "", fake_github.url), dry_run=True)["steps"]
    assert steps[0] == "create-draft v1.4.0"
    assert writes(fake_github) == []


def test_a_module_in_a_folder_is_released_under_the_tag_that_was_sealed(tmp_path, github, fake_github):
    dist = make_dist(tmp_path / "api", tag="api/v1.4.0")
    error = refused(dist, github)
    assert (error.name, error.advice) == ("tag-missing", ("git push origin api/v1.4.0",))
    fake_github.repository(REPOSITORY).tags["api/v1.4.0"] = COMMIT
    assert publish(dist, github)["tag"] == "api/v1.4.0"


@pytest.mark.parametrize(
    ("scheme", "version", "tag", "published", "pre", "latest"),
    [
        ("calver", "2026.10.1", "release-2026.10.1", "release-2026.9.30", False, True),
        ("calver", "2026.9.1", "release-2026.9.1", "release-2026.10.1", False, False),
        ("calver", "2026.10.1-rc1", "release-2026.10.1-rc1", "release-2026.9.1", True, False),
        ("semver", "1.10.0", "1.10.0", "1.9.0", False, True),
        ("any", "blue", "blue", "green", False, False),
    ],
)
def test_other_schemes_are_ordered_by_their_own_rules(
    scheme, version, tag, published, pre, latest, tmp_path, github, fake_github
):
    repository = fake_github.repository(REPOSITORY)
    fake_github.state.create_release(repository, {"tag_name": published})
    repository.tags[tag] = COMMIT
    before = repository.latest
    made = publish(make_dist(tmp_path / "dist", version, scheme=scheme, tag=tag), github)
    assert (made["tag"], made["prerelease"]) == (tag, pre)
    assert (repository.latest != before) is latest


def test_a_dry_run_shows_what_a_run_does(dist, github, fake_github):
    steps = publish(dist, github, dry_run=True)["steps"]
    assert writes(fake_github) == []
    assert there(fake_github) == []
    assert publish(dist, github)["steps"] == steps
    assert publish(dist, github, dry_run=True)["steps"] == []


# Downloads


@pytest.fixture
def published(dist, github):
    return publish(dist, github)["release"]


def download(reference, folder, github, **options):
    return release.download(Context(SETTINGS, Stream()), reference, folder, github=github, **options).as_json()


def not_downloaded(reference, folder, github, **options):
    with pytest.raises(GoferryError) as caught:
        download(reference, folder, github, **options)
    return caught.value


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("anonymous", [True, False])
def test_what_was_published_comes_back(anonymous, published, dist, github, fake_github, tmp_path):
    reader = release.GitHub(REPOSITORY, api_url=fake_github.url) if anonymous else github
    record = download(published, tmp_path / "got" / "here", reader)
    assert contents(tmp_path / "got" / "here") == contents(dist[0])
    assert record["release"] == published
    assert record["version"] == "v1.4.0"
    assert sorted(record["downloaded"]) == sorted(contents(dist[0]))
    assert os.access(tmp_path / "got" / "here" / "api_linux_amd64", os.X_OK)
    assert not (tmp_path / "got" / ".goferry").exists()
    again = download(published, tmp_path / "got" / "here", reader)
    assert again["downloaded"] == ["SHA256SUMS.minisig"]


def test_another_repository_and_a_part_of_it(published, dist, github, fake_github, tmp_path):
    elsewhere = release.GitHub("acme/other", github.token, fake_github.url)
    record = download(f"{REPOSITORY}@{published}", tmp_path / "got", elsewhere, only=["empty.txt"])
    assert set(contents(tmp_path / "got")) == {"empty.txt", "release.json", "SHA256SUMS", "SHA256SUMS.minisig"}
    assert record["repository"] == REPOSITORY
    assert not_downloaded(f"{REPOSITORY}@{published}", tmp_path / "b", elsewhere, only=["../x"]).name == "file-unlisted"


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        (lambda found: setattr(found.named("release.json"), "data", b"{}"), "asset-altered"),
        (lambda found: setattr(found.named("api_linux_amd64"), "data", b"evil"), "asset-altered"),
        (lambda found: setattr(found.named("api_linux_amd64"), "data", b"e" * 300_004), "asset-altered"),
        (lambda found: setattr(found.named("SHA256SUMS"), "data", b"x" * 64), "asset-altered"),
        (lambda found: setattr(found.named("release.json"), "data", b"x" * (9 << 20)), "asset-altered"),
        (lambda found: setattr(found.named("SHA256SUMS.minisig"), "data", b"x" * (9 << 20)), "asset-altered"),
        (lambda found: found.assets.pop(found.named("empty.txt").id), "asset-missing"),
        (lambda found: found.assets.pop(found.named("release.json").id), "asset-missing"),
        (lambda found: setattr(found.named("empty.txt"), "state", "starter"), "asset-missing"),
        (lambda found: setattr(found, "draft", True), "release-missing"),
    ],
)
def test_what_is_not_what_the_reference_means(harm, name, published, dist, github, fake_github, tmp_path):
    harm(there(fake_github)[0])
    error = not_downloaded(published, tmp_path / "got", github)
    assert error.name == name
    left = contents(tmp_path / "got") if (tmp_path / "got").exists() else {}
    assert left.items() <= contents(dist[0]).items()
    assert left != contents(dist[0])


def test_a_download_that_is_cut_leaves_nothing_half(published, github, fake_github, tmp_path):
    for number in range(3, 12):
        fake_github.requests.clear()
        fake_github.dies_at = number
        out = tmp_path / str(number)
        assert not_downloaded(published, out, github).name == "github-failing"
        fake_github.dies_at = 0
        for name, data in (contents(out) if out.exists() else {}).items():
            assert (
                hashlib.sha256(data).hexdigest() == hashlib.sha256(there(fake_github)[0].named(name).data).hexdigest()
            )
        download(published, out, github)
        assert contents(out) == {asset.name: asset.data for asset in there(fake_github)[0].assets.values()}


def test_downloads_wait_and_try_again(published, github, fake_github, tmp_path, waits):
    fake_github.fail("storage", "status", status=503, headers={"Retry-After": "4"})
    fake_github.fail("storage", "cut")
    fake_github.fail("get-release-by-tag", "status", status=502)
    download(published, tmp_path / "got", github)
    assert waits == [0.5, 4.0, 1.0]


def test_a_folder_with_other_files_is_not_overwritten(published, github, tmp_path):
    (tmp_path / "empty.txt").write_text("mine")
    error = not_downloaded(published, tmp_path, github)
    assert error.name == "folder-occupied"
    assert (tmp_path / "empty.txt").read_text() == "mine"


def test_a_dry_download_writes_nothing(published, github, tmp_path):
    assert "empty.txt" in download(published, tmp_path / "got", github, dry_run=True)["downloaded"]
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize(
    "reference", ["v1.4.0", "v1.4.0@sha256:abc", "../x@sha256:" + "0" * 64, "a@b@sha256:" + "0" * 64]
)
def test_bad_references(reference, github, fake_github, tmp_path):
    assert not_downloaded(reference, tmp_path, github).name == "reference-invalid"
    assert fake_github.requests == []


def test_a_private_repository_without_a_token(published, fake_github, tmp_path):
    fake_github.repository(REPOSITORY).private = True
    reader = release.GitHub(REPOSITORY, api_url=fake_github.url)
    assert not_downloaded(published, tmp_path / "got", reader).name == "github-not-found"


# The commands, against the fake as a program of its own


@pytest.fixture
def served(tmp_path):
    script = Path(__file__).resolve().parents[1] / "fakes" / "github"
    command = [sys.executable, script, "--repository", REPOSITORY, "--tag", f"v1.4.0={COMMIT}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())
        process.terminate()


def goferry(served, *argv):
    environ = {"PATH": os.environ["PATH"], "GITHUB_API_URL": served["url"], "GITHUB_TOKEN": served["token"]}
    command = [sys.executable, "-I", "-m", "goferry", *map(str, argv), "--repository", REPOSITORY, "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert served["token"] not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_commands(served, dist, tmp_path):
    code, record = goferry(served, "release", dist[0], "--trust", dist[1])
    assert (code, record["ok"], record["published"]) == (0, True, True)
    assert goferry(served, "release", dist[0])[1]["unchanged"]
    assert goferry(served, "fetch", record["release"], "--out", tmp_path / "got")[0] == 0
    assert contents(tmp_path / "got") == contents(dist[0])
    code, record = goferry(served, "fetch", "v1.4.0", "--out", tmp_path / "got")
    assert (code, record["error"]) == (2, "reference-invalid")


def test_large_files_are_never_whole_in_memory(served, tmp_path):
    size = 48 << 20
    folder, _ = make_dist(tmp_path / "dist", files={"big.bin": (bytes(1024) * (size >> 10), "archive")})
    github = release.GitHub(REPOSITORY, served["token"], served["url"])
    tracemalloc.start()
    record = publish((folder, None), github)
    download(record["release"], tmp_path / "got", github)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "got" / "big.bin").stat().st_size == size
    assert peak < 16 << 20


@pytest.mark.parametrize("operation", ["upload", "create-release", "download"])
def test_silence_has_a_limit(operation, dist, github, fake_github, monkeypatch):
    from goferry.release import _transfer as transfer
    from goferry.system.http import Client

    monkeypatch.setattr(github_connections, "TIMEOUT", 1)
    monkeypatch.setattr(transfer, "Client", lambda environ, **_: Client(environ, timeout=0.5, attempts=1))
    fake_github.fail(operation, "slow", seconds=1.5)
    begin = time.monotonic()
    assert publish(dist, github)["published"]
    assert time.monotonic() - begin < 30
    same_as(dist[0], there(fake_github)[0])


SLOW = [*sorted(hostile.KINDS), "large", "the next page is itself"]


@pytest.mark.parametrize("kind", SLOW)
def test_an_answer_of_github_that_does_not_end_is_given_up(kind, monkeypatch):
    one = {"id": 1, "tag_name": "v1", "name": "v1", "body": "", "upload_url": "x", "html_url": "x"}
    one |= {"draft": False, "prerelease": False, "immutable": False}
    page = json.dumps([one] * (100 if kind == "large" else 1)).encode()
    for name, value in {"REQUEST": 0.6, "LARGEST": 5000, "WHOLE": 1.0}.items():
        monkeypatch.setattr(github_connections, name, value)
    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    link = f'Link: <http://127.0.0.1:{port}/repositories/1/releases?page=2>; rel="next"\r\n'.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + link
    monkeypatch.setitem(hostile.KINDS, "large", lambda: iter([(head + b"\r\n" + page, 0.0)]))
    monkeypatch.setitem(hostile.KINDS, "the next page is itself", lambda: iter([(head + b"\r\n" + page, 0.0)]))
    api = Api(release.GitHub(REPOSITORY, "t", f"http://127.0.0.1:{port}"), SETTINGS)
    since = time.monotonic()
    with hostile.listening(port, kind), pytest.raises(GitHubFailing):
        api.releases()
    assert time.monotonic() - since < 5
