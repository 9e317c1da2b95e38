import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from goferry.kernel.errors import Failed, RolledBack
from goferry.kernel.errors import printable as shown
from goferry.observe import markdown, summary
from goferry.observe.events import Event

SHA = "3f" * 32


def span(name, start, seconds, *, target="", host="", parent="", outcome="done", message="", kind="end", level="info"):
    return Event(
        kind, "t", f"{name}{target}{host}", parent, name, target, host, start, start + seconds, outcome, message, level
    )


EVENTS = [
    span("setup-go", 100, 12),
    span("build", 112, 20, target="linux/amd64", parent="build"),
    span("build", 112, 18, target="linux/arm64", parent="build"),
    span("build", 112, 21),
    span("image", 133, 0, outcome="skipped", message="unchanged"),
    span("sign", 133, 0, kind="note", message="the key expires in 12 days", level="warning"),
]
RELEASE = {
    "project": "shop", "version": "v1.4.0", "commit": "3f1c2ab" * 5, "seconds": 33.4,
    "release": f"v1.4.0@sha256:{SHA}",
    "artifacts": [
        {"name": "shop_1.4.0_linux_amd64.tar.gz", "kind": "archive", "target": "linux/amd64", "size": 7_900_000, "sha256": SHA, "change": 12_000, "proven": "debian:13"},
        {"name": "shop_1.4.0_linux_arm64.tar.gz", "kind": "archive", "target": "linux/arm64", "size": 7_100_000, "sha256": SHA, "change": None},
        {"name": "sbom.json", "kind": "document", "target": "", "size": 4_000, "sha256": SHA, "change": 0},
    ],
    "images": [{"name": "shop", "digest": "sha256:" + SHA, "platforms": ["linux/amd64", "linux/arm64"]}],
    "toolchain": {"version": "1.27.3", "source": "module", "proof": "checksum-database"},
    "trust": {"signers": [{"format": "minisign", "id": "RWQf6LRCGA9i53ml"}], "commands": ["goferry verify dist --trust goferry.trust"]},
    "expiring": [{"what": "the OpenPGP key 7A1F9C04", "until": "2026-12-05"}],
    "misses": [{"what": "the build cache", "why": "go.sum changed"}],
}  # fmt: skip
DEPLOY = {
    "project": "shop", "version": "v1.4.0", "environment": "production", "outcome": "deployed", "since_push": 161.0,
    "hosts": {
        "web-1": {"version": "v1.4.0", "previous": "v1.3.2", "switch_ms": 21, "outcome": "deployed", "sent": 48_211, "lost": 0},
        "web-2": {"version": "v1.4.0", "previous": "", "switch_ms": 19, "outcome": "deployed"},
    },
    "go_back": "goferry rollback --target ssh --environment production",
}  # fmt: skip
FAILURE = RolledBack(
    "web-1: shop v1.4.0 ended 3 times\nlast: panic: <nil>",
    state="v1.3.2 serves again.",
    advice=["goferry logs --host web-1"],
)
CASES = {
    "release": summary.render(RELEASE, EVENTS),
    "deploy": summary.render(DEPLOY, [span("deploy", 0, 9), span("deploy", 0, 8, host="web-1", parent="deploy")]),
    "failure": summary.failure(FAILURE),
}


@pytest.mark.parametrize("name", CASES)
def test_the_summary_is_the_golden_one(name, root):
    assert CASES[name] == (root / "tests" / "golden" / "summary" / f"{name}.md").read_text()


