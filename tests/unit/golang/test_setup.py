"""setup_go in a hermetic world: the good way, and each tampering as its own refusal with nothing left on disk."""

import shutil
import threading
import time

import pytest

from goferry.artifacts.fetching import ProxyListInvalid
from goferry.config import model
from goferry.config.context import Context
from goferry.golang import (
    GoRequest,
    _proxies as proxies,
    _sumdb as sumdb,
    _toolchain_store as toolchain_store,
    resolve_version,
    setup_go,
)
from goferry.golang._install import ModuleHashWrong, ToolchainUnwritable
from goferry.golang._modzip import ZipDamaged, ZipUnsafe
from goferry.golang._proof import ProofInvalid, RecordForeign
from goferry.golang._proxies import ProxyOff
from goferry.golang._resolve import GoVersionUnavailable
from goferry.golang._signed_note import ChecksumDatabaseUnknown, NoteForged, NoteMalformed, NoteUnsigned
from goferry.golang._sumdb import (
    ChecksumDatabaseForked,
    ChecksumDatabaseOff,
    ChecksumDatabaseRolledBack,
    NotInChecksumDatabase,
    TileAltered,
)
from goferry.observe.events import Stream

V = "1.27.3"


def install(world, version=V, *, proven=True, prefer_machine=False, events=None, **environ):
    request = GoRequest(world.folder, version, allow_unproven=not proven, prefer_machine=prefer_machine)
    stream = Stream([events.append] if events is not None else [])
    return setup_go(Context(world.settings(**environ), stream), request)


def refused(world, error, **arguments):
    with pytest.raises(error) as caught:
        install(world, **arguments)
    assert caught.value.name == error.name
    assert world.left() == []


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_installs_with_proof(world):
    world.publish(V)
    found = install(world)
    assert (found.version, found.source, found.proof) == (V, "module", "checksum-database")
    assert found.go.stat().st_mode & 0o777 == 0o755
    assert (found.goroot / "bin/gofmt").stat().st_mode & 0o111
    assert (found.goroot / "pkg/tool/x/compile").stat().st_mode & 0o111
    assert (found.goroot / "lib/wasm/go_js_wasm_exec").stat().st_mode & 0o111
    assert not (found.goroot / "lib/time/zoneinfo.zip").stat().st_mode & 0o111
    assert not (found.goroot / "src/fmt/print.go").stat().st_mode & 0o111
    assert (found.goroot / "src/go.mod").read_bytes() == (found.goroot / "src/_go.mod").read_bytes()
    assert (found.goroot / "src/cmd/go.mod").read_bytes() == b"module cmd\n"
    assert found.evidence["h1"].startswith("h1:")
    assert found.evidence["tree"] == 301


def test_second_run_needs_no_proxy(world):
    world.publish(V)
    first = install(world)
    shutil.rmtree(world.proxy)
    assert install(world, GOPROXY="off") == first


def test_a_newer_tree_continues_the_kept_one(world):
    world.publish(V)
    install(world)
    world.log.fill(400)
    world.publish("1.27.4")
    assert install(world, "1.27.4").evidence["tree"] == 702


def test_an_older_head_that_is_part_of_the_kept_tree_is_fine(world):
    world.publish(V)
    install(world)
    world.publish("1.27.4")
    world.log.write_lookup(world.proxy, world.module_version("1.27.4"), 301)
    install(world, "1.27.4")
    world.publish("1.27.5")
    world.log.write(world.proxy, 303)
    # The answer for 1.27.3 is signed with the tree of long ago.
    world.log.write_lookup(world.proxy, world.module_version(V), 300, 301)
    shutil.rmtree(world.folder / "cache/toolchains")
    assert install(world).evidence["tree"] == 302


@pytest.mark.parametrize("at", [0, 100, -30])
def test_altered_zip(world, at):
    path = world.publish(V)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises((ModuleHashWrong, ZipDamaged, ZipUnsafe)):
        install(world)
    assert world.left() == []


