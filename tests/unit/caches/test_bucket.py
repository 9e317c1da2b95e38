"""What a bucket answers, told as an error of a file would be; a server's whole behaviour is tried in test_buckets.py."""

import io
import sys

import pytest
from botocore import exceptions as errors

from goferry.caches import _bucket as bucket, storage
from goferry.caches._bucket import Bucket, BucketFailed
from goferry.caches.storage import PlaceUnknown

NAME = "20260101T000000Z-" + "a" * 32


class Client:
    """Raises what a test says, or hands out a body."""

    def __init__(self, error=None, body=b""):
        self.error, self.body = error, body

    def get_object(self, **_):
        if self.error:
            raise self.error
        return {"Body": io.BytesIO(self.body)}

    def put_object(self, **_):
        if self.error:
            raise self.error


def coded(code, message=""):
    return errors.ClientError({"Error": {"Code": code, "Message": message}}, "GetObject")


@pytest.mark.parametrize(
    ("text", "name", "begin"),
    [
        ("s3://acme-ci", "acme-ci", "v1/"),
        ("s3://acme-ci/", "acme-ci", "v1/"),
        ("s3://acme-ci/trusted/main/", "acme-ci", "trusted/main/v1/"),
    ],
)
def test_an_address_names_a_bucket_and_a_prefix(text, name, begin):
    made = storage.opened(text)
    assert (made._name, made._prefix) == (name, begin)


@pytest.mark.parametrize(
    "text",
    [
        *("s3://", "s3:/acme", "s3:acme", "s3://A", "s3://ab", "s3://acme..ci/x", "s3://acme/../x", "s3://acme/a//b"),
        *(
            "s3://acme/a?b",
            "s3://acme/a\nb",
            "s3://acme/\x1b[31m",
            "s3://key:secret@acme/x",
            "S3://acme/x",
            "s3://acmé/x",
        ),
    ],
)
def test_what_names_no_bucket_is_no_place(text):
    with pytest.raises(PlaceUnknown):
        storage.opened(text)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (coded("NoSuchBucket"), "there is no such bucket"),
        (coded("AccessDenied"), "these credentials may not do that"),
        (coded("InvalidAccessKeyId"), "nobody has this access key"),
        (coded("SignatureDoesNotMatch"), "the secret key is not"),
        (coded("NotImplemented"), "If-None-Match"),
        (coded("Strange", "words"), "Strange: words"),
        (errors.NoCredentialsError(), "there are no credentials"),
        (errors.PartialCredentialsError(provider="env", cred_var="x"), "a part of the credentials"),
        (errors.ConnectTimeoutError(endpoint_url="http://x"), "did not answer"),
        (errors.ReadTimeoutError(endpoint_url="http://x"), "did not answer"),
        (errors.EndpointConnectionError(endpoint_url="http://x"), "can't be reached"),
    ],
)
def test_what_goes_wrong_is_told_in_words(error, said, tmp_path):
    found = Bucket("acme-ci", "", lambda: Client(error))
    with pytest.raises(BucketFailed, match=said):
        found.note("p/own/s", NAME)
    with pytest.raises(BucketFailed, match=said):
        found.write("p/own/s", NAME, b"{}")


def test_what_is_not_there_is_a_missing_file_and_what_is_there_stays():
    with pytest.raises(FileNotFoundError):
        Bucket("acme-ci", "", lambda: Client(coded("NoSuchKey"))).open("p/own/s", NAME)
    for code in ("PreconditionFailed", "ConditionalRequestConflict"):
        Bucket("acme-ci", "", lambda code=code: Client(coded(code))).write("p/own/s", NAME, b"{}")


def test_a_defect_of_ours_is_no_answer_of_a_bucket():
    with pytest.raises(ZeroDivisionError):
        Bucket("acme-ci", "", lambda: Client(ZeroDivisionError())).note("p/own/s", NAME)


def test_a_pack_that_trickles_is_given_up(monkeypatch):
    clock = iter(range(0, 10_000, 15))
    monkeypatch.setattr(bucket.time, "monotonic", lambda: next(clock))
    found = Bucket("acme-ci", "", lambda: Client(body=b"x" * 5_000_000))
    with found.open("p/own/s", NAME) as file:
        assert file.read(1 << 20)
        with pytest.raises(BucketFailed, match="too slowly"):
            file.read()


def test_without_boto3_a_bucket_is_a_miss_that_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(BucketFailed, match=r"goferry\[s3\]"):
        storage.opened("s3://acme-ci/x").names("p/own/s")


@pytest.mark.parametrize("environ", [{"AWS_ENDPOINT_URL_S3": "no address"}, {"AWS_PROFILE": "nobody"}])
def test_settings_that_boto3_does_not_take_are_a_miss(monkeypatch, tmp_path, environ):
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BucketFailed, match="boto3 can't be set up"):
        storage.opened("s3://acme-ci/x").names("p/own/s")
