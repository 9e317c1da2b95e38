"""A pack is brought only as long as that pays."""

import io
import json

import pytest

from goferry.caches import worth
from goferry.caches.pack import PackUnusable

NAME = "20261127T000000Z-" + "0" * 32


class Place:
    """A place of one pack, which comes at some seconds for each byte."""

    def __init__(self, clock, seconds, size=100, files=1, pace=0.0):
        self.said = {"bytes": 100, "size": size, "files": files, "sha256": "0" * 64, "seconds": seconds, "inputs": {}}
        self.clock, self.pace = clock, pace

    def note(self, where, name):
        return json.dumps(self.said).encode()

    def open(self, where, name):
        place = self

        class Slow(io.BytesIO):
            def read(self, count=-1):
                place.clock.now += count * place.pace
                return super().read(count)

        return Slow(b"x" * 100)


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


def brought(place, clock, **options):
    with worth.Worthwhile(place, clock=clock, **options).open("p/deps/slot", NAME) as source:
        return b"".join(source.read(10) for _ in range(10))


@pytest.mark.parametrize(
    ("made", "pace", "why"),
    [
        (90.0, 0.1, ""),  # ten seconds instead of ninety
        (9.0, 0.1, "would take 10 s, and making it anew takes 9 s"),
        (0.0, 0.1, ""),  # nobody knows what making it takes
        (9.0, 0.02, ""),  # it was here before anybody judged
        (0.0, 40.0, "longer than 300 s"),
        (9000.0, 40.0, "longer than 300 s"),
    ],
)
def test_a_pack_that_comes_too_slowly_is_given_up(made, pace, why):
    clock = Clock()
    place = Place(clock, made, pace=pace)
    if not why:
        assert len(brought(place, clock)) == 100
        return
    with pytest.raises(PackUnusable, match=why):
        brought(place, clock)
    assert clock.now < 50 + 300 + 10 * 40 + 1  # and no later than one read after it shows


@pytest.mark.parametrize(("size", "files"), [(10 << 30, 1), (1, 100_000)])
def test_what_is_made_faster_than_it_is_unpacked_is_not_read(size, files):
    clock = Clock()
    with pytest.raises(PackUnusable, match=r"takes 1\.0 s, bringing it would take longer"):
        brought(Place(clock, 1.0, size, files), clock)


def test_the_deadline_is_one_for_all_packs():
    clock = Clock()
    place = worth.Worthwhile(Place(clock, 0.0, pace=0.5), 60, clock)
    place.open("p/deps/one", NAME).read(100)
    source = place.open("p/deps/two", NAME)
    assert len(source.read(10) + source.read(10) + source.read(10)) == 30
    with pytest.raises(PackUnusable, match="longer than 60 s"):
        source.read(10)
