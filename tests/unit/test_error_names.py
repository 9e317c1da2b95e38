"""Every error has a name of its own, in messages, in `--json` and between hosts of different versions."""

import functools

import docs_generator
import pytest

from goferry.deploy.errors import HostUnreachable
from goferry.kernel import errors, outcomes
from goferry.pipeline.rendering import WorkflowReferenceInvalid
from goferry.release.errors import ReferenceInvalid
from goferry.system.http import ServerUnreachable


@functools.cache
def generator():
    module = docs_generator.generator()
    module.import_everything()
    return module


def classes():
    """Return every error class of the product."""
    found, waiting = [], [errors.GoferryError]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        waiting += kinds
        found += [kind for kind in kinds if kind.__module__.startswith("goferry.")]
    return sorted(set(found), key=lambda kind: (kind.__module__, kind.__qualname__))


def test_no_two_errors_share_a_name():
    shared = {name: kinds for name, kinds in generator().named().items() if len(kinds) > 1}
    assert not shared


def test_no_two_errors_share_a_class_name():
    names = [kind.__name__ for kind in classes()]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_only_a_base_class_has_its_parents_name():
    unnamed = [kind for kind in classes() if "name" not in vars(kind)]
    assert all(kind.__subclasses__() for kind in unnamed), unnamed


def test_two_classes_of_one_name_are_found():
    twin = type("Twin", (errors.Failed,), {"name": "disk-full", "__module__": "goferry.deploy.errors"})
    try:
        assert generator().named()["disk-full"] == [twin, outcomes.DiskFull]
    finally:
        twin.__module__ = "tests"  # it may outlive this test


@pytest.mark.parametrize("name", generator().FORMER)
def test_a_former_name_keeps_its_heading_and_leads_to_what_it_is_called_now(name):
    page = generator().errors()
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert section
    for now in generator().FORMER[name]:
        assert f"[`{now}`](#{now})" in section
        assert f"\n## {now}\n" in page
        assert now in generator().named()


@pytest.mark.parametrize(
    ("name", "kind", "exit_code"),
    [
        ("host-unreachable", HostUnreachable, 5),
        ("reference-invalid", ReferenceInvalid, 2),
        ("fleet-split", errors.FleetSplit, 6),
        ("refused", errors.Refused, 3),
    ],
)
def test_a_host_of_before_that_sends_a_name_of_then_is_understood(name, kind, exit_code):
    again = outcomes.from_frame({"name": name, "exit_code": exit_code, "what": "no", "facts": {"hosts": ["web-1"]}})
    assert type(again) is kind
    assert (again.name, again.exit_code, again.facts) == (name, exit_code, {"hosts": ["web-1"]})


@pytest.mark.parametrize("kind", [ServerUnreachable, WorkflowReferenceInvalid])
def test_what_was_renamed_never_came_from_a_host(kind):
    """The agent is kernel and host alone, so under the former name a host never sent what this class is."""
    assert not kind.__module__.startswith(("goferry.kernel.", "goferry.host."))
    again = outcomes.from_frame(outcomes.as_frame(kind("no")))
    assert type(again) is kind
