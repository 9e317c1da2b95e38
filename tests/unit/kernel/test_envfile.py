"""Files of variables: read as systemd reads them, changed so that all else stays."""

import contextlib

import pytest
from hypothesis import example, given, strategies as st

from goferry.kernel import envfile

NAMES = st.from_regex(envfile.NAME, fullmatch=True).filter(lambda name: len(name) < 40)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(
    lambda value: not envfile.unwritable(value)
)
FILES = st.text(st.sampled_from("AB=#;'\"\\ \t\nx$`\r"), max_size=60)

READ = {
    "A=1\nB=2": {"A": "1", "B": "2"},
    "# A=1\n; B=2\n\nC=3\n": {"C": "3"},
    "A=one two  \n": {"A": "one two"},
    "A=  one\n": {"A": "one"},
    "A = one\n": {"A": "one"},
    'A="one  "\n': {"A": "one  "},
    'A="o\\"n\\$e\\x"\n': {"A": 'o"n$e\\x'},
    "A='o\\n\"e'\n": {"A": 'o\\n"e'},
    'A="one\ntwo"\n': {"A": "one\ntwo"},
    "A=one\\\ntwo\n": {"A": "onetwo"},
    'A="one\\\ntwo"\n': {"A": "onetwo"},
    "A=one\\ \n": {"A": "one "},
    "A=\n": {"A": ""},
    "A=1\nA=2\n": {"A": "2"},
    "export A=1\n1A=2\n": {},
    "nothing\nA=1\n": {"A": "1"},
    "A='one'\"two\" three \n": {"A": "onetwothree"},
    'A=a"b"\n': {"A": 'a"b"'},
    "A=1\rB=2\n": {"A": "1", "B": "2"},
    "A='\x01'\n": {"A": "\x01"},
    "A=1\nB=\ufffe\n": {},
}


@pytest.mark.parametrize("text", READ)
def test_is_read_as_systemd_reads_it(text):
    assert envfile.values(text.encode()) == READ[text]


@given(NAMES, VALUES, FILES)
@example("A", "\ttwo lines\n and a $ ` \\ \" '", "")
@example("TOKEN", "s3cret", "DB=abc\\\n")
def test_a_value_that_is_written_is_the_one_that_is_read(name, value, text):
    try:
        before = envfile.checked(text.encode())
    except envfile.EnvFileError:
        return
    data = envfile.edited(text.encode(), {name: value})
    assert envfile.checked(data) == {**before, name: value}
    assert envfile.edited(data, {name: value}) == data
    after = envfile.edited(data, {}, [name])
    assert envfile.checked(after) == {other: kept for other, kept in before.items() if other != name}


@given(FILES)
def test_nothing_changes_where_nothing_is_to_change(text):
    with contextlib.suppress(envfile.EnvFileError):
        assert envfile.edited(text.encode(), {}, ["OTHER"]).decode() == text
        known = envfile.checked(text.encode())
        assert envfile.checked(envfile.edited(text.encode(), known)) == known


@given(st.binary(max_size=80))
def test_whatever_the_bytes_are_they_are_read_or_refused(data):
    assert isinstance(envfile.values(data), dict)
    with contextlib.suppress(envfile.EnvFileError):
        assert envfile.checked(data) == envfile.values(data)


def test_comments_other_variables_and_their_quotes_stay():
    text = (
        "# the database\nDATABASE_URL=postgres://old # not a comment\n\nKEY='a b' # nor this\nDATABASE_URL=twice\n; end"
    )
    data = envfile.edited(text.encode(), {"DATABASE_URL": "postgres://u:p$w@db/shop", "NEW": ""}, ["GONE"])
    assert data.decode() == (
        '# the database\n\nKEY=\'a b\' # nor this\nDATABASE_URL="postgres://u:p\\$w@db/shop"\n; end\nNEW=""\n'
    )


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"A=1\nB='two\n", "line 2 begins a value that does not end"),
        (b'A="', "line 1 begins"),
        (b"A=x\\", "line 1 begins"),
        (b"A=1\n# to C:\\\nB=2\n", "line 2 is a comment that ends with a backslash"),
        (b"# \xff\nA=\xff\n", "line 2 gives a value that is not UTF-8"),
        (b"A\xff=1\n", "not UTF-8"),
        (b"A=1\0\n", "NUL"),
        ("A=\U0001ffff\n".encode(), "code point U\\+1FFFF"),
    ],
)
def test_what_systemd_reads_otherwise_than_it_looks_is_not_changed(data, told):
    with pytest.raises(envfile.EnvFileError, match=told):
        envfile.edited(data, {"C": "3"})


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"# Schl\xfcssel\n; \xef\xbf\xbe\nDB=x\nno value: \xff\n", {"DB": "x"}),  # it judges assignments alone
        (b"A=\xc3\\\xa9\n", {"A": "\xe9"}),  # and what is left of them
        (b"A=1\nB=\xff\nB=2\n", {}),
        (b"A=1\nB\xff=2\n", {}),
        (b"A=1\n# \0\n", {}),
    ],
)
def test_systemd_wants_utf8_of_names_and_values_alone(data, read):
    assert envfile.values(data) == read
    assert bool(envfile.unread(data)) is not bool(read)
    if read:
        assert envfile.edited(data, {"NEW": "1"}).startswith(data)
        assert envfile.checked(envfile.edited(data, {"NEW": "1"})) == {**read, "NEW": "1"}


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_", "LISTEN_FDS", "NOTIFY_SOCKET", "GOFERRY_LEAVE", "GODEBUG", "OPENSSL_CONF", "GCONV_PATH", "LOCPATH", "GLIBC_TUNABLES", "STATE_DIRECTORY", "INVOCATION_ID", "1A", "", "A-B", "Ä"])  # fmt: skip
def test_names_that_are_no_service_s_are_refused(name):
    assert envfile.refused(name)


@pytest.mark.parametrize("name", ["DATABASE_URL", "_", "LD", "OLD_NAME", "listen_fds", "GODEBUGGER"])
def test_other_names_are_taken(name):
    assert not envfile.refused(name)
    assert not envfile.refused("GODEBUG", debug=True)


@pytest.mark.parametrize("value", ["\0", "\x1b[0m", "a\r", "\x7f", "\udcff", "\ufffe", "\ufdd0", "x" * 200_000])
def test_values_that_systemd_drops_are_refused(value):
    assert envfile.unwritable(value)
