"""What a host admits, what may come back, and the floor: the agent on a folder, with real releases and no processes."""

import dataclasses
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from goferry.artifacts import Artifact, Ledger
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.host import admission, executable, floor, state
from goferry.host.agent import AgentSession
from goferry.host.embedded import Embedded
from goferry.host.provisioned import Provisioned
from goferry.host.store import Admitted, Store
from goferry.host.view import Shown
from goferry.kernel import manifest, sequence, trustfile, verify
from goferry.kernel.errors import GoferryError, Misuse
from goferry.kernel.hostfile import HostFile, Place, Policy
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.trustfile import ProjectTrust
from goferry.observe.events import Stream
from goferry.trust import keys, seal

SETTINGS = Settings.from_environ(os.environ)
DAY, NOW = 86_400, int(time.time())
ROGUE = 2**53 - 1
SHOWN = Shown("shop", "api", "v1", "", 0, "", 0, 0, "socket", 0, "healthy", "", "", "", [], "")


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ring")
    keys.generate(folder / "keys")
    return folder / "keys"


@functools.cache
def sealed(ring, version, number, created, services, env, snapshot):
    """Seal a release as a thief of the key would: without the client's own checks. Nobody changes it afterwards."""
    folder = Path(tempfile.mkdtemp(dir=ring.parent)) / "dist"
    folder.mkdir()
    goos, goarch = executable.host_platform()
    ledger = Ledger("shop", version, module="example.com/shop", snapshot=snapshot)
    for name in services:
        path = folder / f"{name}_{goos}_{goarch}"
        shutil.copy("/bin/true", path)
        with path.open("ab") as file:
            file.write(version.encode())
        meta = {"main": ".", "program": name}
        ledger.add(Artifact.of_file(path, project="shop", kind="binary", goos=goos, goarch=goarch, meta=meta))
        ledger.services[name] = {"main": ".", "binary": name, "listen": {"socket": True}, "env": dict(env)}
    ledger.save(folder)
    secret = ring / "minisign.key"
    signers = keys.load_signers(openpgp_key=None, minisign_key_file=secret, passphrase_file=None, settings=SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seal, "check_sealed", lambda *_: None)
        seal.seal(Context(SETTINGS, Stream()), folder, signers, now=created, sequence=number)
    return folder


class Site:
    """A target's folder; releases are committed to it as the engine does, without starting them."""

    def __init__(self, folder, ring):
        self.folder, self.ring, self.count = folder, ring, 0
        self.root = Embedded(folder / "root")
        self.trust = folder / "goferry.trust"
        shutil.copy(ring / "goferry.trust", self.trust)

    def set_trust(self, **project):
        found = trustfile.load(self.ring / "goferry.trust")
        self.trust.write_bytes(dataclasses.replace(found, projects={"shop": ProjectTrust(**project)}).to_bytes())

    def revoke(self, reason="compromised", at=NOW):
        found = trustfile.load(self.ring / "goferry.trust")
        gone = tuple(dataclasses.replace(key, revoked_at=at, reason=reason) for key in found.keys)
        self.trust.write_bytes(dataclasses.replace(found, keys=gone).to_bytes())

    def release(self, version, number, created=NOW, services=("api",), env=None, snapshot=False):
        """Return a sealed release of this site's own."""
        self.count += 1
        made = sealed(self.ring, version, number, created, services, (*(env or {}).items(),), snapshot)
        return shutil.copytree(made, self.folder / f"dist-{self.count}")

    def commit(self, dist, kind="deploy"):
        """Make a release the live one, as an agent that admitted it does."""
        verified = verify.verify(dist, trustfile.load(self.ring / "goferry.trust"), now=NOW)
        release = verified.manifest
        self.root.prepare()
        for name in release.services:
            entry = next(file for file in release.files if file.meta["program"] == name)
            change = Change(
                name, "socket", 0, -1, release.sequence, release.version, entry.sha256, port=81, source=entry.name
            )
            transaction = Transaction("t", kind, "shop", "rollback", verified.digest, (change,))
            store = Store(self.root, dist, Admitted(release, verified.proof, NOW))
            store.stage(transaction, change)
            store.record(transaction, change)
            store.prune(transaction, change)
            folder = self.root.service("shop", name)
            if not folder.live.is_symlink():
                os.symlink(folder.pointer(0), folder.live)
        return dist

    def session(self):
        return AgentSession(self.root, self.trust, {})

    def deploy(self, dist, **more):
        return self.session().answer({"request": "prepare", "id": "t", "dist": str(dist), "dry_run": True, **more})

    def rollback(self, **more):
        return self.session().answer({"request": "rollback", "id": "t", "dry_run": True, **more})

    def refused(self, ask, *arguments, **more):
        with pytest.raises(GoferryError) as told:
            ask(*arguments, **more)
        return told.value

    def steps(self, answer):
        return {change["service"]: (change["from"], change["to"]) for change in answer["changes"]}


