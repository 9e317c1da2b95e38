"""Shards: the same plan on several runners, each building a part of the targets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from goferry.gobuild.targets import BuildTarget
from goferry.kernel import canonical
from goferry.kernel.errors import Misuse

if TYPE_CHECKING:
    from goferry.gobuild.facts import Facts


class ShardInvalid(Misuse):
    """`--shard I/N` does not name a part of this plan.

    Usual causes: counting from 0, or more parts than there are targets.
    """

    name = "shard-invalid"


class Shard(Struct, frozen=True):
    """Part `index` (from 1) of `count`."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `I/N`.

        Raises:
            ShardInvalid: when it is none.
        """
        match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
        shard = cls(int(match.group(1)), int(match.group(2))) if match else cls(0, 0)
        if not 1 <= shard.index <= shard.count:
            raise ShardInvalid(
                f"{text!r} is not a shard", state="Nothing was built.", advice=["the second of three is  --shard 2/3"]
            )
        return shard

    def of(self, targets: Sequence[BuildTarget]) -> tuple[BuildTarget, ...]:
        """Return this shard's targets.

        Raises:
            ShardInvalid: when there are more shards than targets.
        """
        if self.count > len(targets):
            raise ShardInvalid(
                f"{self.count} shards for {len(targets)} targets",
                state="Nothing was built.",
                advice=[f"use at most {len(targets)} shards"],
            )
        return tuple(targets[self.index - 1 :: self.count])

    def identity(self, facts: Facts) -> str:
        """Return the shard's id: `2/3@<digest of the whole plan's project, version, commit and targets>`."""
        whole = [facts.project, facts.version, facts.commit, *(str(target) for target in facts.targets)]
        return f"{self.index}/{self.count}@{hashlib.sha256(canonical.dumps(whole)).hexdigest()[:12]}"
