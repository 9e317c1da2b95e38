"""A bucket: moto's server in a process of its own, with the policies that the documentation gives."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
import pytest

from goferry.artifacts.native import host
from goferry.caches import storage
from goferry.caches._bucket import BucketFailed
from goferry.caches.storage import KeptPack
from goferry.cli.main import run
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.observe.events import Stream
from goferry.pipeline import build, caching
from goferry.pipeline.caching import JobRequest
from goferry.pipeline.project import ProjectRequest

ROOT = Path(__file__).resolve().parents[2]
BUCKET, KEY = "acme-ci", "a" * 32
WHERE = "shop-1/own/go1-linux-amd64-0"
PAGE = (ROOT / "docs" / "caches.md").read_text()
POLICIES = [json.loads(text) for text in re.findall(r"(?s)```json\n(.*?)```", PAGE) if "2012-10-17" in text]
TARGET = "/".join(host())


def kept(day=1):
    return KeptPack(WHERE, f"202601{day:02}T000000Z-{KEY}", KEY, 4, 10, 1, "0" * 64, 1.5, {"go.sum": "1"})


@pytest.fixture(scope="module")
def server():
    """The server's address; it asks nobody who they are until `guarded`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()
                break
            except OSError:
                assert running.poll() is None
                time.sleep(0.1)
        yield address
    finally:
        running.kill()
        running.wait()


@pytest.fixture(scope="module")
def credentials(server):
    """Of a job on the default branch, of a pull request's, and of nobody; from here on each is asked for its own."""
    ways = {"endpoint_url": server, "region_name": "us-east-1"}
    ways |= {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
    boto3.client("s3", **ways).create_bucket(Bucket=BUCKET)
    iam, made = boto3.client("iam", **ways), {}
    for name, policy in zip(("trusted", "pull-request"), POLICIES, strict=True):
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        made[name] = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    plain = {"Content-Type": "text/plain"}
    request = urllib.request.Request(f"{server}/moto-api/reset-auth", data=b"0", headers=plain, method="POST")
    urllib.request.urlopen(request, timeout=30).close()
    made["unknown"] = {"AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "x"}
    made["wrong"] = {**made["trusted"], "AWS_SECRET_ACCESS_KEY": "x"}
    return made


@pytest.fixture
def as_(server, credentials, monkeypatch, tmp_path):
    """`as_("trusted")` has what follows use those credentials; `as_("")` has none."""

    def use(name):
        for variable in [each for each in os.environ if each.startswith("AWS_")]:
            monkeypatch.delenv(variable)
        nowhere = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), str(tmp_path / "none"))
        own = {"AWS_ENDPOINT_URL_S3": server, "AWS_EC2_METADATA_DISABLED": "true", **nowhere}
        for variable, value in {**own, **credentials.get(name, {})}.items():
            monkeypatch.setenv(variable, value)

    return use


@pytest.fixture
def pack(tmp_path):
    path = tmp_path / "pack"
    path.write_bytes(b"pack")
    return path


def test_a_pull_request_reads_what_is_trusted_and_writes_its_own(as_, pack):
    as_("trusted")
    trusted = storage.opened(f"s3://{BUCKET}/trusted")
    assert storage.find(trusted, WHERE, KEY) == (None, False)
    storage.put(trusted, kept(), pack)
    storage.put(trusted, kept(2), pack)
    with pytest.raises(BucketFailed, match="may not"):
        storage.put(storage.opened(f"s3://{BUCKET}/pull-requests"), kept(), pack)
    as_("pull-request")
    trusted, own = (storage.opened(f"s3://{BUCKET}/{prefix}") for prefix in ("trusted", "pull-requests"))
    assert storage.find(trusted, WHERE, KEY) == (kept(2), True)
    with trusted.open(WHERE, kept(2).name) as file:
        assert file.read() == b"pack"
    with pytest.raises(BucketFailed, match="may not"):
        storage.put(trusted, kept(3), pack)
    with pytest.raises(BucketFailed, match="may not"):
        trusted.remove(WHERE, kept(2).name)
    storage.put(own, kept(), pack)
    assert storage.find(own, WHERE, KEY) == (kept(), True)
    assert [each.name for each in trusted.all()] == [kept().name, kept(2).name]


def test_what_is_there_stays_as_it_is(as_, pack):
    as_("trusted")
    where = storage.opened(f"s3://{BUCKET}/trusted/once")
    storage.put(where, kept(), pack)
    pack.write_bytes(b"other")
    storage.put(where, kept(), pack)
    where.write("shop-1/signed", "f" * 64, b"one")
    where.write("shop-1/signed", "f" * 64, b"two")
    with where.open(WHERE, kept().name) as file:
        assert file.read() == b"pack"
    assert where.note("shop-1/signed", "f" * 64) == b"one"
    assert [(each.where, each.name, each.bytes) for each in where.all()] == [(WHERE, kept().name, 4)]


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("", "there are no credentials"),
        ("unknown", "nobody has this access key"),
        ("wrong", "the secret key is not"),
    ],
)
def test_what_is_refused_is_a_miss_and_prune_says_it_by_name(as_, capsys, who, said):
    as_(who)
    with pytest.raises(BucketFailed, match=said):
        storage.opened(f"s3://{BUCKET}/trusted").names(WHERE)
    assert run(["cache", "prune", "--from", f"s3://{BUCKET}/trusted"]) == 5
    told = capsys.readouterr().err
    assert "cache-place-unreachable" in told
    assert said in told


def test_a_server_that_is_not_there_or_says_nothing_is_a_miss(as_, monkeypatch):
    as_("trusted")
    monkeypatch.setattr("goferry.caches._bucket.READ", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(BucketFailed, match="did not answer"):
            storage.opened(f"s3://{BUCKET}/x").names(WHERE)
    with pytest.raises(BucketFailed, match="can't be reached"):
        storage.opened(f"s3://{BUCKET}/x").names(WHERE)


def test_a_job_restores_from_a_bucket_what_the_one_before_saved(as_, tmp_path, settings, part):
    part("git")
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/shop\n\ngo 1.21\n")
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    stands = Settings(settings.environ, tmp_path / "cache", settings.tool_cache, settings.home)
    ctx = Context(stands, Stream())

    def rows(work, prefix):
        return {row.kind: (row.done, row.why) for row in work(ctx, JobRequest(folder, targets=(TARGET,)), prefix)}

    as_("trusted")
    there = f"s3://{BUCKET}/trusted/job"
    assert {done for done, _ in rows(caching.restore, there).values()} == {"missed"}
    build.run(ctx, build.prepare(ctx, ProjectRequest(folder, targets=(TARGET,))))
    saved = rows(caching.save, there)
    assert "saved" in {done for done, _ in saved.values()}, saved
    as_("pull-request")
    elsewhere = Settings(settings.environ, tmp_path / "another machine", settings.tool_cache, settings.home)
    ctx = Context(elsewhere, Stream())
    assert "restored" in {done for done, _ in rows(caching.restore, there).values()}
    as_("")
    found = rows(caching.restore, there)
    assert {done for done, _ in found.values()} == {"missed"}
    assert "no credentials" in str(found)
