"""What decides others' packages, wherever in a repository it lies."""

from types import SimpleNamespace

import pytest

from goferry.gobuild import cache_slots

FILES = [
    "go.work", "go.work.sum", "api/go.mod", "api/go.sum", "api/cmd/api/default.pgo", "lib/go.mod", "lib/deep/go.sum",
    "api/vendor/modules.txt",
]  # fmt: skip
OTHERS = [
    "api/vendor/example.com/dep/go.mod", "api/testdata/go.sum", ".git/go.mod", "_old/go.sum", "node_modules/x/go.mod",
    "api/main.go", "modules.txt", "api/vendor/go.sum/x",
]  # fmt: skip


def test_all_modules_of_a_repository_decide(tmp_path):
    for name in FILES + OTHERS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert sorted(cache_slots.decides(tmp_path)) == sorted(FILES)
    before = cache_slots.decides(tmp_path)
    (tmp_path / "lib/deep/go.sum").write_text("another")
    after = cache_slots.decides(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"lib/deep/go.sum"}


@pytest.mark.parametrize(
    ("version", "takes"),
    [("1.9.7", False), ("1.19.1", False), ("1.20.14", False), ("1.20", False), ("1.21rc2", True), ("1.27.3", True),
     ("1.100.0", True), ("2.0.0", True)],
)  # fmt: skip
def test_go_takes_profiles_by_itself_since_1_21(version, takes):
    assert cache_slots._profiled(SimpleNamespace(version=version)) is takes