def test_other_content(world):
    path = world.publish(V)
    path.write_bytes(world.zip_with(V, {"bin/go": b"#!/bin/sh\necho evil\n"}))
    refused(world, ModuleHashWrong)


def test_truncated_zip(world):
    path = world.publish(V)
    path.write_bytes(path.read_bytes()[:-100])
    refused(world, ZipDamaged)


def test_empty_zip(world):
    world.publish(V).write_bytes(b"")
    refused(world, ZipDamaged)


def test_wrong_hash_in_the_record_of_the_log(world):
    world.publish(V)
    full = world.module_version(V)
    index = world.log.add(f"{toolchain_store.MODULE} {full} h1:{'C' * 43}=\n".encode())
    world.log.write(world.proxy)
    world.log.write_lookup(world.proxy, full, index)
    refused(world, ModuleHashWrong)


def test_forged_note(world):
    world.publish(V)
    path = world.lookup_path(V)
    path.write_bytes(path.read_bytes().replace(b"tree\n301\n", b"tree\n300\n"))
    refused(world, NoteForged)


def test_truncated_note(world):
    world.publish(V)
    path = world.lookup_path(V)
    path.write_bytes(path.read_bytes()[:-20])
    refused(world, NoteMalformed)


def test_signed_by_another_key_of_the_same_name(world, new_log):
    world.publish(V)
    other = new_log(b"x" * 32)
    other.records = world.log.records
    other.write_lookup(world.proxy, world.module_version(V), 300)
    refused(world, NoteUnsigned)


def test_altered_record(world):
    world.publish(V)
    path = world.lookup_path(V)
    path.write_bytes(path.read_bytes().replace(b"/go.mod h1:B", b"/go.mod h1:D"))
    refused(world, ProofInvalid)


def test_record_of_another_module(world):
    world.publish(V)
    world.log.write_lookup(world.proxy, world.module_version(V), 7)
    refused(world, RecordForeign)


def test_record_of_another_version(world):
    world.publish("1.27.2")
    world.publish(V)
    world.log.write_lookup(world.proxy, world.module_version(V), 300)
    refused(world, RecordForeign)


def test_record_beyond_the_tree(world):
    world.publish(V)
    path = world.lookup_path(V)
    path.write_bytes(b"999" + path.read_bytes()[3:])
    refused(world, ProofInvalid)


@pytest.mark.parametrize("junk", [b"", b"<html>no</html>", b"300\n\n\n", b"\xff\xfe", b"300\nx" + b"y" * 100])
def test_junk_instead_of_a_record(world, junk):
    world.publish(V)
    world.lookup_path(V).write_bytes(junk)
    refused(world, ProofInvalid)


def tiles(world):
    return [path for path in (world.proxy / "sumdb").rglob("*") if path.is_file() and "tile" in path.parts]


@pytest.mark.parametrize("name", ["0/001", "0/002.p/189", "1/000.p/2"])
def test_altered_tile(world, name):
    world.publish(V)
    world.log.fill(400)
    world.log.write(world.proxy)
    world.log.write_lookup(world.proxy, world.module_version(V), 300)
    path = world.proxy / "sumdb" / world.log.key.name / "tile/8" / name
    path.write_bytes(bytes(reversed(path.read_bytes())))
    refused(world, TileAltered)


def test_short_tile(world):
    world.publish(V)
    for path in tiles(world):
        path.write_bytes(path.read_bytes()[:-1])
    refused(world, TileAltered)


def test_altered_tile_in_the_cache_is_fetched_again(world):
    world.publish(V)
    install(world)
    shutil.rmtree(world.folder / "cache/toolchains")
    for path in (world.folder / "cache/sumdb").rglob("*"):
        if path.is_file() and "tile" in path.parts:
            path.write_bytes(bytes(reversed(path.read_bytes())))
    assert install(world).proof == "checksum-database"


