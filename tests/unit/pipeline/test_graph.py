import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.kernel.errors import Failed
from goferry.observe.events import Stream
from goferry.pipeline import _graph as graph
from goferry.pipeline._graph import ChainStep, PlanCycle, choose, digest_of, execute, sort_steps
from goferry.pipeline._step_record import StepRecord


class Broken(Failed):
    name = "broken"


@pytest.fixture
def shop(tmp_path):
    """A little way: test; build → image; deploy every time. `ran` lists what ran."""

    class Shop:
        folder = tmp_path / "dist"
        ran = []  # noqa: RUF012  one object a test
        source = "v1"
        broken = ()

        def step(self, name, *, key, **fields):
            def run():
                self.ran.append(name)
                if name in self.broken:
                    raise Broken(name)
                for output in fields.get("writes", ()):
                    (self.folder / output).write_text(self.source)

            return ChainStep(name, run, key=key, **fields)

        def steps(self):
            key = digest_of(self.source)
            return sort_steps([
                self.step("test", key=key),
                self.step("build", key=key, writes=("api",)),
                self.step("image", key=digest_of("image"), needs=("build",), reads=("api",), writes=("api.tar",)),
                self.step("lint", key=key),
                self.step("deploy", key="", needs=("test", "image")),
            ])  # fmt: skip

        def record(self):
            return StepRecord.load(tmp_path / "state" / "record.json")

        def run(self):
            """Return what a dry run would print and what ran."""
            self.ran.clear()
            shown = [choice.step.id for choice in choose(self.steps(), self.record(), self.folder) if choice.runs]
            execute(self.steps(), self.record(), self.folder, Stream())
            assert shown == self.ran
            return list(self.ran)

    (tmp_path / "dist").mkdir()
    return Shop()


def test_everything_runs_once_and_then_only_what_always_runs(shop):
    assert shop.run() == ["test", "build", "image", "lint", "deploy"]
    assert shop.run() == ["deploy"]


def test_changed_inputs_run_again_with_what_follows(shop):
    shop.run()
    shop.source = "v2"
    assert shop.run() == ["test", "build", "image", "lint", "deploy"]


@pytest.mark.parametrize(("name", "again"), [("api", ["build", "image", "deploy"]), ("api.tar", ["image", "deploy"])])
@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_changed_or_missing_output_is_made_again(shop, name, again, change):
    shop.run()
    path = shop.folder / name
    path.unlink() if change == "remove" else path.write_text("edited")
    assert shop.run() == again


def test_a_failure_stops_what_needs_it_and_nothing_else(shop):
    shop.broken = ("build",)
    with pytest.raises(Broken):
        shop.run()
    assert shop.ran == ["test", "build", "lint"]
    shop.broken = ()
    assert shop.run() == ["build", "image", "deploy"]


def test_an_interruption_stops_all_and_the_next_run_goes_on(shop):
    steps = shop.steps()

    def interrupt():
        raise KeyboardInterrupt

    cut = [
        ChainStep(step.id, interrupt, needs=step.needs, key=step.key) if step.id == "image" else step for step in steps
    ]
    with pytest.raises(KeyboardInterrupt):
        execute(cut, shop.record(), shop.folder, Stream())
    assert shop.ran == ["test", "build"]
    assert shop.run() == ["image", "lint", "deploy"]


def test_a_step_that_was_begun_and_cut_off_counts_as_not_done(shop):
    shop.run()
    shop.source, shop.broken = "v2", ("build",)
    with pytest.raises(Broken):
        shop.run()
    shop.source, shop.broken = "v1", ()
    assert "build" in shop.run()


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"schema":2,"steps":{}}', b'{"schema":1,"steps":{"build":{"evil":1}}}',
     b'{"schema":1,"steps":{"build":{"key":7}}}', b'{"schema":1,"steps":{"build":{"key":"k","reads":["x"]}}}',
     b'{"schema":1,"steps":{"build":{"key":"k","writes":{"api":7}}}}'],
)  # fmt: skip
def test_a_broken_record_means_doing_it_again(shop, damage):
    shop.run()
    shop.record().path.write_bytes(damage)
    assert shop.run() == ["test", "build", "image", "lint", "deploy"]


def test_what_a_step_made_is_asked_afterwards(tmp_path):
    (tmp_path / "out").mkdir()
    step = ChainStep("b", lambda: (tmp_path / "out" / "x").write_text("1"), key="k", writes_now=lambda: ["x"])
    record = StepRecord.load(tmp_path / "r")
    execute([step], record, tmp_path / "out", Stream())
    assert StepRecord.load(tmp_path / "r").made() == {"x"}


def test_what_another_cache_judges_is_asked_every_time_and_what_follows_has_its_own_key(tmp_path):
    ran = []
    steps = [
        ChainStep("build", lambda: ran.append("build"), key="go", judge="go"),
        ChainStep("image", lambda: ran.append("image"), needs=("build",), key="programs"),
    ]
    for _ in range(2):
        choices = execute(steps, StepRecord.load(tmp_path / "r"), tmp_path, Stream())
    assert ran == ["build", "image", "build"]
    assert [choice.reason for choice in choices] == ["go decides what of it is new", "unchanged"]


def test_events_tell_what_ran_and_what_was_skipped(shop):
    shop.run()
    seen = []
    execute(shop.steps(), shop.record(), shop.folder, Stream([seen.append]))
    ends = [(event.stage, event.outcome) for event in seen if event.kind == "end"]
    assert ends == [
        ("test", "skipped"),
        ("build", "skipped"),
        ("image", "skipped"),
        ("lint", "skipped"),
    ]


@pytest.mark.parametrize("needs", [{"a": ("b",), "b": ("a",)}, {"a": ("a",)}, {"a": ("missing",)}])
def test_circles_and_strangers_are_errors(needs):
    with pytest.raises(PlanCycle, match="a"):
        sort_steps([ChainStep(name, lambda: None, needs=before) for name, before in needs.items()])


def test_an_id_stands_once():
    with pytest.raises(PlanCycle):
        sort_steps([ChainStep("a", lambda: None), ChainStep("a", lambda: None)])


@given(st.permutations(range(8)), st.data())
@settings(deadline=None, max_examples=examples(50))
def test_every_step_comes_after_what_it_needs(shuffled, data):
    def needs(number):
        return tuple(
            str(other) for other in data.draw(st.sets(st.integers(0, number - 1)) if number else st.just(set()))
        )

    steps = [ChainStep(str(number), lambda: None, needs=needs(number)) for number in shuffled]
    ordered = [int(step.id) for step in sort_steps(steps)]
    for step in steps:
        assert all(ordered.index(int(name)) < ordered.index(int(step.id)) for name in step.needs)


def test_the_order_given_stays_where_nothing_forbids_it():
    steps = [ChainStep(name, lambda: None) for name in "cab"]
    assert graph.sort_steps(steps) == steps


def test_a_key_tells_facts_apart():
    assert digest_of({"a": 1.5}, ["x"]) == digest_of({"a": 1.5}, ("x",))
    assert len({digest_of("a", "b"), digest_of("ab"), digest_of(["a", "b"]), digest_of({"a": "b"})}) == 4