@pytest.fixture
def site(tmp_path, ring):
    os.chmod(tmp_path, 0o755)
    return Site(tmp_path, ring)


def test_the_release_that_serves_is_unchanged_also_below_the_floor(site):
    one, two = site.release("v1", NOW - 9), site.release("v2", NOW - 8)
    site.commit(one)
    site.commit(two)
    before = state.kept(site.root, "shop")
    site.commit(one, "rollback")
    answer = site.deploy(one)
    assert (answer.get("unchanged"), answer["changes"]) == (True, [])
    assert state.kept(site.root, "shop") == before
    assert site.steps(site.deploy(two)) == {"api": ("v1", "v2")}
    other = site.release("v1", NOW - 9, env={"MODE": "other"})
    assert site.refused(site.deploy, other).name == "sequence-lower"
    same = site.release("v2", NOW - 8, env={"MODE": "other"})
    assert site.refused(site.deploy, same).name == "sequence-conflict"


def test_of_several_services_the_whole_release_must_serve(site):
    one = site.release("v1", NOW - 9, services=("api", "web"))
    two = site.release("v2", NOW - 8, services=("api", "web"))
    site.commit(one)
    site.commit(two)
    folder = site.root.service("shop", "api")
    entry = next(each for each in state.read(folder).history if each.version == "v1")
    change = Change("api", "socket", 0, -1, entry.sequence, "v1", entry.sha256, port=81)
    Store(site.root).record(Transaction("b", "rollback", "shop", "rollback", "", (change,)), change)
    assert site.refused(site.deploy, one).name == "sequence-lower"  # web would go back by a deploy
    assert site.deploy(one, services=["api"])["unchanged"]


FUTURE = {
    "the last sequence": (ROGUE, NOW, "release-in-future"),
    "a sequence of 2199": (7_226_582_400, NOW, "release-in-future"),
    "two days ahead": (NOW + 2 * DAY, NOW, "release-in-future"),
    "a number": (1001, NOW, "sequence-not-a-time"),
    "two days behind": (NOW - 2 * DAY, NOW, "sequence-not-a-time"),
    "a day ahead, less a minute": (NOW + DAY - 60, NOW, ""),
    "sealed long ago": (NOW - 900 * DAY, NOW - 900 * DAY, ""),
}


@pytest.mark.parametrize("case", FUTURE)
def test_what_a_host_does_not_believe(site, case):
    number, created, name = FUTURE[case]
    dist = site.release("v1", number, created)
    if not name:
        assert site.steps(site.deploy(dist)) == {"api": ("", "v1")}
        return
    error = site.refused(site.deploy, dist)
    assert error.name == name
    assert str(number) in error.what
    if name == "release-in-future":
        assert time.strftime("%Y-%m-%dT%H:", time.gmtime()) in error.what  # the host's clock
        assert manifest.parse((dist / "release.json").read_bytes()).created in error.what  # the signer's


