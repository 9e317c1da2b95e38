import pytest

from goferry.gobuild import stamp

COMMIT = "3f" * 20
SHOP = "example.com/shop"
TOLD = [
    # go, version, module, top, what Go says
    ("1.27.3", "v1.4.0", SHOP, SHOP, "v1.4.0"),
    ("1.27.3", "v1.4.0-rc.1", SHOP, SHOP, "v1.4.0-rc.1"),
    ("1.24.13", "v1.4.0", SHOP, SHOP, "v1.4.0"),
    ("1.23.4", "v1.4.0", SHOP, SHOP, "(devel)"),
    ("1.28rc1", "v1.4.0", SHOP, SHOP, "v1.4.0"),
    ("1.27.3", "v3.0.0", f"{SHOP}/v3", f"{SHOP}/v3", "v3.0.0"),
    ("1.24.13", "v3.0.0", f"{SHOP}/v3", f"{SHOP}/v3", "v0.0.0-20261123040322-3f3f3f3f3f3f"),
    ("1.27.3", "v3.0.0", SHOP, SHOP, "v0.0.0-20261123040322-3f3f3f3f3f3f"),
    ("1.27.3", "2026.8.2", SHOP, SHOP, "v0.0.0-20261123040322-3f3f3f3f3f3f"),
    ("1.27.3", "1.2.3", f"{SHOP}/v2", f"{SHOP}/v2", "v2.0.0-20261123040322-3f3f3f3f3f3f"),
    ("1.27.3", "v1.4.0", f"{SHOP}/api", SHOP, "v1.4.0"),
    ("1.27.3", "v1.4.0", f"{SHOP}/api", "", "(devel)"),
    ("1.24.13", "v1.4.0", f"{SHOP}/api", "", "v1.4.0"),
    ("1.27.3", "v1.4.0", "example.org/other", SHOP, "(devel)"),
    ("1.27.3", "v1.4.1-0.20261123040322-3f3f3f3f3f3f", SHOP, SHOP, "v1.4.1-0.20261123040322-3f3f3f3f3f3f"),
    ("1.27.3", "v1.4.0+dirty", SHOP, SHOP, "v1.4.0+dirty"),
]


@pytest.mark.parametrize(("go", "version", "module", "top", "said"), TOLD)
def test_what_go_will_say(go, version, module, top, said):
    dirty = version.endswith("+dirty")
    told = stamp.main_version(
        go=go, version=version, module=module, top=top, date="2026-11-23T04:03:22Z", commit=COMMIT, dirty=dirty
    )
    assert told == said
    assert (
        stamp.main_version(go=go, version=version, module=module, top=top, date="", commit="", dirty=False) == "(devel)"
    )


@pytest.mark.parametrize(
    ("version", "modules", "here", "before"),
    [
        ("v1.4.0", {SHOP: "."}, ("v1.4.0",), ()),
        ("v1.4.0+dirty", {SHOP: "."}, ("v1.4.0",), ()),
        ("v1.4.0", {SHOP: ".", f"{SHOP}/api": "api"}, ("v1.4.0", "api/v1.4.0"), ()),
        ("v1.4.0", {f"{SHOP}/api/v2": "api"}, (), ()),
        ("v2.4.0", {f"{SHOP}/api/v2": "api"}, ("api/v2.4.0",), ()),
        ("2026.8.2", {SHOP: "."}, (), ()),
        ("v1.4.1-0.20261123040322-3f3f3f3f3f3f", {SHOP: "."}, (), ("v1.4.0",)),
        ("v1.4.0-rc.1.0.20261123040322-3f3f3f3f3f3f", {SHOP: "."}, (), ("v1.4.0-rc.1",)),
        ("v0.0.0-20261123040322-3f3f3f3f3f3f", {SHOP: "."}, (), ()),
    ],
)
def test_one_tag_is_shown(tmp_path, version, modules, here, before):
    planned = stamp.plan(
        go="1.27.3", root=tmp_path, commit=COMMIT, dirty=False, version=version, modules=modules, top=SHOP
    )
    assert (planned.here, planned.before) == (here, before)
