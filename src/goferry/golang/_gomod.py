"""What go.mod and go.work say about the Go to use: the `go` and `toolchain` lines, read strictly, and `use`.

Source of the format: go.dev/ref/mod#go-mod-file and #workspaces, go.dev/doc/toolchain#config.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from goferry.config.workspace import OFF
from goferry.golang.versions import GoVersion, of_toolchain
from goferry.kernel.errors import Misuse, printable

_GO = r"(?a)[1-9]\d*\.(0|[1-9]\d*)(\.(0|[1-9]\d*))?([a-z]+\d+)?"
_LIMIT = 16 << 20


class GoModInvalid(Misuse):
    """go.mod or go.work cannot be read.

    Usual causes: an edit by hand or a merge conflict; `go mod edit -json` shows the same line.
    """

    name = "go-mod-invalid"


class Lines(Struct, frozen=True):
    """What one file says; empty where it says nothing.

    Attributes:
        go: `1.27` or `1.27.3`.
        toolchain: `go1.27.3`, `go1.27.3-suffix` or `default`.
        use: folders of the modules of a go.work, as they are written.
    """

    go: str = ""
    toolchain: str = ""
    use: tuple[str, ...] = ()

    @property
    def wanted(self) -> GoVersion | None:
        """The higher of the two, or None when there is neither; `toolchain default` leaves the go line alone."""
        candidates = [GoVersion(self.go)] if self.go else []
        version = of_toolchain(self.toolchain) if self.toolchain != "default" else None
        if version is not None:
            candidates.append(version)
        return max(candidates, default=None)


def parse(data: bytes, where: str = "go.mod") -> Lines:
    """Read the `go`, `toolchain` and `use` lines of a go.mod or go.work; `where` names the file in errors.

    Raises:
        GoModInvalid: for bytes that are not text, a malformed or repeated line, or an unclosed block.
    """
    found: dict[str, str] = {}
    use: list[str] = []
    block, verb = 0, ""
    text = _text(data, where)
    _refuse_conflict(text, where)
    for number, line in enumerate(text.split("\n"), 1):
        words = _words(line)
        if not words:
            continue
        if block:
            if words[0] == ")":
                block = 0
            elif verb == "use":
                use.append(_folder(line))
            continue
        if words[0] in ("go", "toolchain"):
            _take(found, words, f"{where}:{number}")
        elif words[-1] == "(":
            block, verb = number, words[0]
        elif words[0] == "use":
            use.append(_folder(line.strip().removeprefix("use")))
    if block:
        raise GoModInvalid(
            f"{where}:{block}: the block is never closed", advice=[f"close it with a line ')' in {where}"]
        )
    return Lines(found.get("go", ""), found.get("toolchain", ""), tuple(use))


def _folder(line: str) -> str:
    """Return the folder of a `use` line, which may stand in quotes."""
    match = re.match(r"""\s*(?:"([^"]*)"|`([^`]*)`|(\S+))""", line)
    return next((text for text in match.groups() if text is not None), "") if match else ""


def _text(data: bytes, where: str) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or text.startswith("\ufeff") or len(data) > _LIMIT:
        raise GoModInvalid(
            f"{where} is not UTF-8 text without a byte order mark", advice=[f"save it again as UTF-8: {where}"]
        )
    return text


_CONFLICT = r"(?m)^(<{7}|={7}|>{7})( |$)"


def _refuse_conflict(text: str, where: str) -> None:
    """Refuse what git left of a merge: each tool would complain of another line of it."""
    found = re.search(_CONFLICT, text)
    if found and f"\n{'>' * 7}" in text:
        line = text.count("\n", 0, found.start()) + 1
        raise GoModInvalid(
            f"{where}:{line}: it holds the marks of a merge conflict",
            advice=["see them:  git diff", f"resolve them, then:  git add {where}"],
        )


def _words(line: str) -> list[str]:
    return line.split("//", 1)[0].split()


def _take(found: dict[str, str], words: list[str], where: str) -> None:
    verb = words[0]
    if verb in found:
        raise GoModInvalid(f"{where}: a second {verb} line", advice=["keep one of them"])
    if len(words) != 2:
        raise GoModInvalid(f"{where}: {verb} takes one value, not {len(words) - 1}", advice=[f"write:  {verb} VERSION"])
    value = words[1]
    good = (
        bool(re.fullmatch(_GO, value)) and _parses(value) if verb == "go" else value == "default" or of_toolchain(value)
    )
    if not good:
        raise GoModInvalid(
            f"{where}: {verb} {printable(value, 80)} names no Go version",
            advice=["write:  go 1.27.3" if verb == "go" else "write:  toolchain go1.27.3"],
        )
    found[verb] = value


def _parses(value: str) -> bool:
    try:
        GoVersion(value)
    except ValueError:
        return False
    return True


def find(directory: Path, gowork: str) -> Path | None:
    """Return the file that decides for `directory`: the go.work that counts, else the nearest go.mod, else None.

    `gowork` is what `config.workspace.gowork` returns: a go.work's path, or `off`.

    Raises:
        GoModInvalid: when it names a file that is not there.
    """
    if gowork != OFF:
        named = Path(gowork)
        if not named.is_file():
            raise GoModInvalid(
                f"builds.env sets GOWORK to {printable(gowork, 200)}, which is not a file",
                advice=["name a go.work by its whole path in goferry.yml, or:  GOWORK: 'off'"],
            )
        return named
    folder = directory.absolute()
    return next((each / "go.mod" for each in (folder, *folder.parents) if (each / "go.mod").is_file()), None)


def read(path: Path) -> Lines:
    """Read what a file on disk says.

    Raises:
        GoModInvalid: when it cannot be read or parsed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise GoModInvalid(
            f"{path.name} cannot be read: {error.strerror}", advice=["look at its permissions"]
        ) from error
    return parse(data, path.name)
