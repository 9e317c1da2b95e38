import json

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.observe import failed_step, notify, notify_shapes
from goferry.observe.notify import DeliveryFailure, WorkflowRun, compose

RUN = WorkflowRun(
    "acme/shop",
    "Release",
    "v1.4.0",
    "3f1c2ab" * 5 + "12345",
    "push",
    "42",
    "1",
    "https://github.com/acme/shop/actions/runs/42",
)
FACTS = {
    "error": "signature-key-revoked",
    "what": "dist/SHA256SUMS.asc was signed by a revoked key",
    "state": "Nothing was installed.",
    "advice": ["goferry sign dist --openpgp-key new.asc"],
    "exit_code": 3,
    "stage": "verify",
    "lines": ["verify  dist", "refused"],
    "action": "verify",
}


def failure_of(facts, job, secrets=()):
    """Return what is told of these facts in a failure.json."""
    return DeliveryFailure.of(failed_step.read(json.dumps(facts)), job, secrets)


HOSTILE = "<!channel> <https://evil.example|click> ```\n*b* [a](https://evil.example) @here & \x1b[31m\u202e ::error::x"


def test_the_sentence_says_what_failed_where_and_why():
    message = compose(
        RUN, {"plan": "success", "build": "success", "package": "failure"}, [failure_of(FACTS, "package")]
    )
    assert notify.sentence(message) == "acme/shop: Release failed on v1.4.0: package (signature-key-revoked)"
    assert message.lost == ()


@pytest.mark.parametrize(
    ("needs", "recovered", "conclusion"),
    [
        ({"a": "success", "b": "skipped"}, False, "success"),
        ({"a": "success"}, True, "recovery"),
        ({"a": "cancelled", "b": "skipped"}, True, "cancelled"),
        ({"a": "cancelled", "b": "failure"}, False, "failure"),
    ],
)
def test_conclusions(needs, recovered, conclusion):
    assert compose(RUN, needs, recovered=recovered).conclusion == conclusion


def test_a_job_that_left_no_word_is_named_as_lost():
    message = compose(RUN, {"build": "failure", "package": "skipped"})
    assert message.lost == ("build",)
    assert "build (no word)" in notify.sentence(message)
    for shape in (notify_shapes.slack, notify_shapes.teams):
        assert "runner was lost" in json.dumps(shape(message))
    assert notify_shapes.generic(message)["lost"] == ("build",)
    assert "runner was lost" in notify.markdown(message)


def test_a_cancelled_job_is_named_as_cancelled():
    message = compose(RUN, {"build": "cancelled", "package": "skipped"})
    assert notify.sentence(message) == "acme/shop: Release was cancelled on v1.4.0: build (cancelled)"
    assert message.lost == ()


def test_what_an_earlier_attempt_left_is_not_told_again():
    old = failure_of({**FACTS, "error": "old"}, "build")
    new = failure_of({**FACTS, "error": "new"}, "package")
    message = compose(RUN, {"build": "success", "package": "failure"}, [old, new])
    assert [failure.error for failure in message.failures] == ["new"]


def test_the_word_of_a_called_workflows_job_counts_where_the_job_itself_gave_none():
    inner = failure_of(FACTS, "build-shard-1-of-2")
    message = compose(RUN, {"release": "failure", "production": "skipped"}, [inner])
    assert message.failures == (inner,)
    assert message.lost == ()
    told = compose(RUN, {"release": "success", "production": "failure"}, [inner, failure_of(FACTS, "production")])
    assert [failure.job for failure in told.failures] == ["production"]


def test_legs_that_failed_alike_are_told_once():
    message = compose(RUN, {"build": "failure"}, [failure_of(FACTS, "build")] * 3 + [failure_of({}, "build")])
    assert len(message.failures) == 2


def test_what_to_type_about_the_run():
    message = compose(RUN, {"build": "failure"})
    assert "gh run rerun 42 --failed --repo acme/shop" in notify.commands(message)
    assert not notify.commands(compose(RUN, {"build": "success"}))
    assert not notify.commands(compose(WorkflowRun("a/b; rm -rf x", id="42"), {"build": "failure"}))


@pytest.mark.parametrize(
    ("secret", "needle"),
    [
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----",
            "b3BlbnNza",
        ),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxVgEZ0\n", "xVgEZ0"),
        ("ghp_" + "a1B2" * 9, "a1B2"),
        ("github_pat_" + "a1B2_" * 9, "a1B2_"),
        ("RWRTY0Iy" + "abcd" * 20, "abcdabcd"),
        ("Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop"),
        ("https://me:hunter22@example.com/x", "hunter22"),
    ],
)
def test_what_looks_like_a_secret_is_left_out(secret, needle):
    facts = {**FACTS, "what": f"before {secret} after", "lines": ["x", *secret.split("\n")], "advice": [secret]}
    message = compose(RUN, {"package": "failure"}, [failure_of(facts, "package")])
    for shape in (*notify_shapes.SHAPES.values(), notify.markdown):
        told = shape(message)
        assert needle not in (told if isinstance(told, str) else json.dumps(told))


def test_known_secrets_are_left_out_line_by_line():
    facts = {**FACTS, "what": "posted to https://hooks.example/T1/B2/secret", "lines": ["second half of it"]}
    failure = failure_of(facts, "package", ["https://hooks.example/T1/B2/secret", "first line\nsecond half"])
    assert failure.what == "posted to ***"
    assert failure.lines == ("*** of it",)