def read(text):
    """Parse as GitHub does as far as this matters: tables and HTML on. Return (kinds of tokens, shown text)."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    flat = [inner for token in tokens for inner in (token, *(token.children or ()))]
    return [token.type for token in flat], "".join(
        token.content for token in flat if token.type in {"text", "code_inline"}
    )


@pytest.mark.parametrize("name", CASES)
def test_a_reader_of_markdown_finds_tables_lists_and_code(name):
    kinds, _ = read(CASES[name])
    assert "heading_open" in kinds
    assert "fence" in kinds
    assert ("table_open" in kinds) is (name != "failure")


def test_a_short_run_has_no_empty_section():
    assert summary.render({"project": "shop", "version": "v1"}) == "## shop v1 is built.\n"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"dry_run": True, **DEPLOY}, "shop v1.4.0: planned only, nothing was changed; 0 of 48,211 requests lost; 2 min 41 s from push."),
        ({**DEPLOY, "outcome": "rolled-back", "version": "v1.3.2", "since_push": 0}, "shop went back to v1.3.2 on 2 of 2 hosts in production; 0 of 48,211 requests lost."),
        ({**DEPLOY, "outcome": "unchanged", "hosts": {"a": {}}}, "shop v1.4.0 already ran on 1 of 1 host in production; 2 min 41 s from push."),
        ({**DEPLOY, "hosts": {"a": {"outcome": "unreachable"}, "b": {"outcome": "deployed"}}}, "shop v1.4.0 runs on 1 of 2 hosts in production; 2 min 41 s from push."),
        (RELEASE, "shop v1.4.0 is released; 33.4 s from the first step to the last."),
        ({"project": "shop", "version": "v1", "services": [{"name": "api"}]}, "shop v1 runs on this machine."),
    ],
)  # fmt: skip
def test_one_sentence_says_what_the_run_came_to(record, expected):
    assert read(summary.render(record).splitlines()[0])[1] == expected


def test_long_tables_collapse():
    files = [{"name": f"f{index}", "size": 1, "sha256": SHA} for index in range(5000)]
    warnings = [f"warning {index}" for index in range(5000)]
    events = [span("build", index, 1, target=f"t/{index}", parent="b") for index in range(500)]
    text = summary.render({"project": "p", "version": "v", "artifacts": files, "warnings": warnings}, events)
    assert text.count("and 4940 more") == 2
    assert "and 50 more" in text
    assert len(text) < 60_000


def test_what_failed_is_named_once_where_it_failed():
    events = [span("link", 1, 1, parent="build", outcome="failed"), span("build", 0, 3, outcome="failed")]
    text = summary.render({"project": "p", "version": "v"}, events)
    assert "- link: failed\n" in text
    assert "- build: failed" not in text
    assert "▒" in text


BITS = [
    "<script>", "</summary>", "<!--", "-->", "![x](http://x)", "[x](javascript:1)", "`", "```", "|", "\n\n# x", "\n- x", "1. ", "---", "===", "*a*",
    "_a_", "~~a~~", "http://x.y", "www.x.y", "@user", "&lt;", "\\", "$x$", "<http://x>", "\x1b[1m", "::error::x", "{", "  \n", "\r", "é",
]  # fmt: skip
hostile = st.lists(st.one_of(st.sampled_from(BITS), st.text(max_size=3)), max_size=6).map("".join)
FORBIDDEN = {"link_open", "image", "heading_open", "html_block", "bullet_list_open", "ordered_list_open", "hr", "em_open", "strong_open", "s_open", "table_open", "blockquote_open", "hardbreak"}  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(text=hostile)
def test_escaped_text_says_itself_and_nothing_more(text):
    kinds, said = read(markdown.escape(text))
    assert not FORBIDDEN & set(kinds)
    assert not {"html_inline", "code_inline", "fence", "code_block"} & set(kinds)
    assert said == shown(" ".join(text.split()), 500)


@settings(deadline=None, max_examples=300)
@given(text=hostile)
def test_code_says_itself_and_nothing_more(text):
    kinds, said = read(markdown.code(text))
    assert not FORBIDDEN & set(kinds)
    assert kinds.count("html_inline") in {0, 2}
    assert said == shown(" ".join(text.split()), 500)


@settings(deadline=None, max_examples=200)
@given(text=hostile)
def test_a_fence_holds_what_it_is_given(text):
    tokens = MarkdownIt("commonmark").parse(markdown.fence(text) + "after")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.strip("\n") == shown(text, 20_000).strip("\n")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_fact_adds_a_cell_a_heading_or_html(data):
    def draw():
        return data.draw(hostile)

    host = {"version": draw(), "previous": draw(), "outcome": draw(), "switch_ms": 3}
    record = {
        "project": "p" + draw(), "version": draw(), "commit": draw(), "environment": draw(), "release": draw(), "hosts": {"h" + draw(): host}, "go_back": draw(),
        "artifacts": [{"name": "n" + draw(), "target": draw(), "size": 1, "sha256": draw(), "proven": draw()}], "warnings": [draw()],
        "trust": {"signers": [{"format": draw(), "id": draw()}], "commands": [draw()]}, "toolchain": {"version": draw()},
    }  # fmt: skip
    text = summary.render(record, [span("build", 0, 1, target=draw(), outcome=draw() or "done")])
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    headings = [
        tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open" and index
    ]
    assert set(headings) <= {"What needs a person", "Hosts", "Timeline", "Artifacts", "Trust"}
    html = [token.content for token in tokens if token.type == "html_block"]
    assert html in ([], ["<details><summary>Whole digests</summary>\n", "</details>\n"])
    kinds, _ = read(text)
    assert not {"link_open", "image"} & set(kinds)
    for table in re.findall(r"(?m)(?:^\| .*\n)+", text):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


def test_addresses_are_no_links_on_github():
    """GitHub makes links of bare addresses too, which the reader above does not."""
    text = markdown.escape("see http://x.y, https://x.y, WWW.x.y and me@x.y :tada: #12")
    assert text == "see http&#58;//x.y, https&#58;//x.y, &#87;WW.x.y and me&#64;x.y &#58;tada: \\#12"


def test_an_error_of_one_line_is_text():
    assert summary.failure(Failed("a *b*")) == "## ❌ failed (exit 1)\n\na \\*b\\*\n"
