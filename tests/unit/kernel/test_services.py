"""What a service in the manifest may hold."""

import pytest
from hypothesis import given, strategies as st

from goferry.host import shim
from goferry.kernel import manifest, services
from goferry.kernel.refusals import ManifestMalformed

WHOLE = {
    "main": "./cmd/api", "binary": "api", "listen": {"env": "ADDR"}, "health": "/healthz?full=1", "args": ["-v", ""],
    "env": {"MODE": "a b"}, "env_file": "secrets/api.env", "port": 8080, "ready_within_ms": 0, "bake_ms": 86_400_000,
    "drain_ms": 1,
}  # fmt: skip


@pytest.mark.parametrize("listen", [{}, {"env": "ADDR"}, {"flag": "-listen"}, {"port_env": "PORT"}, {"socket": True}])
def test_what_a_build_writes_is_taken(listen):
    services.check("api", {**WHOLE, "listen": listen})


BAD = [
    *[("binary", value) for value in ("", "../sh", "a/b", 1, None)],
    *[("listen", value) for value in ({"socket": False}, {"env": ""}, {"env": "A B"}, {"flag": ""}, {"x": "y"}, [], 1)],
    ("listen", {"env": "A", "flag": "-l"}),
    ("listen", {"port_env": "A=B"}),
    *[("health", value) for value in ("", "healthz", "/a b", "/a\r\nX: y", "/é", 5)],
    *[("args", value) for value in ("-v", [1], ["a\0b"], None)],
    *[("env", value) for value in ([], {"A=B": "x"}, {"": "x"}, {"A": 1}, {"A": "x\0"}, {"1A": "x"})],
    *[
        ("env_file", value)
        for value in ("/etc/shadow", "../x", "a/../../b", "a\0b", 1, "a\nb", "a\x1b[2J", "a" * 256, "a/" * 501)
    ],
    *[("port", value) for value in (-1, 65536, "80", True, None)],
    *[
        (key, value)
        for key in ("bake_ms", "ready_within_ms", "drain_ms")
        for value in (-1, 86_400_001, "1", True, None)
    ],
    ("unknown", 1),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_field_that_is_not_well_formed_is_refused(field, value):
    with pytest.raises((ValueError, TypeError), match=field):
        services.check("api", {**WHOLE, field: value})


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "-a", "a" * 64, "é", "a\n"])
def test_a_name_that_is_no_folder_is_refused(name):
    with pytest.raises(ValueError, match="name a service"):
        services.check(name, WHOLE)


def test_the_verifier_names_it(tmp_path):
    made = manifest.Manifest("shop", "m", "v1", "", 1, "2026-01-01T00:00:00Z", (), services={"api": WHOLE})
    assert manifest.parse(made.to_bytes()) == made
    bad = manifest.Manifest("shop", "m", "v1", "", 1, "2026-01-01T00:00:00Z", (), services={"api": {"bake_ms": "1"}})
    with pytest.raises(ManifestMalformed, match="bake_ms"):
        manifest.parse(bad.to_bytes())


def test_a_project_that_has_services_has_a_name_that_is_a_folder():
    def made(project, **more):
        return manifest.Manifest(project, "m", "v1", "", 1, "2026-01-01T00:00:00Z", (), **more).to_bytes()

    assert manifest.parse(made("a" * 64)).project == "a" * 64
    assert manifest.parse(made("a" * 63, services={"api": WHOLE}))
    with pytest.raises(ManifestMalformed, match="name a project"):
        manifest.parse(made("a" * 64, services={"api": WHOLE}))


@pytest.mark.parametrize(
    ("text", "filled", "names"),
    [
        ("--port={port}", "--port=7001", ["port"]),
        ("{host}:{port}", "127.0.0.1:7001", ["host", "port"]),
        ("{address}{url}", "127.0.0.1:7001http://127.0.0.1:7001", ["address", "url"]),
        ("{{port}} 100% {other} {} {PORT} %(port)s", "{port} 100% {other} {} {PORT} %(port)s", []),
        ('{"a": {"port": 1}}', '{"a": {"port": 1}}', []),
    ],
)
def test_placeholders_are_four_words_in_braces_and_all_else_is_text(text, filled, names):
    slot = shim.Slot(template=shim.Template([services.template(text)]))
    assert shim.placed(slot, 7001).args == [filled]
    assert services.placeholders(text) == names


@given(st.text(alphabet="{}%(s)porthsaduel ", max_size=40))
def test_any_text_makes_a_template_that_fills(text):
    slot = shim.Slot(template=shim.Template([services.template(text)]))
    (word,) = shim.placed(slot, 7001).args
    if not services.critical({"api": {"args": [text]}}):
        assert word == text


@pytest.mark.parametrize(
    ("service", "needed"),
    [
        (WHOLE, False),
        ({"listen": {"port_env": "PORT"}}, True),
        ({"args": ["--port", "{port}"]}, True),
        ({"env": {"BASE": "{url}/x"}}, True),
        ({"args": ["{{port}}"]}, True),
        ({"args": ["{name}"], "env": {"A": "{}"}}, False),
    ],
)
def test_a_release_says_that_it_has_placeholders_where_an_older_agent_would_take_them_for_text(service, needed):
    assert services.critical({"api": service, "web": {}}) == ({services.CRITICAL: {}} if needed else {})
    made = manifest.Manifest(
        "shop",
        "m",
        "v1",
        "",
        1,
        "2026-01-01T00:00:00Z",
        (),
        services={"api": service},
        critical=services.critical({"api": service}),
    )
    assert manifest.parse(made.to_bytes()) == made