def test_numbers_that_people_choose_need_the_trust_file_s_word_and_then_the_time_alone_is_judged(site):
    site.set_trust(sequence="manual")
    for number in (7, ROGUE):
        assert site.steps(site.deploy(site.release("v1", number))) == {"api": ("", "v1")}
    dist = site.release("v1", 8, NOW)
    made = manifest.parse((dist / "release.json").read_bytes())
    late = dataclasses.replace(made, created="2199-01-01T00:00:00Z")
    with pytest.raises(sequence.ReleaseInFuture, match="2199-01-01T00:00:00Z is more than a day ahead"):
        sequence.check_admitted(late, ProjectTrust("manual"), NOW)


def test_a_host_whose_clock_is_behind_says_that_it_is_the_host_s(site, monkeypatch):
    site.commit(site.release("v1", NOW - 9))
    monkeypatch.setattr("goferry.host.agent.time.time", lambda: NOW - 30 * DAY)
    error = site.refused(site.deploy, site.release("v2", NOW))
    assert error.name == "host-clock-behind"
    assert time.strftime("%Y-%m-%dT", time.gmtime(NOW - 30 * DAY)) in error.what
    assert time.strftime("%Y-%m-%dT", time.gmtime(NOW)) in error.what
    monkeypatch.setattr("goferry.host.agent.time.time", lambda: NOW)
    assert site.refused(site.deploy, site.release("v2", ROGUE)).name == "release-in-future"


def test_below_the_minimum_nothing_starts_by_a_deploy_or_a_rollback(site):
    one, two = site.release("v1", NOW - 9), site.release("v2", NOW - 8)
    site.commit(one)
    site.set_trust(minimum=NOW - 8)
    assert site.refused(site.deploy, one).name == "sequence-below-minimum"  # though it serves
    for number, barred in ((NOW - 9, True), (NOW - 8, False)):
        shown = {"api": SHOWN._replace(sequence=number)}
        assert admission.with_minimums(shown, site.root, site.trust)["api"]["barred"] is barred
    assert site.steps(site.deploy(two)) == {"api": ("v1", "v2")}
    site.commit(two)
    for wanted in ({}, {"to": "v1"}):
        error = site.refused(site.rollback, **wanted)
        assert (error.name, error.exit_code) == ("sequence-below-minimum", 3)
        assert error.what.startswith("api v1 can't serve again")
    site.set_trust(minimum=NOW - 9)
    assert site.steps(site.rollback()) == {"api": ("v2", "v1")}


def test_a_key_that_is_revoked_now_signs_no_way_back(site):
    site.commit(site.release("v1", NOW - 9))
    site.commit(site.release("v2", NOW - 8))
    site.revoke("retired", NOW + DAY)
    assert site.steps(site.rollback()) == {"api": ("v2", "v1")}
    site.revoke("retired", NOW - DAY)
    assert site.refused(site.rollback).name == "key-revoked"
    site.revoke()
    error = site.refused(site.rollback, to="v1")
    assert (error.name, error.exit_code, error.state) == ("key-revoked", 3, "Nothing was changed.")


def test_a_key_that_only_ended_since_takes_no_way_back_away(site):
    site.commit(site.release("v1", NOW - 9))
    site.commit(site.release("v2", NOW - 8))
    found = trustfile.load(site.trust)
    ended = tuple(dataclasses.replace(key, valid_until=NOW + 1) for key in found.keys)
    site.trust.write_bytes(dataclasses.replace(found, keys=ended).to_bytes())
    time.sleep(max(0, NOW + 1.1 - time.time()))
    assert site.refused(site.deploy, site.release("v3", NOW - 7)).name == "key-expired"
    assert site.steps(site.rollback()) == {"api": ("v2", "v1")}


def test_a_key_that_was_taken_out_of_the_trust_file_signs_no_way_back(site, tmp_path):
    site.commit(site.release("v1", NOW - 9))
    site.commit(site.release("v2", NOW - 8))
    keys.generate(tmp_path / "others")
    shutil.copy(tmp_path / "others/goferry.trust", site.trust)
    assert site.refused(site.rollback).name == "key-unknown"


