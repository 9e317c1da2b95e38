from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.artifacts import Toolchain
from goferry.gobuild import targets
from goferry.gobuild.targets import BuildTarget, TargetUnknown, parse, table

PORTS = ("linux/amd64", "linux/arm64", "linux/arm", "linux/386", "darwin/arm64", "windows/amd64", "linux/riscv64")


def test_nothing_asked_means_linux_on_both_architectures():
    assert [str(target) for target in parse([], PORTS)] == ["linux/amd64", "linux/arm64"]


def test_commas_and_repetition_are_joined_and_each_target_is_built_once():
    assert [str(t) for t in parse(["windows/amd64, linux/arm/7", "linux/arm/7"], PORTS)] == [
        "windows/amd64",
        "linux/arm/7",
    ]


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("linux/amd64", {"GOOS": "linux", "GOARCH": "amd64", "GOAMD64": "v1"}),
        ("linux/amd64/v3", {"GOOS": "linux", "GOARCH": "amd64", "GOAMD64": "v3"}),
        ("linux/arm", {"GOOS": "linux", "GOARCH": "arm", "GOARM": "7"}),
        ("linux/arm64/v8.2", {"GOOS": "linux", "GOARCH": "arm64", "GOARM64": "v8.2"}),
        ("linux/386/softfloat", {"GOOS": "linux", "GOARCH": "386", "GO386": "softfloat"}),
    ],
)
def test_the_variant_is_always_set(text, env):
    assert parse([text], PORTS)[0].env == env


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("linux/x86_64", "linux/amd64"),
        ("Linux/AMD64", "linux/amd64"),
        ("macos/aarch64", "darwin/arm64"),
        ("linux/armv7", "linux/arm/7"),
        ("linux/amd46", "linux/amd64"),
        ("linux/arm/v7", "linux/arm/7"),
        ("linux/amd64/v9", "linux/amd64/v1"),
    ],
)
def test_a_slip_gets_the_nearest_target(text, nearest):
    with pytest.raises(TargetUnknown) as caught:
        parse([text], PORTS)
    assert caught.value.exit_code == 2
    if text != "linux/amd64/v9":
        assert caught.value.facts["nearest"] == nearest


@pytest.mark.parametrize(
    "text", ["linux", "/", "-o/etc", "linux/amd64/v1/v2", "linux/amd64/../x", "linux/amd64\n", "\x1b[31m/x"]
)
def test_what_is_no_target_is_refused(text):
    if text.strip() == "linux/amd64":
        return
    with pytest.raises(TargetUnknown):
        parse([text], PORTS)


@settings(deadline=None, max_examples=examples(200))
@given(st.text(max_size=30))
def test_any_text_is_a_known_target_or_a_named_error(text):
    try:
        chosen = parse([text], PORTS)
    except TargetUnknown:
        return
    assert all(f"{target.goos}/{target.goarch}" in PORTS for target in chosen)


def test_file_names_carry_the_variant_so_that_they_do_not_collide():
    assert BuildTarget("linux", "amd64", "v3").suffix == "linux_amd64_v3"
    assert BuildTarget("windows", "amd64").exe == ".exe"
    assert BuildTarget("windows", "amd64").archive == "zip"


def test_gos_own_table_is_read_without_broken_ports():
    source = """
var List = []OSArch{
	{"linux", "amd64"},
	{"linux", "sparc64"},
}
var distInfo = map[OSArch]osArchInfo{
	{"linux", "amd64"}: {CgoSupported: true, FirstClass: true},
	{"linux", "sparc64"}: {CgoSupported: true, Broken: true},
}
"""
    assert table(source) == ("linux/amd64",)


def test_without_gos_table_the_go_command_is_asked(tmp_path):
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text("""#!/bin/sh\n[ "$*" = "tool dist list -json" ] && echo '[{"GOOS": "plan9", "GOARCH": "386"}]'\n""")
    go.chmod(0o755)
    toolchain = Toolchain("1.27.3", Path(tmp_path), "machine", "unproven")
    assert targets.ports(toolchain, {}) == ("plan9/386",)
