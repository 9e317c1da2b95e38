"""Publishing and downloading against a fake GitHub that keeps bytes, enforces permissions and injects faults."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from goferry import release
from goferry.config.settings import Settings
from goferry.dist import Artifact, Ledger
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream
from goferry.release import retry
from goferry.release.errors import GitHubFailing
from goferry.trust import seal
from goferry.trust.minisign_key import SecretKey
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


def make_dist(folder, version="v1.4.0", commit=COMMIT, sequence=1_795_409_822, files=FILES, **flags):
    folder.mkdir(parents=True)
    ledger = Ledger(
        "shop",
        version,
        module="example.com/shop",
        commit=commit,
        snapshot=flags.get("snapshot", False),
        dirty=flags.get("dirty", False),
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
    signer = SecretKey.generate().signer()
    seal.seal(folder, [signer], settings=SETTINGS, stream=Stream(), now=sequence)
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


def publish(dist, github, **options):
    folder, trust = dist
    given = {"trust": trust, "settings": SETTINGS, **options}
    return release.publish(folder, github=github, stream=Stream(), **given)


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


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 502}, [0.5, 1.0]),
        ({"status": 503, "headers": {"Retry-After": "7"}}, [7.0, 7.0]),
        ({"status": 429, "headers": {"Retry-After": "3"}}, [3.0, 3.0]),
        ({"status": 403, "message": "You have exceeded a secondary rate limit."}, [60.0, 60.0]),
        ({"status": 403, "headers": {"Retry-After": "2"}, "message": "Slow down"}, [2.0, 2.0]),
    ],
)
@pytest.mark.parametrize(
    "operation", ["list-releases", "create-release", "upload", "update-release", "get-ref", "storage"]
)
def test_waits_as_long_as_github_asks(operation, fault, expected, dist, github, fake_github, waits):
    if operation == "storage" and fault["status"] == 403:
        pytest.skip("the storage knows no such limit")
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
    assert caught.value.name == "upload-damaged"
    assert all(found.draft for found in there(fake_github))


def test_everything_is_downloaded_again_before_it_is_published(dist, github, fake_github):
    fake_github.fail("storage", "corrupt")
    with pytest.raises(GoferryError) as caught:
        publish(dist, github)
    assert caught.value.name == "upload-damaged"
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
    assert "permissions:" in error.advice
    assert "  contents: write" in error.advice
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
            dist[0],
            github=github,
            trust=dist[1],
            settings=SETTINGS,
            stream=Stream([lambda event: said.append(repr(event))]),
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


@pytest.mark.parametrize("immutable", [True, False])
def test_published_by_hand_without_the_files(immutable, dist, github, fake_github):
    repository = fake_github.repository(REPOSITORY)
    repository.immutable = immutable
    fake_github.state.create_release(repository, {"tag_name": "v1.4.0"})
    error = refused(dist, github)
    assert error.name == "release-incomplete"
    assert error.facts["immutable"] is immutable
    assert writes(fake_github) == []


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
    from goferry.release.transfer import Transfer

    upload = Transfer.upload

    def moved(*arguments):
        fake_github.repository(REPOSITORY).tags["v1.4.0"] = "1" * 40
        return upload(*arguments)

    monkeypatch.setattr(Transfer, "upload", moved)
    assert refused(dist, github).name == "tag-moved"
    assert there(fake_github)[0].draft


@pytest.mark.parametrize("flags", [{"snapshot": True}, {"dirty": True}, {"commit": ""}])
def test_what_is_no_release_is_refused_before_anything_is_asked(flags, tmp_path, github, fake_github):
    dist = make_dist(tmp_path / "snapshot", **flags)
    assert refused(dist, github).name == "snapshot-refused"
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


def test_a_name_that_github_would_change(tmp_path, github, fake_github):
    dist = make_dist(tmp_path / "odd", files={"read me.txt": (b"x", "archive")})
    error = refused(dist, github)
    assert error.name == "asset-renamed"
    assert "read.me.txt" in error.what
    assert there(fake_github)[0].draft


def test_a_dry_run_shows_what_a_run_does(dist, github, fake_github):
    steps = publish(dist, github, dry_run=True)["steps"]
    assert writes(fake_github) == []
    assert there(fake_github) == []
    assert publish(dist, github)["steps"] == steps
    assert publish(dist, github, dry_run=True)["steps"] == []
