"""`left.json`: services that a host is no longer ready for."""

import pytest
from hypothesis import given, strategies as st

from goferry.kernel import leftfile
from goferry.kernel.errors import GoferryError
from goferry.kernel.leftfile import LeftFile

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(st.dictionaries(NAMES, st.frozensets(NAMES, min_size=1, max_size=3), max_size=3), NAMES, NAMES)
def test_what_is_written_is_read_again(projects, project, service):
    file = LeftFile()
    for name, services in projects.items():
        file = file.with_services(name, services)
    assert leftfile.parse(file.to_bytes()) == file
    more = file.with_services(project, [service])
    assert leftfile.parse(more.to_bytes()).places(project)[service].env_file == f"/etc/goferry/env/{project}-{service}"
    assert more.without(project, [service]).projects.get(project, ()) == tuple(
        name for name in file.projects.get(project, ()) if name != service
    )


@given(st.binary(max_size=60))
def test_other_bytes_are_an_error_with_a_name(data):
    with pytest.raises(GoferryError) as told:
        leftfile.parse(data)
    assert told.value.name == "left-file-invalid"


@pytest.mark.parametrize(
    "text",
    ["{}", '{"projects":{},"schema":2}', '{"projects":{"..":["api"]},"schema":1}', '{"projects":{"a":["../b"]},"schema":1}',
     '{"projects":{"a":"api"},"schema":1}', '{"more":1,"projects":{},"schema":1}'],
)  # fmt: skip
def test_a_file_of_another_form_is_refused(text):
    with pytest.raises(GoferryError, match=r"left\.json"):
        leftfile.parse(text.encode() + b"\n")
