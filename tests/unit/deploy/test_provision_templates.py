"""Template files of provisioning: filled line by line, whole, and by nothing else than what was given for them."""

import subprocess
from pathlib import Path

import pytest

from goferry.deploy.provision import _template as template

SCRIPT = template.FOLDER / "nginx" / "worker-group.sh"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(template, "FOLDER", tmp_path)
    (tmp_path / "unit").write_text("# %i {x}\nA={{one}} {{two}}\n{{lines}}\n\nB\n")
    return tmp_path


def test_a_line_that_is_a_placeholder_becomes_lines_or_none(folder):
    assert template.fill("unit", one="1", two="", lines="x\ny\n") == "# %i {x}\nA=1 \nx\ny\n\nB\n"
    assert template.fill("unit", one="{{two}}", two="2", lines="") == "# %i {x}\nA={{two}} 2\n\nB\n"


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"one": "1", "two": "2"}, "no value is given for lines"),
        ({"one": "1", "two": "2", "lines": "", "four": ""}, "there is no place for four"),
        ({"one": "1\nUser=root", "two": "2", "lines": ""}, "several lines"),
        ({"one": "1\n", "two": "2", "lines": ""}, "several lines"),
    ],
)
def test_what_does_not_fit_a_template_is_refused(folder, values, what):
    with pytest.raises(ValueError, match=what):
        template.fill("unit", **values)


def test_every_template_is_text_with_a_last_line():
    names = [path for path in template.FOLDER.rglob("*") if path.is_file()]
    assert len(names) > 10
    assert not [path.name for path in names if not path.read_text().endswith("\n") or path.read_text().endswith("\n\n")]


@pytest.mark.parametrize(
    ("conf", "group"),
    [
        ("user  www-data;\n", "www-data\n"),
        ("# user nginx;\n  user nobody adm ;  # ours\n", "adm\n"),
        ("user goferry-nobody-has-this;\n", "goferry-nobody-has-this\n"),
        ("user root;\n", "root\n"),
        ("http {}\n", "nogroup\n"),
        (None, "nogroup\n"),
    ],
)
def test_the_group_of_nginx_s_workers_is_found_as_nginx_finds_it(tmp_path, conf, group):
    if conf is not None:
        (tmp_path / "nginx.conf").write_text(conf)
    script = SCRIPT.read_text().replace("/etc/nginx/nginx.conf", str(tmp_path / "nginx.conf"))
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (group, "")


def test_a_template_that_nothing_fills_is_not_kept():
    source = "".join(path.read_text() for path in Path(template.__file__).parent.glob("*.py"))
    parts = [path.relative_to(template.FOLDER).as_posix() for path in template.FOLDER.rglob("*") if path.is_file()]
    by_name = ("goferry-agent.socket", "goferry-agent@.service", "goferry-recover.service", "goferry.target")
    assert [name for name in parts if name not in source and not name.endswith(by_name)] == []
