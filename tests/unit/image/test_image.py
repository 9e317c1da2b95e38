"""The image: the same bytes twice, digests that hold, and every program that would not start is refused."""

import gzip
import hashlib
import io
import json
import os
import struct
import tarfile

import pytest

from goferry import image
from goferry.artifacts import Artifact, Ledger
from goferry.artifacts.ledger import DistSealed
from goferry.config import model
from goferry.image.errors import (
    ArtifactChanged,
    BinaryDynamic,
    BinaryWrongPlatform,
    ImageMainUnclear,
    ImageNameInvalid,
    ImageNoPlatform,
    ImageOutExists,
    ImageTooLarge,
)
from goferry.image.image_plan import name_of
from goferry.kernel import elf
from goferry.observe.events import Stream

MACHINES = {"amd64": 62, "arm64": 183}


def program(goarch="amd64", interpreter=b"", body=b"x" * 5000):
    """A minimal ELF-64 executable: a header, one program header, and some bytes."""
    kind = 3 if interpreter else 1
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, MACHINES[goarch], 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", kind, 4, 120, 0, 0, len(interpreter), 0, 1)
    return header + segment + interpreter + body


@pytest.fixture
def dist(tmp_path):
    ledger = Ledger(
        project="shop", version="v1.2.3", module="github.com/acme/shop", commit="a" * 40, date="2026-01-02T03:04:05Z"
    )

    def add(name="shop", goarch="amd64", data=None, goos="linux", **fields):
        path = tmp_path / f"{name}_{goos}_{goarch}"
        path.write_bytes(program(goarch) if data is None else data)
        meta = {"main": f"./cmd/{name}", "program": name}
        ledger.add(Artifact.of_file(path, project="shop", kind="binary", goos=goos, goarch=goarch, meta=meta, **fields))
        ledger.save(tmp_path)
        return ledger

    add.folder, add.ledger = tmp_path, ledger
    return add


def write(dist, config=None, **options):
    plan = image.plan(dist.ledger, config or model.Project(), **options)
    return plan, image.write(plan, dist.folder, dist.ledger, Stream())


def members(path):
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


def tar_members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()


def blob(files, descriptor):
    data = files["blobs/" + descriptor["digest"].replace(":", "/")]
    assert hashlib.sha256(data).hexdigest() == descriptor["digest"].removeprefix("sha256:")
    assert len(data) == descriptor["size"]
    return data


def test_every_digest_holds_and_the_same_bytes_come_twice(dist):
    dist()
    dist(goarch="arm64")
    _, artifact = write(dist)
    path = dist.folder / "shop_1.2.3_oci.tar"
    first = path.read_bytes()
    os.umask(os.umask(0o077))
    _, again = write(dist)
    assert path.read_bytes() == first
    assert again == artifact == Ledger.load(dist.folder).artifacts[path.name]

    files = members(path)
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["digest"] == artifact.meta["digest"]
    index = json.loads(blob(files, entry))
    assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]
    for each in index["manifests"]:
        manifest = json.loads(blob(files, each))
        config = json.loads(blob(files, manifest["config"]))
        layers = [gzip.decompress(blob(files, layer)) for layer in manifest["layers"]]
        assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
        assert config["config"]["User"] == "65532:65532"
    (docker,) = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == ["shop:1.2.3"]
    assert all(name in files for name in [docker["Config"], *docker["Layers"]])


def test_layers_take_nothing_from_the_machine(dist):
    dist()
    write(dist)
    files = members(dist.folder / "shop_1.2.3_oci.tar")
    manifest = json.loads(
        blob(files, json.loads(blob(files, json.loads(files["index.json"])["manifests"][0]))["manifests"][0])
    )
    base, app = [tar_members(gzip.decompress(blob(files, layer))) for layer in manifest["layers"]]
    entries = {member.name: member for member in [*base, *app]}
    assert {member.mtime for member in base} == {0}
    assert {member.mtime for member in app} == {1767323045}
    assert {member.uname for member in entries.values()} == {""}
    assert (entries["tmp"].mode, entries["home/nonroot"].uid) == (0o1777, 65532)
    assert (entries["usr/local/bin/shop"].mode, entries["usr/local/bin/shop"].uid) == (0o755, 0)
    assert [member.name for member in base] == sorted(member.name for member in base)
    assert not any(member.issym() or member.islnk() or member.isdev() for member in entries.values())
    assert blob(files, manifest["layers"][0])[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def test_the_documents_are_the_golden_ones(dist, root):
    dist()
    dist(goarch="arm64", variant="v8.0")
    config = model.Project(image=model.Image(env={"MODE": "x"}, labels={"team": "a"}, ports=["8080"]))
    plan, _ = write(dist, config)
    files = members(dist.folder / plan.file)
    index = json.loads(blob(files, json.loads(files["index.json"])["manifests"][0]))
    manifest = json.loads(blob(files, index["manifests"][1]))
    found = {"plan": plan.as_json(), "manifest": manifest, "config": json.loads(blob(files, manifest["config"]))}
    for layer in manifest["layers"]:  # these follow the compressor and the CA bundle of the locked set
        layer["digest"], layer["size"] = "sha256:…", 0
    manifest["config"] |= {"digest": "sha256:…", "size": 0}
    found["config"]["rootfs"]["diff_ids"] = ["sha256:…"] * 2
    path = root / "tests/golden/image/shop.json"
    if os.environ.get("GOFERRY_GOLDEN"):
        path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (program(interpreter=b"/lib64/ld-linux-x86-64.so.2\0"), BinaryDynamic, "ld-linux"),
        (program("arm64"), BinaryWrongPlatform, "arm64"),
        (b"", BinaryWrongPlatform, "not an ELF"),
        (b"MZ" + bytes(100), BinaryWrongPlatform, "not an ELF"),
        (program()[:66], BinaryWrongPlatform, "cut off"),
    ],
)
def test_a_program_that_would_not_start_is_refused(dist, data, error, says):
    dist(data=data)
    with pytest.raises(error, match=says):
        write(dist)
    assert not list(dist.folder.glob("*_oci.tar"))
    assert not list(Ledger.load(dist.folder).of_kind("image"))


