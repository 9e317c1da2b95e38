"""Go's own configuration and the GOPROXY list."""

import io

import pytest

from goferry.artifacts.fetching import ProxyListInvalid
from goferry.config.settings import Settings
from goferry.golang import _goenv as goenv, _proxies as proxies
from goferry.kernel.errors import Failed
from goferry.system.http import Client, DownloadTooLarge, DownloadUnwritable


def environment(tmp_path, wheel="GOPROXY=wheel\nGOSUMDB=wheel\n", **environ):
    return goenv.GoEnv(Settings({"HOME": str(tmp_path), "PATH": "", **environ}, tmp_path), lambda: wheel)


def user_file(tmp_path, text):
    path = goenv.user_file({"HOME": str(tmp_path)})
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_layers(tmp_path):
    user_file(tmp_path, "GOPROXY=user\n# GOSUMDB=no\nnonsense\n=x\n")
    root = tmp_path / "goroot"
    (root / "bin").mkdir(parents=True)
    (root / "bin/go").write_text("#!/bin/sh\n")
    (root / "bin/go").chmod(0o755)
    (root / "go.env").write_text("GOPROXY=root\nGOSUMDB=root\n")
    here = {"PATH": str(root / "bin")}
    assert environment(tmp_path, GOPROXY="env", **here).get("GOPROXY") == "env"
    assert environment(tmp_path, **here).get("GOPROXY") == "user"
    assert environment(tmp_path, **here).get("GOSUMDB") == "root"
    assert environment(tmp_path, GOENV="off", **here).get("GOPROXY") == "root"
    assert environment(tmp_path, GOENV="off").get("GOPROXY") == "wheel"


def test_a_linked_go_is_followed_to_its_root(tmp_path):
    root = tmp_path / "goroot"
    (root / "bin").mkdir(parents=True)
    (root / "bin/go").write_text("")
    (root / "bin/go").chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/go").symlink_to(root / "bin/go")
    assert goenv.goroot_on_path({"PATH": str(tmp_path / "bin")}) == root.resolve()


def test_the_wheel_is_left_alone_when_the_environment_says_it(tmp_path):
    def wheel():
        raise AssertionError

    env = goenv.GoEnv(Settings({"GOPROXY": "a", "GOSUMDB": "b", "GOENV": "off", "PATH": ""}, tmp_path), wheel)
    assert (env.get("GOPROXY"), env.get("GOSUMDB"), env.get("GOTOOLCHAIN"), env.get("GOFLAGS")) == ("a", "b", "", "")


def test_private_is_the_default_of_the_others(tmp_path):
    assert environment(tmp_path, GOPRIVATE="x").get("GONOSUMDB") == "x"
    assert environment(tmp_path, GOPRIVATE="x", GONOSUMDB="y").get("GONOSUMDB") == "y"


def test_proxy_list():
    found = proxies.parse("https://a.test/x/,b.test|file:///c, ,direct,https://never.test")
    assert found == (
        proxies.Proxy("https://a.test/x"),
        proxies.Proxy("https://b.test", any_error=True),
        proxies.Proxy("file:///c"),
        proxies.Proxy("direct"),
    )


@pytest.mark.parametrize("value", ["", " ", ",|,", "ftp://a.test", "word", "/srv/proxy"])
def test_no_proxy_list(value):
    with pytest.raises(ProxyListInvalid) as caught:
        proxies.parse(value)
    assert caught.value.exit_code == 2


def outcome(value, results):
    asked = []

    def work(base):
        asked.append(base)
        result = results[len(asked) - 1]
        if isinstance(result, Exception):
            raise result
        return result

    try:
        return proxies.ProxyList(proxies.parse(value), Client({})).attempt(work), len(asked)
    except Failed as error:
        return type(error), len(asked)


LACKS, REFUSES = proxies.ProxyLacks("x"), proxies.ProxyRefuses("x")


@pytest.mark.parametrize(
    ("value", "results", "expected"),
    [
        ("https://a.test,https://b.test", [LACKS, "b"], ("b", 2)),
        ("https://a.test,https://b.test", [REFUSES, "b"], (proxies.ProxyRefuses, 1)),
        ("https://a.test|https://b.test", [REFUSES, "b"], ("b", 2)),
        ("https://a.test|https://b.test", [REFUSES, LACKS], (proxies.ProxyRefuses, 2)),
        ("https://a.test,direct", [LACKS], (proxies.ProxyLacks, 1)),
        ("direct", [], (proxies.ProxyLacks, 0)),
        ("off", [], (proxies.ProxyOff, 0)),
        ("https://a.test,off", [LACKS], (proxies.ProxyLacks, 1)),
    ],
)
def test_who_is_asked_next(value, results, expected):
    assert outcome(value, results) == expected


def test_escapes_capitals():
    assert proxies.escaped("v0.0.1-goX") == "v0.0.1-go!x"


class Broken(io.BytesIO):
    def read(self, _size=-1):
        raise OSError(5, "Input/output error")

    def write(self, _data):
        raise OSError(28, "No space left on device")


def test_a_folder_of_modules_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "list").write_text("v1.0.0")
    asked = proxies.ProxyList(proxies.parse(tmp_path.as_uri()), Client({}))
    with pytest.raises(DownloadUnwritable, match="No space left"):
        asked.download("list", Broken(), 100)
    with pytest.raises(DownloadTooLarge):
        asked.get("list", 3)
    monkeypatch.setattr(proxies, "_opened", lambda _: Broken())
    for ask in (lambda: asked.get("list", 100), lambda: asked.download("list", io.BytesIO(), 100)):
        with pytest.raises(proxies.ProxyRefuses, match="Input/output error"):
            ask()
