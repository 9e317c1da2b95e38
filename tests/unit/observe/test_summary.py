import itertools
import re

import pytest
from hypothesis import given, settings, strategies as st
from markdown_it import MarkdownIt
from msgspec import Struct
from msgspec.structs import replace
from sampling import examples

from goferry.kernel.errors import Failed, FleetSplit, RolledBack, printable as shown
from goferry.observe import _outcome as outcome, humanize, markdown, summary
from goferry.observe.events import Event
from goferry.observe.record import (
    Run,
    RunArtifact,
    RunCompiled,
    RunGate,
    RunHost,
    RunImage,
    RunPack,
    RunRefusal,
    RunService,
    RunSigner,
    RunToolchain,
    Traffic,
    Trust,
)
from goferry.pipeline import run_summary as made

SHA = "3f" * 32
HOSTS = {
    "web-1": {"commit": {"switch_ms": 21, "gap_ms": {"api": 310}}},
    "web-2": {"commit": {"switch_ms": 19, "gap_ms": {}}},
}


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


def golden(root, name, fleet=None):
    """Return the golden summary; what was uploaded to a fleet is its release.json, whatever that is long."""
    text = (root / "tests" / "golden" / "summary" / f"{name}.md").read_text()
    return text.replace("SIZE", humanize.size((fleet.dist / "release.json").stat().st_size)) if fleet else text


def deployed(fleet, verb="deploy"):
    """Deploy to both hosts, or roll them back, and return the record that the actions draw."""
    for name in fleet.names:
        fleet.write(name, says=HOSTS[name])
    record = fleet.deploy(verb)
    if verb == "rollback":
        return made.of_fleet(record, outcome="rolled-back", environment="production")
    back = made.way_back(record.project, "production", [*record.hosts], [])
    return made.of_fleet(record, outcome=record.outcome, environment="production", go_back=back)


def test_the_summary_of_a_release_is_the_golden_one(sealed, root):
    text = summary.render(sealed, EVENTS).replace(sealed.trust.signers[0].id, "KEY")
    assert text == golden(root, "release")


def test_the_summary_of_a_deploy_is_the_golden_one(fleet, root):
    """What is drawn of each host came from it, or was counted here; nobody counted requests, so none are told."""
    run = deployed(fleet)
    assert run.seconds > 0
    told = [span("deploy", 0, 9), span("deploy", 0, 8, host="web-1", parent="deploy")]
    text = summary.render(replace(run, seconds=9.0), told)
    assert text == golden(root, "deploy", fleet)
    assert "lost" not in text


def test_the_summary_of_a_rollback_names_both_versions_and_no_upload(fleet, root):
    fleet.deploy()
    text = summary.render(replace(deployed(fleet, "rollback"), seconds=2.0))
    assert text == golden(root, "rollback")


def test_the_summary_of_a_deploy_that_was_undone_says_what_serves(fleet, root):
    fleet.names = ["web-1"]
    fleet.write("web-1", faults={"switch": "refuse"})
    error = fleet.failed()
    text = summary.render(made.of_undone(error.what.splitlines()[0], error.facts["hosts"])) + summary.failure(error)
    assert text == golden(root, "undone", fleet)


def test_an_unchanged_deploy_has_no_figures_that_nobody_measured(fleet):
    fleet.deploy()
    run = deployed(fleet)
    assert run.outcome == "unchanged"
    assert run.go_back == ()
    assert {(host.version, host.switch_ms, host.gap_ms) for host in run.hosts} == {("v2", None, None)}
    assert "switched in" not in summary.render(run)


def test_tests_that_ran_and_those_that_an_earlier_run_answered_are_counted():
    text = summary.render(Run(sentence="tested", gate=RunGate(tests=1200, packages=40, cached=37)))
    assert "### Tests\n\n| tests | packages | ran | cached |" in text
    assert "| 1,200 | 40 | 3 | 37 |" in text
    assert "### Tests" not in summary.render(Run(sentence="built"))