def test_a_changed_missing_or_linked_program_is_refused(dist):
    dist()
    path = dist.folder / "shop_linux_amd64"
    good = path.read_bytes()
    path.write_bytes(good + b"!")
    with pytest.raises(ArtifactChanged):
        write(dist)
    path.rename(dist.folder / "elsewhere")
    with pytest.raises(ArtifactChanged):
        write(dist)
    (dist.folder / "elsewhere").write_bytes(good)
    path.symlink_to("elsewhere")
    with pytest.raises(ArtifactChanged):
        write(dist)


def test_the_size_report_names_every_file(dist):
    dist()
    with pytest.raises(ImageTooLarge) as caught:
        write(dist, model.Project(image=model.Image(max_size=1000)))
    assert "/usr/local/bin/shop" in caught.value.what
    assert sum(caught.value.facts["files"].values()) == caught.value.facts["unpacked"]


@pytest.mark.parametrize(
    ("mains", "services", "configured", "asked", "chosen"),
    [
        (["./a"], [], "", "", "./a"),
        (["./a", "./b"], ["./b"], "", "", "./b"),
        (["./a", "./b"], ["./b"], "./a", "", "./a"),
        (["./a", "./b"], [], "./a", "b/", "./b"),
        (["."], [], "", ".", "."),
        (["./a", "./b"], [], "", "", None),
        (["./a", "./b"], ["./a", "./b"], "", "", None),
        (["./a", "./b"], [], "", "./c", None),
    ],
)
def test_the_entry_point(mains, services, configured, asked, chosen):
    if chosen:
        assert image.entry_point(mains, services, configured, asked) == chosen
        return
    with pytest.raises(ImageMainUnclear) as caught:
        image.entry_point(mains, services, configured, asked)
    assert caught.value.facts["mains"] == ["./a", "./b"]


def test_no_linux_no_image(dist):
    dist(goos="windows")
    with pytest.raises(ImageNoPlatform):
        write(dist)


@pytest.mark.parametrize(
    ("project", "name"),
    [("Shop", "shop"), ("ShopAPI", "shopapi"), ("my_", "my"), ("a.-b", "a-b"), ("a__b", "a__b"), ("a--b", "a--b")],
)
def test_an_image_is_named_like_its_project_as_registries_take_it(project, name):
    assert name_of(project) == name


def test_a_module_with_capitals_has_an_image(dist):
    dist()
    dist.ledger.project = "Shop"
    write(dist)
    assert [each.meta["image"] for each in dist.ledger.of_kind("image")] == ["shop"]


@pytest.mark.parametrize("version", ["1.2.3~1", "v" + "1" * 130])
def test_a_tag_that_no_registry_takes_is_refused(dist, version):
    dist()
    dist.ledger.version = version
    with pytest.raises(ImageNameInvalid):
        write(dist)


def test_a_sealed_folder_takes_no_image(dist):
    dist()
    (dist.folder / "SHA256SUMS").write_text("")
    with pytest.raises(DistSealed):
        Ledger.load(dist.folder)


def test_exports_leave_dist_as_it_is(dist, tmp_path_factory):
    dist()
    dist(goarch="arm64")
    out = tmp_path_factory.mktemp("out")
    before = sorted(dist.folder.iterdir())
    plan = image.plan(dist.ledger, model.Project())
    record = image.export(plan, dist.folder, f"oci:{out}/layout", Stream())
    image.export(plan, dist.folder, f"{out}/x.tar", Stream())
    layout = {
        str(path.relative_to(out / "layout")): path.read_bytes()
        for path in (out / "layout").rglob("*")
        if path.is_file()
    }
    assert layout == members(out / "x.tar")
    assert record.platforms == ["linux/amd64", "linux/arm64"]
    assert sorted(dist.folder.iterdir()) == before
    with pytest.raises(ImageOutExists):
        image.export(plan, dist.folder, f"oci:{out}/layout", Stream())
    only = image.plan(dist.ledger, model.Project(), only=["linux/arm64"])
    assert image.export(only, dist.folder, f"{out}/arm.tar", Stream()).platforms == ["linux/arm64"]


def test_elf_offsets_that_lead_outside_are_errors():
    data = bytearray(program())
    data[32:40] = (1 << 63).to_bytes(8, "little")
    with pytest.raises(ValueError, match="cut off"):
        elf.read(io.BytesIO(bytes(data)))
