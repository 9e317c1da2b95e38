"""The `version:` that goferry.yml needs where a repository's tags are not versions by Go's rule: for `goferry init`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from goferry.config import model
from goferry.gobuild import tags
from goferry.gobuild.tags import TagKind, Tags
from goferry.kernel.errors import printable

_LOOKED = 20
"""How many of the newest tags that look like versions decide."""


def lines(newest: Sequence[str], modules: Mapping[str, str], programs: Sequence[str]) -> dict[str, str]:
    """Return folder → the lines for goferry.yml, for those of the modules that need some; pure.

    Args:
        newest: the repository's tags, newest first.
        modules: folder → module path, of all its modules.
        programs: the folders whose modules hold programs; Go finds no library by another scheme.
    """
    prefixes = {folder: tags.tag_prefix(folder, module) for folder, module in modules.items()}
    found = {}
    for folder in programs:
        others = [prefix for other, prefix in prefixes.items() if other != folder]
        rule = tags.of(model.Version(), folder=folder, module=modules[folder], others=others)
        proposed = needed(newest, rule)
        if proposed:
            found[folder] = proposed
    several = [folder for folder in found if not any(tag.startswith(prefixes[folder] or "\0") for tag in newest)]
    if len(several) > 1:
        reason = (
            f"# {len(several)} programs have no tags of their own: say in one of them that the tags are its versions\n"
        )
        found.update((folder, reason + _commented(found[folder])) for folder in several)
    return found


def needed(newest: Sequence[str], rule: Tags) -> str:
    """Return the lines for one module; empty where its newest version is one by the rule, or none is to be seen."""
    looks = [(tag, kind) for tag in newest if (kind := rule.kind(tag)) in (TagKind.VERSION, TagKind.FORBIDDEN)][
        :_LOOKED
    ]
    if not looks or looks[0][1] is TagKind.VERSION:
        return ""
    tag = looks[0][0]
    line, allowing = rule.allowing(tag)
    why = f"# {rule.why_not(tag)}"
    if allowing is None:
        return f"{why}; no scheme reads it\n"
    read = sum(allowing.read(each) is not None for each, _ in looks)
    count = f"it reads {'all' if read == len(looks) else read} of the newest {len(looks)} tags"
    count = count if len(looks) > 1 else "it is the only tag"
    if 2 * read < len(looks):
        other = next(each for each, _ in looks if allowing.read(each) is None)
        return f"{why}\n# a guess: {count}, and not {printable(other, 100)}\n# {line}\n"
    return f"{why}; {count}\n{line}\n"


def _commented(text: str) -> str:
    return "".join(line if line.startswith("#") else f"# {line}" for line in text.splitlines(keepends=True))