@pytest.mark.parametrize("what", ["SHA256SUMS", "SHA256SUMS.minisig", "release.json", "admission.json"])
def test_what_is_stored_and_was_changed_does_not_come_back(site, what):
    site.commit(site.release("v1", NOW - 9))
    site.commit(site.release("v2", NOW - 8))
    path = site.root.service("shop", "api").release(NOW - 9) / what
    other = site.root.service("shop", "api").release(NOW - 8) / what
    path.write_bytes(other.read_bytes() if what != "admission.json" else b"{")
    error = site.refused(site.rollback)
    assert error.exit_code == 3
    assert error.name in ("signature-wrong", "file-altered", "blob-changed")


def test_a_stored_release_that_is_swapped_whole_for_another_does_not_come_back(site):
    site.commit(site.release("v1", NOW - 9))
    site.commit(site.release("v2", NOW - 8))
    folder = site.root.service("shop", "api")
    shutil.rmtree(folder.release(NOW - 9))
    shutil.copytree(folder.release(NOW - 8), folder.release(NOW - 9))
    assert site.refused(site.rollback).name == "blob-changed"


def as_schema_1(site):
    """Make the folder what an agent of before histories left."""
    folder = site.root.service("shop", "api")
    kept = state.read(folder)
    live = kept.live._asdict()
    before = next(entry for entry in kept.history if entry.sequence != kept.live.sequence)
    previous = {"slot": 1, **{key: getattr(before, key) for key in ("sequence", "version", "sha256", "mode", "port")}}
    record = {"schema": 1, "live": live, "previous": previous, "stopped": False}
    folder.state.write_text(json.dumps(record))
    found = state.kept(site.root, "shop").floor
    record = {"schema": 1, "sequence": found.sequence, "manifest_digest": found.manifest_digest}
    (site.root.project("shop") / ".floor.json").write_text(json.dumps(record))
    for place in folder.releases.iterdir():
        for name in ("SHA256SUMS", "SHA256SUMS.minisig", "admission.json"):
            (place / name).unlink()


def test_a_host_of_before_histories_keeps_its_way_back_and_its_floor(site):
    one, two = site.release("v1", NOW - 9), site.release("v2", NOW - 8)
    site.commit(one)
    site.commit(two)
    as_schema_1(site)
    assert site.steps(site.rollback()) == site.steps(site.rollback(to="v1")) == {"api": ("v2", "v1")}
    assert site.deploy(two)["unchanged"]
    assert site.refused(site.deploy, one).name == "sequence-lower"
    site.set_trust(minimum=NOW - 8)
    assert site.refused(site.rollback).name == "sequence-below-minimum"
    site.revoke("retired", NOW + DAY)
    assert site.steps(site.rollback()) == {"api": ("v2", "v1")}
    site.revoke()  # by which key it was signed nobody can tell
    error = site.refused(site.rollback)
    assert error.name == "key-revoked"
    assert "kept no signature" in error.what
    shutil.copy(site.ring / "goferry.trust", site.trust)
    site.commit(site.release("v3", NOW - 7))
    assert [entry.version for entry in state.read(site.root.service("shop", "api")).history] == ["v3", "v2", "v1"]
    site.revoke()
    assert "made by" not in site.refused(site.rollback, to="v1").what


def test_one_damaged_state_hides_no_other_service(site):
    site.commit(site.release("v1", NOW - 9, services=("api", "web")))
    site.root.service("shop", "web").state.write_text("{")
    live = site.session().view.live()
    assert live.keys() == {"api", "web"}
    assert "state.json" in live["web"].why


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 3}', '{"schema": true}', '{"schema": 2, "live": null}'])
def test_a_state_that_can_not_be_read_is_told_by_name(site, text):
    site.commit(site.release("v1", NOW - 9))
    site.root.service("shop", "api").state.write_text(text)
    assert site.refused(site.rollback).name == "state-damaged"


