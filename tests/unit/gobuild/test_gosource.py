import pytest

from goferry.gobuild._gosource import has_main, stamps


@pytest.mark.parametrize(
    "source",
    [
        "package main\nfunc main() {}\n",
        "package main; func main() {}",
        "package main\n\nfunc  main ( ) {\n}\n",
        "package main\n/* a */ func main() {}",
        "package main\r\nfunc main() {}\r\n",
        "package main\nvar x = `\n`\nfunc main() {}",
        "package main\nconst c = '\"'\nfunc main() {}",
    ],
)
def test_func_main_is_found(source):
    assert has_main([source])


@pytest.mark.parametrize(
    "source",
    [
        "package main\n",
        "package main\n// func main() {}\n",
        "package main\n/*\nfunc main() {}\n*/\n",
        "package main\nvar s = `\nfunc main() {}\n`\n",
        "package main\nfunc mainly() {}\n",
        "package main\nfunc (t T) main() {}\n",
        "package main\nfunc init() {\n\tfunc main() {}\n}\n",
    ],
)
def test_what_only_looks_like_it_is_not(source):
    assert not has_main([source])


@pytest.mark.parametrize(
    ("source", "settable", "other"),
    [
        ('var version = "dev"', ("version",), ()),
        ("var version string", ("version",), ()),
        ('var version string = "a" + "b"', ("version",), ()),
        ('var version = "a" +\n\t"b"', ("version",), ()),
        ("var version, commit string", ("version", "commit"), ()),
        ('var (\n\tversion = "dev" // the version\n\tcommit, date = "", `x`\n)', ("version", "commit", "date"), ()),
        ("var version int", (), ("version",)),
        ("var date time.Time", (), ("date",)),
        ("var version = compute()", (), ("version",)),
        ("var version, commit = both()", (), ("version", "commit")),
        ("var version []string", (), ("version",)),
        ("var version *string", (), ("version",)),
        ('var version = map[string]string{"a": "b"}', (), ("version",)),
        ('var version = func() string { return "x" }()', (), ("version",)),
        ("var commit = strings.TrimSpace(`x`)", (), ("commit",)),
        ('const version = "x"', (), ()),
        ("// var version string", (), ()),
        ("var s = `\nvar version string\n`", (), ()),
        ("func f() {\n\tvar version string\n}", (), ()),
        ("type t struct {\n\tversion string\n}", (), ()),
        ("var versions string", (), ()),
        ("var Version string", ("Version",), ()),
        ('var Version, gitCommit, BuildDate = "", "", ""', ("Version", "gitCommit", "BuildDate"), ()),
        ('var version, Version = "dev", "1.0"', ("version",), ()),
        ("var Commit, Revision string", (), ()),
        ("var Version = 3", (), ("Version",)),
    ],
)
def test_which_variables_the_linker_can_set(source, settable, other):
    assert stamps([f"package main\n\n{source}\n"]) == (settable, other)


def test_files_of_a_package_are_taken_together():
    assert stamps(["package main\nvar version string", "package main\nvar date string"]) == (("version", "date"), ())


def test_unbalanced_source_does_not_hang_or_raise():
    assert stamps(["package main\nvar version = ((((("]) is not None
    assert not has_main(["}}}}{{{{(((("])