def test_forked_tree_of_the_same_key(world):
    world.publish(V)
    install(world)
    shutil.rmtree(world.folder / "cache/toolchains")
    shutil.rmtree(world.proxy)
    world.log.records[5] = b"example.test/rewritten v1.0.0 h1:%s=\n" % (b"E" * 43)
    world.log.fill(3)
    world.versions.clear()
    world.publish(V)
    refused(world, ChecksumDatabaseForked)


def test_forked_tree_of_the_same_size(world):
    world.publish(V)
    install(world)
    shutil.rmtree(world.folder / "cache/toolchains")
    world.log.records[5] = b"example.test/rewritten v1.0.0 h1:%s=\n" % (b"E" * 43)
    world.log.write_lookup(world.proxy, world.module_version(V), 300)
    refused(world, ChecksumDatabaseForked)


def test_rolled_back_tree(world):
    world.log.fill(700)
    world.publish(V)
    install(world)
    shutil.rmtree(world.folder / "cache/toolchains")
    shutil.rmtree(world.proxy / "sumdb")
    for tiles in (world.folder / "cache/sumdb").glob("*/tile"):
        shutil.rmtree(tiles)
    world.log.records = world.log.records[:290]
    world.versions.clear()
    world.publish(V)
    refused(world, ChecksumDatabaseRolledBack)


def test_not_recorded(world):
    world.publish(V)
    world.lookup_path(V).unlink()
    refused(world, NotInChecksumDatabase)


def test_database_off_is_a_refusal(world):
    world.publish(V)
    refused(world, ChecksumDatabaseOff, GOSUMDB="off")


@pytest.mark.parametrize("name", ["GONOSUMDB", "GOPRIVATE", "GONOSUMCHECK", "GOINSECURE"])
def test_private_patterns_do_not_switch_the_proof_off(world, name):
    path = world.publish(V)
    path.write_bytes(path.read_bytes()[:-100])
    refused(world, ZipDamaged, **{name: "*"})
    world.publish(V)
    assert install(world, **{name: "*"}).proof == "checksum-database"


@pytest.mark.parametrize(
    "value", ["nobody.example.test", "sums.example.test+00000000+AAAA", "a b c", "x+zz+zz", "../up+033de0ae+AA=="]
)
def test_unknown_database(world, value):
    world.publish(V)
    refused(world, ChecksumDatabaseUnknown, GOSUMDB=value)


def test_database_at_its_own_address(world):
    world.publish(V)
    (world.proxy / "sumdb" / world.log.key.name).rename(world.folder / "mirror")
    found = install(world, GOSUMDB=f"{world.log.key.text} file://{world.folder}/mirror")
    assert found.proof == "checksum-database"


def test_altered_installation_is_installed_again(world):
    world.publish(V)
    found = install(world)
    found.go.write_bytes(b"#!/bin/sh\necho evil\n")
    events = []
    again = install(world, events=events)
    assert b"evil" not in again.go.read_bytes()
    assert any("not those that were proven" in event.message for event in events)


def test_added_file_in_an_installation_counts(world):
    world.publish(V)
    found = install(world)
    (found.goroot / "src/fmt/evil.go").write_text("package fmt\n")
    assert not (install(world).goroot / "src/fmt/evil.go").exists()


def test_touched_but_equal_installation_stays(world):
    world.publish(V)
    found = install(world)
    found.go.touch()
    shutil.rmtree(world.proxy)
    assert install(world).proof == "checksum-database"


def test_altered_record_file_does_not_count(world):
    world.publish(V)
    install(world)
    record = next((world.folder / "cache/toolchains").glob("*.proof.json"))
    record.write_bytes(record.read_bytes().replace(b'"index":300', b'"index":299'))
    shutil.rmtree(world.proxy)
    with pytest.raises(GoVersionUnavailable):
        install(world, GOSUMDB=world.log.key.text + " file:///nowhere")