def test_five_releases_stay_with_their_proof_and_the_rest_goes(site):
    for number in range(7):
        site.commit(site.release(f"v{number}", NOW - 20 + number))
    folder = site.root.service("shop", "api")
    assert len(list(folder.store.iterdir())) == 5
    assert sorted(int(path.name) for path in folder.releases.iterdir()) == [NOW - 20 + number for number in range(2, 7)]
    assert site.steps(site.rollback(to="v2")) == {"api": ("v6", "v2")}
    error = site.refused(site.rollback, to="v1")
    assert (error.name, error.exit_code) == ("nothing-to-roll-back-to", 1)
    assert "v6, v5, v4, v3, v2" in error.state


def test_a_host_s_policy_says_how_many_stay(tmp_path):
    places = {"shop": {"api": Place("shop", "api", 8080, "socket")}}
    host = HostFile(projects=places, policies={"shop": Policy("releases", (), 2)})
    assert Provisioned(tmp_path, host).keep("shop") == 2
    assert Provisioned(tmp_path, HostFile(projects=places)).keep("shop") == Embedded(tmp_path).keep("shop") == 5


def test_a_host_s_policy_of_now_says_what_comes_back(site):
    site.root = provisioned(site, "snapshots")
    for version, number, snapshot in (("v1", 9, False), ("v2-1-gabc", 8, True), ("v3", 7, False)):
        site.commit(site.release(version, NOW - number, snapshot=snapshot))
    assert site.steps(site.rollback()) == {"api": ("v3", "v2-1-gabc")}
    site.root = provisioned(site)
    for more in ({}, {"to": "v2-1-gabc"}):
        assert site.refused(site.rollback, **more).name == "snapshot-refused"
    assert site.steps(site.rollback(to="v1")) == {"api": ("v3", "v1")}


def provisioned(site, accepts="releases", keep=5):
    places = {"shop": {"api": Place("shop", "api", 8080, "socket")}}
    return Provisioned(site.root.path, HostFile(projects=places, policies={"shop": Policy(accepts, (), keep)}), "shop")


def test_whether_a_way_leads_back_to_what_serves_is_told_before_anything_begins(site):
    site.root = provisioned(site, "snapshots")
    for version, number, snapshot in (("v1", 9, False), ("v2-1-gabc", 8, True)):
        site.commit(site.release(version, NOW - number, snapshot=snapshot))
    assert site.rollback()["no_way_back"] == {}
    site.root = provisioned(site)
    answer = site.rollback()
    assert site.steps(answer) == {"api": ("v2-1-gabc", "v1")}
    assert "this host takes releases; shop v2-1-gabc is" in answer["no_way_back"]["api"]
    site.root = provisioned(site, "snapshots", keep=1)
    assert site.rollback(to="v1")["no_way_back"] == {"api": "api v2-1-gabc will not be held any more"}


@pytest.mark.parametrize("harm", ["minimum", "lost", "none"])
def test_a_deploy_tells_that_its_commit_is_final(site, harm):
    site.commit(site.release("v1", NOW - 9))
    if harm == "minimum":
        site.set_trust(minimum=NOW - 8)
    elif harm == "lost":
        shutil.rmtree(site.root.service("shop", "api").release(NOW - 9))
    told = site.deploy(site.release("v2", NOW - 7))["no_way_back"]
    assert list(told) == ([] if harm == "none" else ["api"])
    assert {"minimum": "the trust file's minimum", "lost": "the store lost release", "none": ""}[harm] in told.get(
        "api", ""
    )


def lower(site, to, reason="the clock of the build machine was wrong"):
    return floor.lower(site.root, floor.Lowering("shop", to, reason), {})


