"""Products of cases, and examples of properties: all of them with GOFERRY_TEST_FULL=1, else some.

A product's are chosen by a seed that the run prints; hypothesis prints the example that fails.

`GOFERRY_TEST_SEED=N` chooses the same again.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import TypeVar

import pytest

FULL = os.environ.get("GOFERRY_TEST_FULL") == "1"
# In the environment, so that every process of a run chooses alike.
SEED = os.environ.setdefault("GOFERRY_TEST_SEED", str(random.SystemRandom().randrange(10_000)))
Case = TypeVar("Case")


def sample(cases: Sequence[Case], count: int = 1) -> list[Case]:
    """Return `count` of the cases in their order, or all of them."""
    if FULL:
        return list(cases)
    chosen = random.Random(f"{SEED} {cases!r}").sample(range(len(cases)), count)
    return [cases[index] for index in sorted(chosen)]


def full() -> pytest.MarkDecorator:
    """Mark a test that takes minutes and of which a shorter one says the most: `make test-full` alone runs it."""
    return pytest.mark.skipif(not FULL, reason="make test-full runs it")


def examples(count: int) -> int:
    """Return how many examples of a property to draw: `count`, or a third of them."""
    return count if FULL else max(1, count // 3)
