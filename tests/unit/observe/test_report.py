import html.parser
import os
import re

import pytest
from hypothesis import given, settings, strategies as st
from msgspec import Struct
from msgspec.structs import replace
from sampling import examples

from goferry.observe import report
from goferry.observe._timeline import LABELS, TAIL, WIDTH, lay_out
from goferry.observe.events import Event
from goferry.observe.record import (
    Run,
    RunArtifact,
    RunImage,
    RunRefusal,
    RunService,
    RunSigner,
    RunToolchain,
    Traffic,
    Trust,
)

SHA = "3f" * 32


def span(name, start, seconds, *, target="", parent="", outcome="done", message=""):
    return Event("end", "t", f"{name}{target}", parent, name, target, "", start, start + seconds, outcome, message)


EVENTS = [
    span("setup-go", 100, 12),
    span("build", 112, 20, target="linux/amd64", parent="build"),
    span("link", 131, 0.1, parent="build"),
    span("build", 112, 21),
    span("image", 133, 0, outcome="skipped", message="unchanged"),
]
LOAD = Traffic(requests=18_211, lost=0)
RECORD = Run(
    project="shop", version="v1.1.0", seconds=81.2,
    artifacts=(RunArtifact(name="shop_linux_amd64", kind="binary", target="linux/amd64", size=7_900_000, sha256=SHA),),
    images=(RunImage(name="shop", digest="sha256:" + SHA, platforms=("linux/amd64", "linux/arm64")),),
    toolchain=RunToolchain(version="1.27.3", source="module", proof="checksum-database"),
    trust=Trust(
        signers=(RunSigner(format="minisign", id="RWQf6LRCGA9i53ml"),),
        commands=("goferry verify dist --trust goferry.trust",),
        refused=(RunRefusal(what="one byte changed", refusal="digest-mismatch"),),
    ),
    services=(
        RunService(name="api", url="http://127.0.0.1:1", previous="v1.0.0", version="v1.1.0", switch_ms=21, rollback_seconds=0.31, traffic=LOAD),
    ),
    comparison=Traffic(requests=15_000, lost=312),
    go_back=("goferry rollback --target local",),
)  # fmt: skip


class Page(html.parser.HTMLParser):
    """Collects a page's tags and checks that they nest."""

    VOID = ("meta", "line", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID and (tag != "rect" or self.open[-1] == tag):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_answers_the_reviewers_questions():
    page = Page(report.render(RECORD, EVENTS))
    text = page.text.replace("\xa0", " ")
    for fact in (
        "shop v1.1.0 runs on this machine; 0 of 18,211 requests lost; 1 min 21 s from the first step to the last.",
        "setup-go", "linux/amd64", SHA, "7.9 MB", "RWQf6LRCGA9i53ml", "proven", "digest-mismatch", "v1.0.0", "21 ms",
        "0.31 s", "goferry rollback --target local", "312", "goferry verify dist --trust goferry.trust",
    ):  # fmt: skip
        assert fact in text, fact
    assert "What to look at" not in text


def golden(root, name, made):
    """Return the page on record; GOFERRY_WRITE_GOLDEN=1 writes it again."""
    path = root / "tests" / "golden" / "report" / f"{name}.html"
    if os.environ.get("GOFERRY_WRITE_GOLDEN"):
        path.write_text(made)
    return path.read_text()


def test_the_page_of_a_release_is_the_golden_one(sealed, root):
    page = report.render(sealed, EVENTS).replace(sealed.trust.signers[0].id, "KEY")
    assert page == golden(root, "release", page)


def test_the_page_of_a_switch_under_load_is_the_golden_one(root):
    page = report.render(replace(RECORD, warnings=("key expires",)), EVENTS)
    assert page == golden(root, "switched", page)


def test_the_page_needs_no_network_and_no_script():
    text = report.render(RECORD, EVENTS)
    assert "<script" not in text
    assert not re.search(r"(src|href|action)\s*=|url\(|@import", text)
    assert "default-src 'none'" in text


def test_the_page_is_made_of_whatever_is_known():
    text = Page(report.render(Run(project="x"), [])).text
    assert "x is built." in text
    assert "Artifacts" not in text
    assert "Timeline" not in text


def test_what_a_person_must_look_at_stands_once():
    note = Event("note", "t", "b", "", "build", "linux/amd64", level="warning", message="cache missed")
    events = [*EVENTS, note, note, span("deploy", 140, 1, outcome="health-failed", message="503")]
    record = replace(
        RECORD,
        dirty=True,
        toolchain=RunToolchain(version="1.26", proof="unproven", source="machine"),
        warnings=("key expires",),
    )
    text = Page(report.render(record, events)).text
    assert text.count("build linux/amd64: cache missed") == 1
    assert "deploy: health-failed: 503" in " ".join(text.split())
    for fact in ("key expires", "differed from the commit", "is unproven", "unproven (it was on this machine already)"):
        assert fact in text


def test_a_failure_is_told_where_it_happened_and_not_again_by_its_parents():
    events = [
        span("build", 1, 2, outcome="bad", message="no"),
        span("go", 1, 1, parent="build", outcome="bad", message="no"),
    ]
    assert Page(report.render(Run(project="x"), events)).text.count(": bad") == 1


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=1>',
    "{{ 7*7 }}",
    "\x1b]0;x\x07",
    "\u202egnp.exe",
    "]]>",
    "a\x00b",
]


@pytest.mark.parametrize("evil", HOSTILE)
def test_hostile_text_is_text(evil):
    def poison(value):
        if isinstance(value, Struct):
            return replace(value, **{name: poison(getattr(value, name)) for name in value.__struct_fields__})
        if isinstance(value, tuple):
            return tuple(poison(item) for item in value)
        return value + evil if isinstance(value, str) else value

    events = [
        span(evil, 1, 5, target=evil), span("x" + evil, 1, 5, outcome=evil, message=evil),
        Event("note", "t", "n", "", evil, message=evil, level="warning"),
    ]  # fmt: skip
    text = report.render(replace(poison(RECORD), warnings=(evil,)), events)
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= set(re.findall(r"<([a-z0-9]+)", TEMPLATE))
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "49" not in page.text.split("Timeline")[0].replace(SHA, "")


TEMPLATE = (report.Path(report.__file__).parent / "report.html.j2").read_text()


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e4)), max_size=40))
@settings(deadline=None, max_examples=examples(50))
def test_every_bar_lies_inside_the_picture(times):
    picture = lay_out([span(f"s{index}", 1e9 + start, seconds) for index, (start, seconds) in enumerate(times)])
    assert len(picture.bars) == len(times)
    for bar in picture.bars:
        assert LABELS - 0.1 <= bar.x <= bar.x + bar.width <= WIDTH - TAIL + 3
        assert bar.y + picture.row <= picture.height
    assert len(picture.ticks) <= 9


def test_rows_follow_their_parents_and_brief_inner_work_is_left_out():
    assert [(bar.label, bar.depth) for bar in lay_out(EVENTS).bars] == [
        ("setup-go", 0),
        ("build", 0),
        ("linux/amd64", 1),
        ("image", 0),
    ]


def test_a_file_is_written_whole(tmp_path):
    path = tmp_path / "report.html"
    report.write(path, RECORD, EVENTS)
    assert path.read_text().endswith("</html>\n") or path.read_text().endswith("</html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
