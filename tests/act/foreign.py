"""A repository that is not ours, as GitHub would hand it to a runner, and the events that start its workflows."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SERVICE = r"""// Command api greets at $ADDR, without net/http: releases in CI are compiled cold, and that has a hundred packages.
package main

import (
	"net"
	"os"
	"strconv"
)

var version = "dev"

func main() {
	listener, err := net.Listen("tcp", os.Getenv("ADDR"))
	if err != nil {
		panic(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go answer(conn)
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 4096)); err != nil {
		return
	}
	body := version + " " + word() + "\n"
	head := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	conn.Write([]byte(head + body))
}

func word() string { return "hello" }
"""
TEST = """package main

import "testing"

func TestWord(t *testing.T) {
	if word() == "" {
		t.Fatal("no word")
	}
}
"""
SMALL = {
    "go.mod": "module example.com/someone/greeter\n\ngo 1.24\n",
    "main.go": SERVICE,
    "main_test.go": TEST,
    ".gitignore": "/dist/\n/dist.tar\n",
}
CONFIG = """builds: {targets: [linux/amd64]}
services:
  greeter: {main: ., listen: {env: ADDR}, health: /healthz, port: 8080, bake: 1, drain: 1}
"""


class Repository:
    """A git repository in `folder` whose origin is github.com/`name`; commits have fixed authors."""

    def __init__(self, folder: Path, name: str = "someone/greeter") -> None:
        self.folder, self.name = folder, name
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("remote", "add", "origin", f"https://github.com/{name}.git")

    def git(self, *words: str) -> str:
        """Run git here, with no configuration of the machine's."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
               for key, value in (("NAME", "Someone"), ("EMAIL", "someone@users.example"))},
        }  # fmt: skip
        done = subprocess.run(
            ["git", "-C", str(self.folder), *words], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"git {words}: {done.stderr}"
        return done.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def copy(self, folder: Path) -> None:
        shutil.copytree(folder, self.folder, dirs_exist_ok=True)

    def workflow(self, text: str, name: str = "ci.yml") -> None:
        self.write({f".github/workflows/{name}": text})

    def commit(self, message: str = "Change it", tag: str = "") -> str:
        """Commit everything, tag it where a tag is given, and return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        if tag:
            self.git("tag", tag)
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def _repository(self, name: str = "") -> dict[str, Any]:
        full = name or self.name
        owner, _, short = full.partition("/")
        return {
            "id": 1, "name": short, "full_name": full, "private": False, "fork": bool(name),
            "default_branch": "main", "owner": {"login": owner}, "html_url": f"https://github.com/{full}",
        }  # fmt: skip

    def push(self, ref: str = "refs/heads/main") -> dict[str, Any]:
        """The event of a push of a branch or a tag at this commit."""
        message = self.git("log", "-1", "--format=%B")
        return {
            "ref": ref, "before": "0" * 40, "after": self.head, "deleted": False, "created": True, "forced": False,
            "repository": self._repository(), "sender": {"login": "someone"}, "pusher": {"name": "someone"},
            "head_commit": {"id": self.head, "message": message, "author": {"name": "Someone"}},
        }  # fmt: skip

    def tag(self, name: str) -> dict[str, Any]:
        return self.push(f"refs/tags/{name}")

    def pull_request(self, branch: str = "topic", *, title: str = "Change it", fork: str = "") -> dict[str, Any]:
        """The event of an opened pull request; `fork` names the repository that it comes from."""
        base, head = self._repository(), self._repository(fork)
        return {
            "action": "opened", "number": 7, "repository": base, "sender": {"login": "visitor"},
            "pull_request": {
                "number": 7, "title": title, "body": "", "draft": False, "user": {"login": "visitor"},
                "head": {"ref": branch, "sha": self.head, "repo": head, "label": f"visitor:{branch}"},
                "base": {"ref": "main", "sha": self.head, "repo": base},
            },
        }  # fmt: skip

    def dispatch(self, **inputs: str) -> dict[str, Any]:
        """The event of a workflow started by hand."""
        return {
            "ref": "refs/heads/main",
            "inputs": inputs,
            "repository": self._repository(),
            "sender": {"login": "someone"},
        }
