"""How many targets are compiled at once, and with which settings of the compiler.

Measured on 2 cores, six targets of one 27 MB service, byte-identical output:

    two `go build` with defaults                        185.6 s    840 MB
    one after another, GOGC=off                         172.8 s
    two at a time, -p=1 GOMAXPROCS=1 GOGC=off          158.8 s   1344 MB with GOMEMLIMIT=512MiB

A cold build is bound by the processors alone, so the gain is in the garbage collector and in compilers that don't
contend. `-p=1` on a lone build is slower (36 s for 32 s): a lone target gets all processors. GOMEMLIMIT is per process
and bounds what GOGC=off may take.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from goferry.gobuild.resources import Machine

LIMIT = 512
"""MiB of heap at which a compiler process starts to collect garbage."""

_BASE = 256
"""MiB of a go command beside its compilers."""


class Parallelism(Struct, frozen=True):
    """What one target's compilation may use.

    Attributes:
        cpus: compilers at once, and threads of each. memory: MiB that it is expected to take at most.
        eager: whether garbage is collected only at LIMIT.
    """

    cpus: int
    memory: int
    eager: bool

    @property
    def env(self) -> dict[str, str]:
        """The variables for the go command; none of them changes a byte of its output."""
        limits = {"GOGC": "off", "GOMEMLIMIT": f"{LIMIT}MiB"} if self.eager else {}
        return {"GOMAXPROCS": str(self.cpus), **limits}


def choose(count: int, machine: Machine) -> list[Parallelism]:
    """Return the parallelism of each of `count` targets.

    As many run at once as there are processors and memory for; those that are left over for a last, smaller wave share
    all processors among fewer.
    """
    slots = max(1, min(count, machine.cpus, machine.memory // (_BASE + LIMIT)))
    rest = count % slots
    full = [_share_of(slots, machine)] * (count - rest)
    return full + ([_share_of(rest, machine)] * rest if rest else [])


def choose_around(targets: Sequence[str], machine: Machine, warm: str) -> list[Parallelism]:
    """Return the parallelism of each target; one that is compiled already only links, and takes nothing from others."""
    cold = iter(choose(sum(target != warm for target in targets), machine))
    (alone,) = choose(1, machine)
    return [alone if target == warm else next(cold) for target in targets]


def _share_of(slots: int, machine: Machine) -> Parallelism:
    share = machine.memory // slots
    cpus = max(1, min(machine.cpus // slots, (share - _BASE) // LIMIT))
    need = _BASE + LIMIT * cpus
    return Parallelism(cpus, min(need, share), need <= share)
