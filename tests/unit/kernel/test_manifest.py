import json
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.kernel import canonical, manifest
from goferry.kernel.manifest import File, Manifest, ReleasedImage
from goferry.kernel.refusals import ManifestMalformed, Refusal

HEX = "ab" * 32


def release(**fields):
    base = Manifest(
        project="shop",
        module="example.com/shop/v3",
        version="v3.1.0-rc.1+meta",
        commit="c" * 40,
        sequence=1_795_409_822,
        created="2026-11-23T04:57:02Z",
        files=(
            File("api_linux_amd64", 10, HEX, "binary", "linux", "amd64", "", {"main": "./cmd/api", "program": "api"}),
            File("shop_3.1.0_oci.tar", 20, HEX, "image"),
        ),
        images=(ReleasedImage("shop", "sha256:" + HEX, "shop_3.1.0_oci.tar", ("linux/amd64", "linux/arm64")),),
        toolchain={"version": "1.26.8"},
        services={"api": {"main": "./cmd/api"}},
        signatures=("SHA256SUMS.asc", "SHA256SUMS.minisig"),
        snapshot=True,
    )
    return replace(base, **fields)


def test_round_trip():
    data = release().to_bytes()
    assert manifest.parse(data) == release()
    assert manifest.parse(data).digest == release().digest
    assert json.loads(data)["flags"] == {"snapshot": True, "dirty": False}


def test_a_file_is_found_by_name():
    assert release().file("api_linux_amd64").goos == "linux"
    with pytest.raises(KeyError):
        release().file("nothing")


def edited(**changes):
    record = canonical.loads(release().to_bytes())
    record.update(changes)
    return canonical.dumps({key: value for key, value in record.items() if value is not ...})


def with_file(**changes):
    files = canonical.loads(release().to_bytes())["files"]
    files[0].update(changes)
    return edited(files=[{key: value for key, value in entry.items() if value is not ...} for entry in files])


def with_image(**changes):
    images = canonical.loads(release().to_bytes())["images"]
    images[0].update(changes)
    return edited(images=images)


REFUSED = {
    "empty": b"",
    "not JSON": b"{",
    "a list": b"[]\n",
    "NaN": b'{"schema":NaN}\n',
    "nested deeply": b"[" * 100_000,
    "too large": b" " * (manifest.MAX_BYTES + 1),
    "white space more": release().to_bytes() + b" ",
    "a duplicate key": release().to_bytes().replace(b'"commit"', b'"commit":"","commit"', 1),
    "an unknown field": edited(extra=1),
    "a missing field": edited(commit=...),
    "another schema": edited(schema=3),
    "a schema that lacks its places": edited(critical=...),
    "a schema as text": edited(schema="1"),
    "a project with a path": edited(project="../shop"),
    "a project without a name": edited(project=""),
    "a version with an escape": edited(version="v1\u001b[31m"),
    "a short commit": edited(commit="abc"),
    "a sequence as text": edited(sequence="7"),
    "a sequence as a flag": edited(sequence=True),
    "a sequence of zero": edited(sequence=0),
    "a sequence that JavaScript cannot hold": edited(sequence=1).replace(b'"sequence":1', b'"sequence":%d' % 2**53),
    "a time with an offset": edited(created="2026-11-23T04:57:02+00:00"),
    "a time that does not exist": edited(created="2026-02-30T04:57:02Z"),
    "flags of another type": edited(flags={"snapshot": 1, "dirty": False}),
    "a flag more": edited(flags={"snapshot": True, "dirty": False, "trusted": True}),
    "files as an object": edited(files={}),
    "files out of order": edited(files=canonical.loads(release().to_bytes())["files"][::-1]),
    "a service that is a list": edited(services={"api": []}),
    "an unknown signature format": edited(signatures=["SHA256SUMS.sig"]),
    "a signature twice": edited(signatures=["SHA256SUMS.asc", "SHA256SUMS.asc"]),
    "a negative size": with_file(size=-1),
    "a size as text": with_file(size="10"),
    "an upper-case digest": with_file(sha256=HEX.upper()),
    "a file without kind": with_file(kind=...),
    "a file named as the list": with_file(name="SHA256SUMS"),
    "a file named as the manifest": edited(
        files=[{**canonical.loads(release().to_bytes())["files"][0], "name": "release.json"}], images=[]
    ),
    "an image digest of another algorithm": with_image(digest="md5:" + "a" * 32),
    "an image of a missing file": with_image(file="nothing.tar"),
    "an image of a binary": with_image(file="api_linux_amd64"),
    "a lone surrogate": release().to_bytes().replace(b"./cmd/api", b"\\\\ud800", 1).replace(b"\\\\", b"\\"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case):
    with pytest.raises(ManifestMalformed):
        manifest.parse(REFUSED[case])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("../x", "list-name-unsafe"), ("a\u202eb", "list-name-unsafe"), ("Release.json", "list-duplicate")],
)
def test_refuses_names_that_a_list_refuses(name, expected):
    with pytest.raises(Refusal) as caught:
        manifest.parse(with_file(name=name))
    assert caught.value.name == expected


def test_refuses_case_twins():
    files = (File("API", 1, HEX, "binary"), File("api", 1, HEX, "binary"))
    with pytest.raises(Refusal) as caught:
        manifest.parse(release(files=files, images=()).to_bytes())
    assert caught.value.name == "list-duplicate"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted(canonical.loads(release().to_bytes())))


@settings(deadline=None, max_examples=examples(150))
@given(FIELDS, JSON)
def test_any_value_in_any_field_is_canonical_or_refused(field, value):
    data = edited(**{field: value})
    try:
        parsed = manifest.parse(data)
    except Refusal:
        return
    assert parsed.to_bytes() == data