def test_tool_cache_layout(world):
    world.publish(V)
    tools = world.folder / "tools"
    tools.mkdir()
    found = install(world, RUNNER_TOOL_CACHE=str(tools))
    assert found.goroot.parent == tools / "go" / V
    assert found.goroot.with_name(found.goroot.name + ".complete").is_file()
    shutil.rmtree(world.proxy)
    assert install(world, RUNNER_TOOL_CACHE=str(tools)) == found


def foreign_go(world, version):
    place = toolchain_store.tool_cache_place(world.folder / "tools", version, world.goarch)
    (place.root / "bin").mkdir(parents=True)
    (place.root / "VERSION").write_text(f"go{version}\n")
    place.marker.touch()
    return place.root


def test_a_foreign_go_in_the_tool_cache_is_not_replaced(world):
    world.publish(V)
    root = foreign_go(world, V)
    found = install(world, RUNNER_TOOL_CACHE=str(world.folder / "tools"))
    assert found.proof == "checksum-database"
    assert found.goroot != root
    assert (root / "VERSION").is_file()


@pytest.mark.parametrize("environ", [{"GOPROXY": "off"}, {"GOSUMDB": "off"}, {"GOPROXY": "file:///nowhere"}])
def test_a_foreign_go_serves_when_allowed(world, environ):
    world.publish(V)
    root = foreign_go(world, V)
    environ.setdefault("GOSUMDB", world.log.key.text + " file:///nowhere")
    environ["RUNNER_TOOL_CACHE"] = str(world.folder / "tools")
    events = []
    found = install(world, proven=False, events=events, **environ)
    assert (found.goroot, found.source, found.proof) == (root, "tool-cache", "unproven")
    assert [event for event in events if event.level == "warning"]


def test_a_foreign_go_never_serves_after_a_failed_proof(world):
    path = world.publish(V)
    path.write_bytes(path.read_bytes()[:-100])
    foreign_go(world, V)
    with pytest.raises(ZipDamaged):
        install(world, proven=False, RUNNER_TOOL_CACHE=str(world.folder / "tools"))


def test_prefer_machine(world):
    world.publish(V)
    root = foreign_go(world, V)
    found = install(world, proven=False, prefer_machine=True, RUNNER_TOOL_CACHE=str(world.folder / "tools"))
    assert found.goroot == root


def test_a_foreign_go_of_another_version_does_not_serve(world):
    foreign_go(world, "1.26.1")
    with pytest.raises(ProxyOff):
        install(world, "stable", proven=False, GOPROXY="off")


def test_offline_a_newer_go_serves_go_mod(world):
    root = foreign_go(world, "1.26.1")
    (world.folder / "go.mod").write_text("module m\n\ngo 1.25\n")
    found = install(world, "", proven=False, GOPROXY="off", RUNNER_TOOL_CACHE=str(world.folder / "tools"))
    assert found.goroot == root


def test_version_that_nobody_has(world):
    world.publish(V)
    with pytest.raises(GoVersionUnavailable, match=r"1\.99\.1"):
        install(world, "1.99.1")
    with pytest.raises(GoVersionUnavailable, match=r"1\.27\.3"):
        install(world, "1.99")
    assert world.left() == []


@pytest.mark.parametrize("slow", ["proxy", "database"])
def test_a_version_that_does_not_exist_is_one_error_whoever_answers_first(world, monkeypatch, slow):
    """The proxy's refusal has words, and while they arrive the database may have answered, or not."""
    world.publish(V)
    late = {"proxy": (proxies, "_download"), "database": (sumdb.ChecksumDatabase, "lookup")}[slow]
    work = getattr(*late)
    monkeypatch.setattr(*late, lambda *words: (time.sleep(0.05), work(*words))[1])
    for words in ({}, {"afresh": True}):
        with pytest.raises(GoVersionUnavailable, match=r"Go 1\.99\.1 .* cannot be had"):
            setup_go(Context(world.settings(), Stream()), GoRequest(world.folder, "1.99.1", **words))
    assert world.left() == []


