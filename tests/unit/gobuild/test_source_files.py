"""Which of the files that Go reads are the repository's to answer for."""

from pathlib import Path

import msgspec
import pytest

from goferry.gobuild._golist import GoPackage
from goferry.gobuild._source_files import read_by

CACHE = "/repository/.cache/example.com/dep@v1.2.0"
DEPENDENCY = {"Path": "example.com/dep", "Version": "v1.2.0", "Dir": CACHE}


@pytest.mark.parametrize(
    ("module", "counts"),
    [
        ({"Path": "example.com/shop", "Main": True, "Dir": "/repository"}, True),
        (DEPENDENCY, False),  # also where the cache lies in the repository: go.sum proves it
        ({**DEPENDENCY, "Replace": {"Path": "./dep", "Dir": "/repository/dep"}}, True),
        (
            {**DEPENDENCY, "Dir": CACHE, "Replace": {"Path": "example.com/fork", "Version": "v1.2.1", "Dir": CACHE}},
            False,
        ),
        ({"Path": "example.com/dep", "Version": "v1.2.0"}, True),  # vendored
        (None, True),
    ],
)
def test_what_comes_from_the_module_cache_is_not_the_repository_s(module, counts):
    record = {
        "Dir": "/repository/x",
        "GoFiles": ["x.go"],
        "EmbedFiles": ["page"],
        **({"Module": module} if module else {}),
    }
    assert list(read_by([msgspec.convert(record, GoPackage)])) == (
        [Path("/repository/x/x.go"), Path("/repository/x/page")] if counts else []
    )


def test_the_standard_library_is_nobody_s():
    assert list(read_by([GoPackage("/go/src/fmt", go_files=("print.go",), standard=True)])) == []