def everything(facts, needs=None):
    run = WorkflowRun(*(HOSTILE for _ in range(6)), "1", "https://github.com/x")
    return compose(run, needs or {"package": "failure", HOSTILE: "failure"}, [failure_of(facts, "package")])


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)


HOSTILE_FACTS = {
    "error": HOSTILE,
    "what": HOSTILE,
    "state": HOSTILE,
    "advice": [HOSTILE],
    "stage": HOSTILE,
    "lines": [HOSTILE],
    "action": HOSTILE,
}


def test_no_shape_carries_a_control_or_bidi_character():
    message = everything(HOSTILE_FACTS)
    for shape in (*notify_shapes.SHAPES.values(), lambda each: {"text": notify.markdown(each)}):
        whole = "".join(texts(shape(message)))
        assert not any(ord(each) < 32 and each != "\n" for each in whole)
        assert "\u202e" not in whole


def test_slack_reads_no_mention_link_or_end_of_code_in_foreign_text():
    message = everything(HOSTILE_FACTS)
    body = notify_shapes.slack(message)
    assert "<" not in body["text"]
    for block in body["blocks"]:
        if block["type"] == "section":
            assert block["text"]["verbatim"] is True
            assert "<" not in block["text"]["text"]
            assert block["text"]["text"].count("```") % 2 == 0
            for part in block["text"]["text"].split("```")[1::2]:
                assert "`" not in part.replace("'", "")
    links = [block["elements"][0]["text"] for block in body["blocks"] if block["type"] == "context"]
    assert links == ["<https://github.com/x|Open the run>"]


def test_teams_puts_foreign_text_only_where_no_markdown_is_read():
    card = notify_shapes.teams(everything(HOSTILE_FACTS))["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {inline["type"] for block in card["body"] for inline in block["inlines"]} == {"TextRun"}


def test_a_run_whose_page_is_no_https_address_gets_no_link():
    message = compose(WorkflowRun("acme/shop", url="javascript:alert(1)"), {"a": "failure"})
    assert notify_shapes.teams(message)["attachments"][0]["content"]["actions"] == []
    assert "javascript" not in json.dumps(notify_shapes.slack(message))


def test_shapes_keep_the_services_limits():
    facts = {
        "error": "e" * 500,
        "what": "w\n" * 5000,
        "lines": ["é" * 1000] * 100,
        "advice": ["a" * 1000] * 50,
        "stage": "s" * 900,
    }
    needs = {f"job-{index}": "failure" for index in range(40)}
    message = compose(RUN, needs, [failure_of(facts, name) for name in needs])
    body = notify_shapes.slack(message)
    assert len(body["blocks"]) <= 50
    assert all(len(block["text"]["text"]) <= 3000 for block in body["blocks"] if block["type"] == "section")
    assert len(body["blocks"][0]["text"]["text"]) <= 150
    assert len(notify_shapes.encoded(notify_shapes.teams(message))) <= 28_000
    assert "and 35 more" in json.dumps(body)
    assert len(notify_shapes.encoded(notify_shapes.generic(message))) < 200_000
    assert len(notify.markdown(message)) < 200_000


def test_the_generic_shape_is_what_it_was():
    message = compose(RUN, {"build": "success", "package": "failure"}, [failure_of(FACTS, "package")])
    assert json.loads(notify_shapes.encoded(notify_shapes.generic(message))) == {
        "schema": 1,
        "text": "acme/shop: Release failed on v1.4.0: package (signature-key-revoked)",
        "conclusion": "failure",
        "repository": "acme/shop",
        "workflow": "Release",
        "ref": "v1.4.0",
        "commit": RUN.commit,
        "event": "push",
        "run": {"id": "42", "attempt": "1", "url": RUN.url},
        "jobs": [{"name": "build", "result": "success"}, {"name": "package", "result": "failure"}],
        "failures": [
            {
                "job": "package",
                "action": "verify",
                "stage": "verify",
                "error": "signature-key-revoked",
                "what": "dist/SHA256SUMS.asc was signed by a revoked key",
                "state": "Nothing was installed.",
                "advice": ["goferry sign dist --openpgp-key new.asc"],
                "lines": ["verify  dist", "refused"],
            }
        ],
        "lost": [],
        "commands": [
            "gh run view 42 --log-failed --repo acme/shop",
            "gh run rerun 42 --failed --repo acme/shop",
        ],
    }


@pytest.mark.parametrize(
    ("url", "shape"),
    [
        ("https://hooks.slack.com/services/T/B/x", "slack"),
        ("https://acme.webhook.office.com/webhookb2/x", "teams"),
        ("https://prod-1.westeurope.logic.azure.com:443/workflows/x", "teams"),
        ("https://hooks.slack.com.evil.example/", "json"),
        ("https://example.com/?u=hooks.slack.com", "json"),
        ("", "json"),
    ],
)
def test_the_address_tells_the_shape(url, shape):
    assert notify_shapes.shape_of(url) == shape


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=8), below, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=examples(60))
@given(st.dictionaries(st.sampled_from(sorted(FACTS)), JSON), st.text(max_size=30))
def test_any_facts_make_a_message(facts, job):
    message = compose(RUN, {"package": "failure", "x": "success"}, [failure_of(facts, job)])
    for shape in notify_shapes.SHAPES.values():
        notify_shapes.encoded(shape(message))
    notify.markdown(message).encode()