@pytest.mark.parametrize("version", ["1.99.1", "1.99", "1.28rc9"])
def test_a_version_that_does_not_exist_is_none_either_where_nothing_is_installed(world, version):
    world.publish(V)

    def resolved(version, **environ):
        request = GoRequest(world.folder, version)
        return resolve_version(Context(world.settings(**environ), Stream()), request)

    with pytest.raises(GoVersionUnavailable) as caught:
        resolved(version)
    assert caught.value.exit_code == 1
    assert resolved(V).version == V
    put(world.proxy / toolchain_store.MODULE / "@v" / f"{world.module_version('1.27.9')}.info", b"{}")
    assert resolved("1.27.9").version == "1.27.9", "a mirror that lists only what it has taken in"
    install(world)
    assert resolved(V, GOPROXY="off").version == V
    with pytest.raises(ProxyOff):
        resolved("1.27.2", GOPROXY="off")


def test_a_place_that_cannot_be_written_is_named(world):
    world.publish(V)
    (world.folder / "cache").mkdir()
    (world.folder / "cache" / "toolchains").write_text("a file in the way")
    with pytest.raises(ToolchainUnwritable, match="cannot be written to"):
        install(world)


@pytest.mark.parametrize("goproxy", ["http://[::1", "https://h:x/", "file:///x,http://[", "https://h:99999"])
def test_a_goproxy_that_is_no_address_is_named(world, goproxy):
    with pytest.raises(ProxyListInvalid, match="GOPROXY"):
        install(world, GOPROXY=goproxy)


def test_the_go_of_the_job_is_the_go_of_its_stages(world):
    for version in ("1.24.9", "1.25.4", V):
        world.publish(version)
    (world.folder / "go.mod").write_text("module m\n\ngo 1.24\n")
    assert install(world, "", GOFERRY_GO="1.25.4 asked").version == "1.25.4"
    assert install(world, "1.24.9", GOFERRY_GO="1.25.4 asked").version == "1.24.9"
    settings = world.settings(GOFERRY_GO="1.25.4 asked")
    afresh = setup_go(Context(settings, Stream()), GoRequest(world.folder, afresh=True))
    assert afresh.version == "1.24.9", "setup-go itself decides anew"
    shutil.rmtree(world.proxy)
    assert install(world, "", GOFERRY_GO="1.25.4 asked", GOPROXY="off").proof == "checksum-database"


def test_a_gowork_of_the_caller_is_named_where_it_would_have_counted(world):
    world.publish(V)
    events = []
    install(world, GOWORK="off", events=events)
    assert not [event for event in events if "GOWORK" in event.message], "off is what it is anyway"
    install(world, GOWORK="/elsewhere/go.work", events=events)
    assert [event for event in events if event.level == "warning" and "GOWORK=/elsewhere/go.work" in event.message]


def test_resolves_by_the_list(world):
    for version in ("1.26.9", "1.27.3", "1.27.12", "1.28rc1"):
        world.publish(version)

    def resolved(version):
        request = GoRequest(world.folder, version)
        return resolve_version(Context(world.settings(), Stream()), request).version

    assert resolved("1.27") == resolved("1.27.x") == resolved("stable") == resolved("") == "1.27.12"
    assert resolved("oldstable") == "1.26.9"
    assert resolved("1.28rc1") == "1.28rc1"


REQUESTS = {
    "what a step before found": ({}, "1.25.4"),
    "asked for": ({"version": "1.24.9"}, "1.24.9"),
    "configured": ({"config": model.Project(go=model.Go(version="1.24"))}, "1.24.9"),
    "proven": ({"version": "1.25.4", "allow_unproven": False}, "1.25.4"),
    "the machine's": ({"version": "1.27", "prefer_machine": True}, "1.27.3"),
    "the machine's, unproven not allowed": ({"version": "1.27", "prefer_machine": True, "allow_unproven": False}, ""),
    "afresh": ({"afresh": True}, "1.24.9"),
}