def read(text):
    """Parse as GitHub does as far as this matters: tables and HTML on. Return (kinds of tokens, shown text)."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    flat = [inner for token in tokens for inner in (token, *(token.children or ()))]
    return [token.type for token in flat], "".join(
        token.content for token in flat if token.type in {"text", "code_inline"}
    )


@pytest.mark.parametrize("name", ["release", "deploy", "rollback", "undone"])
def test_a_reader_of_markdown_finds_tables_and_code(name, root):
    kinds, _ = read(golden(root, name))
    assert {"heading_open", "table_open"} <= set(kinds)
    assert ("fence" in kinds) is (name in {"release", "deploy", "undone"})


def test_a_short_run_has_no_empty_section():
    assert summary.render(Run(project="shop", version="v1")) == "## shop v1 is built.\n"


API = RunService(name="api", version="v1", traffic=Traffic(requests=48_211, lost=2))
WEB = (RunHost(name="a", outcome="deployed"), RunHost(name="b", outcome="unchanged"))


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (Run(hosts=WEB, environment="production"), "shop v1 runs on 2 of 2 hosts in production."),
        (Run(hosts=WEB, outcome="rolled-back", seconds=2.0), "shop went back to v1 on 2 of 2 hosts; 2.0 s from the first step to the last."),
        (Run(hosts=WEB[:1], outcome="unchanged"), "shop v1 already ran on 1 of 1 host."),
        (Run(hosts=(*WEB, RunHost(name="c", outcome="unknown"))), "shop v1 runs on 2 of 3 hosts."),
        (Run(services=(API,)), "shop v1 runs on this machine; 2 of 48,211 requests lost."),
        (Run(services=(API, API)), "shop v1 runs on this machine; 4 of 96,422 requests lost."),
        (Run(services=(replace(API, traffic=None),), seconds=0.0), "shop v1 runs on this machine; 0.0 ms from the first step to the last."),
        (Run(trust=Trust(signers=(RunSigner(format="minisign", id="A"),))), "shop v1 is built, signed and verified."),
        (Run(sentence="As it was said"), "As it was said"),
    ],
)  # fmt: skip
def test_one_sentence_says_what_the_run_came_to(run, expected):
    run = replace(run, project="shop", version="v1")
    assert read(summary.render(run).splitlines()[0])[1] == expected == outcome.sentence(run)


def test_an_upload_is_a_size_and_never_a_number_of_requests():
    """34,426,880 uploaded bytes once stood as `0 of 34,426,880 requests lost`."""
    run = Run(project="shop", version="v1", hosts=(RunHost(name="web-1", outcome="deployed", uploaded=34_426_880),))
    text = summary.render(run)
    assert "34.4 MB" in text
    assert "34,426,880" not in text
    assert "lost" not in text


def test_long_tables_collapse():
    files = tuple(RunArtifact(name=f"f{number}", kind="", target="", size=1, sha256=SHA) for number in range(5000))
    warnings = tuple(f"warning {index}" for index in range(5000))
    events = [span("build", index, 1, target=f"t/{index}", parent="b") for index in range(500)]
    text = summary.render(Run(project="p", version="v", artifacts=files, warnings=warnings), events)
    assert text.count("and 4940 more") == 2
    assert "and 50 more" in text
    assert len(text) < 60_000


def test_what_failed_is_named_once_where_it_failed():
    events = [span("link", 1, 1, parent="build", outcome="failed"), span("build", 0, 3, outcome="failed")]
    text = summary.render(Run(project="p", version="v"), events)
    assert "- link: failed\n" in text
    assert "- build: failed" not in text
    assert "▒" in text


BITS = [
    "<script>", "</summary>", "<!--", "-->", "![x](http://x)", "[x](javascript:1)", "`", "```", "|", "\n\n# x", "\n- x", "1. ", "---", "===", "*a*",
    "_a_", "~~a~~", "http://x.y", "www.x.y", "@user", "&lt;", "\\", "$x$", "<http://x>", "\x1b[1m", "::error::x", "{", "  \n", "\r", "é",
]  # fmt: skip
hostile = st.lists(st.one_of(st.sampled_from(BITS), st.text(max_size=3)), max_size=6).map("".join)
FORBIDDEN = {"link_open", "image", "heading_open", "html_block", "bullet_list_open", "ordered_list_open", "hr", "em_open", "strong_open", "s_open", "table_open", "blockquote_open", "hardbreak"}  # fmt: skip
EVERYTHING = Run(
    project="p", version="v", commit="c", created="t", release="r", environment="e", outcome="deployed",
    artifacts=(RunArtifact(name="n", kind="archive", target="linux/amd64", size=1, sha256=SHA),),
    images=(RunImage(name="i", digest="sha256:" + SHA, platforms=("linux/amd64",)),),
    toolchain=RunToolchain(version="1", source="module", proof="checksum-database"),
    compiled=(RunCompiled("s", "packs", (RunPack("deps", SHA, signed=False),)), RunCompiled("t", "cold")),
    trust=Trust(signers=(RunSigner(format="f", id="k"),), commands=("goferry verify",), refused=(RunRefusal(what="w", refusal="x"),)),
    services=(API,), hosts=(RunHost(name="h", version="v", previous="u", switch_ms=3, outcome="deployed"),),
    go_back=("goferry rollback",), warnings=("w",),
)  # fmt: skip


def poisoned(value, draw):
    """Return a record with every text of it drawn anew, and nothing else changed."""
    if isinstance(value, Struct):
        return replace(value, **{name: poisoned(getattr(value, name), draw) for name in value.__struct_fields__})
    if isinstance(value, tuple):
        return tuple(poisoned(each, draw) for each in value)
    return value + draw() if isinstance(value, str) and value else value


def test_it_says_what_was_compiled_from_packs_and_what_cold():
    packs = RunCompiled(
        "go1.27.3-linux-amd64", "packs", (RunPack("deps", SHA, signed=True), RunPack("own", SHA, signed=False))
    )
    text = summary.render(Run(compiled=(packs, RunCompiled("other", "cold"), RunCompiled("laptop", "gocache"))))
    short = humanize.short_digest(SHA)
    assert f"- `go1.27.3-linux-amd64` compiled from packs: deps `{short}`, own `{short}` (not signed)\n" in text
    assert "- `other` compiled cold\n" in text
    assert "laptop" not in text


@settings(deadline=None, max_examples=examples(300))
@given(text=hostile)
def test_escaped_text_says_itself_and_nothing_more(text):
    kinds, said = read(markdown.escape(text))
    assert not FORBIDDEN & set(kinds)
    assert not {"html_inline", "code_inline", "fence", "code_block"} & set(kinds)
    assert said == shown(" ".join(text.split()), 500)


@settings(deadline=None, max_examples=examples(300))
@given(text=hostile)
def test_code_says_itself_and_nothing_more(text):
    kinds, said = read(markdown.code(text))
    assert not FORBIDDEN & set(kinds)
    assert kinds.count("html_inline") in {0, 2}
    assert said == shown(" ".join(text.split()), 500)


@settings(deadline=None, max_examples=examples(200))
@given(text=hostile)
def test_a_fence_holds_what_it_is_given(text):
    tokens = MarkdownIt("commonmark").parse(markdown.fence(text) + "after")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.strip("\n") == shown(text, 20_000).strip("\n")


@settings(deadline=None, max_examples=examples(60))
@given(texts=st.lists(hostile, min_size=1, max_size=8))
def test_no_fact_adds_a_cell_a_heading_or_html(texts):
    draw = itertools.cycle(texts).__next__
    run = poisoned(EVERYTHING, draw)
    text = summary.render(run, [span("build", 0, 1, target=draw(), outcome=draw() or "done")])
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


def test_an_error_of_several_lines_is_a_block(root):
    error = RolledBack(
        "web-1: shop v1.4.0 ended 3 times\nlast: panic: <nil>",
        state="v1.3.2 serves again.",
        advice=["goferry logs --host web-1"],
    )
    assert summary.failure(error) == golden(root, "failure")


@pytest.mark.parametrize("told", [None, [], "x", 7, {"web-1": "up"}, {"web-1": None}])
def test_hosts_that_are_none_are_not_drawn(told):
    assert made.hosts(told) == ()
    assert summary.render(made.of_undone(FleetSplit("divided").what, told)) == "## divided\n"
