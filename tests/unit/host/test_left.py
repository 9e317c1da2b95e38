"""A purge of what a host is no longer ready for: by root on the host, with no agent or host file any more."""

import json

import pytest

from goferry.host import takedown
from goferry.host.takedown import PurgeChoice
from goferry.kernel.hostfile import Place
from goferry.kernel.leftfile import LeftFile


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A folder with what an unprovisioned host keeps of shop and blog; returns what runs a purge there."""
    from goferry.host import left

    monkeypatch.setattr(left, "DATA", (str(tmp_path / "data"),))
    monkeypatch.setattr(Place, "env_file", property(lambda place: str(tmp_path / "env" / place.stem)))
    for name in ("root/shop/api/releases", "root/shop/web", "root/blog/web", "data/shop-api", "env", "root/.goferry"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("root/shop/.floor.json", "data/shop-api/rows", "env/shop-api", "env/shop-web", "env/blog-web"):
        (tmp_path / name).write_text("kept")
    names = LeftFile({"shop": ("api", "web"), "blog": ("web",)})
    (tmp_path / "left.json").write_bytes(names.to_bytes())

    def purge(*names, **chosen):
        said = []
        code = takedown.command(
            tmp_path / "root", tmp_path / "host.json", PurgeChoice(*names, json=True, **chosen), {},
            left=tmp_path / "left.json", write=said.append,
        )  # fmt: skip
        assert code == 0
        return json.loads(said[0])

    return purge


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"left.json"}


def test_one_service_goes_with_its_data_and_environment_file(tmp_path, host):
    before = files(tmp_path)
    told = host("shop", "api", dry_run=True)
    assert files(tmp_path) == before
    paths = {str(tmp_path / name) for name in ("root/shop/api", "data/shop-api", "env/shop-api")}
    assert {each["path"] for each in told["removed"]} == paths
    assert host("shop", "api", yes=True) == told
    assert before - files(tmp_path) == {"data/shop-api/rows", "env/shop-api"}
    assert not (tmp_path / "root/shop/api").exists()


def test_a_project_goes_whole_and_another_one_is_not_touched(tmp_path, host):
    host("shop", yes=True)
    assert files(tmp_path) == {"env/blog-web"}
    assert host("shop", yes=True)["failure"]["name"] == "nothing-kept"


@pytest.mark.parametrize("names", [("..",), (".goferry",), ("shop", ".."), ("shop", "../blog"), ("/etc",)])
def test_a_name_never_leads_out_of_its_folder(tmp_path, host, names):
    before = files(tmp_path)
    assert host(*names, yes=True)["failure"]["name"] == "bad-name"
    assert files(tmp_path) == before


def test_nothing_goes_without_a_yes(tmp_path, host):
    before = files(tmp_path)
    assert host("shop")["removed"]
    assert files(tmp_path) == before