@pytest.mark.parametrize(("words", "version"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_is_answered_alike_whether_go_is_set_up_or_only_resolved(world, words, version):
    """The proxy has no 1.27.3, which is on the machine; a step before found 1.25.4."""
    for each in ("1.24.9", "1.25.4"):
        world.publish(each)
    foreign_go(world, "1.27.3")
    (world.folder / "go.mod").write_text("module m\n\ngo 1.24\n")
    request = GoRequest(world.folder, **words)
    settings = world.settings(GOFERRY_GO="1.25.4 found", RUNNER_TOOL_CACHE=str(world.folder / "tools"))
    answers = []
    for answer in (resolve_version, setup_go):
        try:
            answers.append(answer(Context(settings, Stream()), request).version)
        except GoVersionUnavailable:
            answers.append("")
    assert answers == [version, version]


@pytest.mark.parametrize(
    ("lines", "kept"), [("go 1.26", "1.26.7"), ("go 1.18", "1.27.3"), ("", "1.27.3"), ("go 1.27.1", "1.27.1")]
)
def test_a_stage_asks_nobody_where_a_proven_go_serves_the_files(world, lines, kept):
    """The log, the list and the network are looked at by setup-go and by a person's request alone."""
    for version in ("1.26.7", "1.27.1", "1.27.3"):
        world.publish(version)
        install(world, version)
    world.publish("1.26.9")
    world.publish("1.27.12")
    (world.folder / "go.mod").write_text(f"module m\n\n{lines}\n")
    shutil.move(world.proxy, world.folder / "away")
    found = install(world, "", GOPROXY="off", GOSUMDB=world.log.key.text)
    assert (found.version, found.proof) == (kept, "checksum-database")
    shutil.move(world.folder / "away", world.proxy)
    assert install(world, "").version == kept, "the list is there, and is not asked for"
    if kept == "1.26.7":
        assert install(world, "1.26").version == "1.26.9", "a person asked for the newest patch"
    (world.folder / "go.mod").write_text("module m\n\ngo 1.27\n")
    settings = world.settings()
    anew = setup_go(Context(settings, Stream()), GoRequest(world.folder, afresh=True))
    assert anew.version == "1.27.12", "setting up brings the newest patch"
    assert install(world, "").version == "1.27.12", "and from then on stages take it"


@pytest.mark.parametrize("lines", ["go 1.28", "go 1.26", "toolchain go1.28.0"])
def test_a_stage_asks_where_no_kept_go_serves(world, lines):
    world.publish(V)
    install(world)
    for version in ("1.26.9", "1.28.0"):
        world.publish(version)
    (world.folder / "go.mod").write_text(f"module m\n\n{lines}\n")
    assert install(world, "").version == ("1.26.9" if "1.26" in lines else "1.28.0")


def test_an_altered_kept_go_is_not_taken_unasked(world):
    world.publish(V)
    found = install(world)
    (world.folder / "go.mod").write_text("module m\n\ngo 1.27\n")
    found.go.write_bytes(b"#!/bin/sh\necho evil\n")
    assert b"evil" not in install(world, "").go.read_bytes()


def test_concurrent_installs(world):
    world.publish(V)
    found, errors = [], []

    def work():
        try:
            found.append(install(world))
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len({item.goroot for item in found}) == 1
    assert not [name for name in world.left() if "partial" in name]


def test_leftovers_of_a_killed_install_are_removed(world):
    world.publish(V)
    left = world.folder / "cache/toolchains" / f".go{V}.{world.goos}-{world.goarch}.partial-dead"
    left.mkdir(parents=True)
    install(world)
    assert not left.exists()
