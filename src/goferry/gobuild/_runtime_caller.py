"""Whether tests find files by the path of their own source: such tests can't run with -trimpath.

`runtime.Caller` answers with the path that the compiler was given. With -trimpath that is `example.com/shop/x_test.go`,
and a test that looks for its data beside it fails. Everything else runs with -trimpath, as the build does, so that
what was tested is what ships, and nothing is compiled twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from goferry.artifacts import Toolchain
from goferry.config import model
from goferry.gobuild.environment import tag_flags
from goferry.gobuild.facts import Facts
from goferry.system import process

_ASKS = (b"runtime.Caller(", b"runtime.Callers(")
_KINDS = ("GoFiles", "TestGoFiles", "XTestGoFiles")
_FILES = "".join("{{range ." + kind + "}}{{$dir}}/{{.}}\n{{end}}" for kind in _KINDS)
_FORMAT = "{{if not .Standard}}{{$dir := .Dir}}" + _FILES + "{{end}}"


def asked_for(facts: Facts, config: model.Project, toolchain: Toolchain, environ: Mapping[str, str]) -> bool:
    """Tell whether any source outside the standard library that the tests link asks for its caller's path.

    When go can't list the source, the answer is yes: then nothing is trimmed, and the test itself says what is wrong.
    """
    tags = tag_flags(config.builds)
    argv = [str(toolchain.go), "list", "-deps", "-test", "-f", _FORMAT, *tags, *facts.patterns]
    done = process.run(argv, environ=environ, cwd=facts.directory)
    if done.code:
        return True
    return any(_asks(Path(line)) for line in dict.fromkeys(done.text.splitlines()) if line)


def _asks(path: Path) -> bool:
    try:
        text = path.read_bytes()
    except OSError:
        return False  # made by go test itself
    return any(word in text for word in _ASKS)
