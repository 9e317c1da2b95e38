"""A toolchain's zip between jobs: brought here it is proven like one from a proxy, and otherwise it is a miss."""

import shutil
from types import SimpleNamespace

import pytest

from goferry.caches import storage as places
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.golang import GoRequest, _zips as zips, lacking, setup_go, zipped
from goferry.golang._install import ModuleHashWrong
from goferry.observe.events import Stream
from goferry.pipeline.caching._toolchain_zip import restore_toolchain, save_toolchain

V = "1.27.3"


def request(world, *, keep_zip=False):
    return GoRequest(world.folder, V, allow_unproven=False, keep_zip=keep_zip)


@pytest.fixture
def machine(world):
    """`machine("one")` is one with a cache of its own; `Stream` events go to `told`."""
    told = []

    def install(name, *, keep_zip=False):
        settings = Settings(world.settings().environ, world.folder / name)
        found = setup_go(Context(settings, Stream([told.append])), request(world, keep_zip=keep_zip))
        return found, settings

    install.told = told
    return install


def notes(machine):
    return [event.message for event in machine.told if event.kind == "note" and event.level == "warning"]


def lay(world, name, data):
    path = zips.path(world.folder / name, world.module_version(V))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_it_is_kept_where_it_is_going_to_travel_and_nowhere_else(world, machine):
    archive = world.publish(V)
    found, settings = machine("plain")
    assert zipped(found, settings) is None
    assert not (settings.cache / "zips").exists()
    found, settings = machine("travels", keep_zip=True)
    assert zipped(found, settings).read_bytes() == archive.read_bytes()
    assert [path.name for path in (settings.cache / "zips").iterdir()] == [f"{world.module_version(V)}.zip"]


def test_one_that_was_brought_is_proven_without_the_proxys(world, machine):
    archive = world.publish(V)
    lay(world, "one", archive.read_bytes())
    archive.unlink()
    found, _ = machine("one")
    assert found.proof == "checksum-database"
    assert found.evidence["h1"].startswith("h1:")
    assert found.go.stat().st_mode & 0o111
    assert notes(machine) == []


def altered(world, data):
    return bytes([data[0] ^ 1]) + data[1:]


def cut(world, data):
    return data[:-100]


def other(world, data):
    return world.zip_with(V, {"bin/go": b"#!/bin/sh\necho evil\n"})


def outside(world, data):
    return world.zip_with(V, {"../../evil": b"evil"})


def empty(world, data):
    return b""


@pytest.mark.parametrize("harm", [altered, cut, other, outside, empty])
def test_one_that_is_not_what_was_proven_is_a_miss(world, machine, harm):
    archive = world.publish(V)
    path = lay(world, "one", harm(world, archive.read_bytes()))
    found, _ = machine("one")
    assert found.proof == "checksum-database"
    assert b"evil" not in found.go.read_bytes()
    assert not path.exists()
    assert "does not count" in notes(machine)[0]
    assert not list(world.folder.rglob("evil"))


def test_where_the_proxy_lies_as_well_nothing_is_installed(world, machine):
    archive = world.publish(V)
    lay(world, "one", other(world, b""))
    archive.write_bytes(other(world, b""))
    with pytest.raises(ModuleHashWrong):
        machine("one")
    assert not list((world.folder / "one" / "toolchains").glob("go*"))


def test_it_travels_in_a_place_that_all_projects_share(world, machine):
    archive = world.publish(V)
    place = places.Folder(world.folder / "place")
    found, settings = machine("one", keep_zip=True)
    dry, ground = (SimpleNamespace(toolchain=found, dry=dry) for dry in (True, False))
    saved = [save_toolchain(each, place, settings)[0] for each in (dry, ground)]
    assert [(row.kind, row.done) for row in saved] == [("toolchain", "would be saved"), ("toolchain", "saved")]
    assert save_toolchain(ground, place, settings) == [], "it has gone"
    lay(world, "one", archive.read_bytes())
    assert [row.done for row in save_toolchain(ground, place, settings)] == ["kept"]

    zip_of_proxy = archive.read_bytes()
    archive.unlink()
    settings = Settings(settings.environ, world.folder / "two")
    (row,) = restore_toolchain(Context(settings, Stream()), request(world), place)
    assert (row.done, row.bytes) == ("restored", len(zip_of_proxy))
    found, settings = machine("two")
    assert found.proof == "checksum-database"
    assert restore_toolchain(Context(settings, Stream()), request(world), place) == [], "it is there"
    assert zipped(found, settings) is None, "and its zip has served"


def test_a_place_that_has_none_is_a_miss_and_a_version_that_nobody_knows_no_row(world):
    world.publish(V)
    place = places.Folder(world.folder / "place")
    (row,) = restore_toolchain(Context(world.settings(), Stream()), request(world), place)
    assert (row.done, row.slot) == ("missed", world.module_version(V))
    assert lacking(Context(world.settings(), Stream()), request(world)).stem == world.module_version(V)
    shutil.rmtree(world.proxy)
    unknown = GoRequest(world.folder, "1.99", allow_unproven=False)
    assert restore_toolchain(Context(world.settings(), Stream()), unknown, place) == []


def test_a_zip_that_does_not_end_is_cut_off(world, monkeypatch):
    monkeypatch.setattr(zips, "LIMIT", 3 << 20)
    with open("/dev/zero", "rb") as source:
        assert zips.bring(source, world.folder / "zips" / "x.zip") == 3 << 20