def test_the_floor_is_lowered_together_with_what_serves_and_told(site):
    site.commit(site.release("v1", NOW - 9))
    site.commit(site.release("v2", ROGUE))
    good = site.release("v3", NOW - 7)
    assert site.refused(site.deploy, good).name == "sequence-lower"
    record = lower(site, NOW - 9)
    assert (record["from"], record["to"]) == (ROGUE, NOW - 9)
    assert site.steps(site.deploy(good)) == {"api": ("v2", "v3")}
    shown = site.session().view.floors()["shop"]
    assert shown == {"sequence": NOW - 9, "lowered": [record], "error": ""}
    assert record["reason"] == "the clock of the build machine was wrong"
    site.commit(good)
    assert admission.floor(site.root, "shop").sequence == NOW - 7
    assert site.refused(site.rollback, to="v2").name == "nothing-to-roll-back-to"
    assert site.steps(site.rollback()) == {"api": ("v3", "v1")}
    assert site.refused(site.deploy, site.release("v0", NOW - 8)).name == "sequence-lower"


def test_what_was_given_up_is_left_by_a_rollback_and_does_not_come_back(site):
    one = site.release("v1", NOW - 9)
    site.commit(one)
    site.commit(site.release("v2", ROGUE))
    lower(site, NOW - 9)
    assert site.steps(site.rollback()) == {"api": ("v2", "v1")}
    site.commit(one, "rollback")
    assert site.refused(site.rollback, to="v2").name == "nothing-to-roll-back-to"
    assert site.deploy(one)["unchanged"]


def test_the_first_release_of_all_can_be_the_wrong_one(site):
    site.commit(site.release("v1", ROGUE))
    lower(site, 1)
    assert site.steps(site.deploy(site.release("v2", NOW - 9))) == {"api": ("v1", "v2")}


def test_a_floor_is_lowered_only_and_only_for_a_reason(site):
    site.commit(site.release("v1", NOW - 9))
    for to, reason in ((NOW - 9, "x"), (NOW, "x"), (0, "x"), (-1, "x"), (5, "  ")):
        with pytest.raises(Misuse):
            lower(site, to, reason)
    for project in ("other", "", ".."):
        with pytest.raises(GoferryError):
            floor.lower(site.root, floor.Lowering(project, 5, "x"), {})
    assert not (site.root.path / "other").exists()
    assert lower(site, 5, "\x1b[31mred\n::error::x")["reason"] == "\\x1b[31mred\n\\x3a:error::x"
    assert state.kept(site.root, "shop").floor.sequence == 5


def test_no_request_of_a_client_lowers_a_floor(site):
    for name in ("floor", "lower"):
        assert site.refused(site.session().answer, {"request": name, "project": "shop", "to": 1}).exit_code == 2


def test_the_host_s_floor_is_root_s_alone(tmp_path):
    words = [sys.executable, "-I", "-m", "goferry.host", "floor", "shop", "--to", "1", "--reason", "x"]
    if os.geteuid() != 0:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, "not-root" in done.stderr) == (3, True)
        return
    code = "import os; from goferry.host import floor; from pathlib import Path; os.setuid(12345); "
    code += "raise SystemExit(floor.run(Path('/x'), Path('/y'), floor.Lowering('shop', 1, 'x'), {}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, "not-root" in done.stderr) == (3, True), done.stderr


def test_the_program_lowers_the_floor_of_a_folder(site):
    site.commit(site.release("v1", NOW - 9))
    words = [sys.executable, "-I", "-m", "goferry.host", "floor", "shop", "--to", "7", "--reason", "a slip"]
    done = subprocess.run([*words, "--root", site.root.path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"shop: the floor was lowered from {NOW - 9} to 7 on ")
    again = subprocess.run([*words, "--root", site.root.path], capture_output=True, text=True, check=False)
    assert (again.returncode, "it can be lowered alone" in again.stderr) == (2, True)


def test_a_floor_whose_file_is_gone_is_what_the_newest_committed_release_says(site):
    one, two = site.release("v1", NOW - 9), site.release("v2", NOW - 8)
    site.commit(one)
    site.commit(two)
    site.commit(one, "rollback")
    (site.root.project("shop") / ".floor.json").unlink()
    assert admission.floor(site.root, "shop").sequence == NOW - 8
