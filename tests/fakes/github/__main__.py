"""The fake GitHub as a program: `python tests/fakes/github --port 8000 --repository acme/shop --git PATH …`.

It prints one JSON line, {"url", "uploads", "token", …}, once it listens, and serves until it is ended. Point
GITHUB_API_URL at `url`; ACTIONS_ID_TOKEN_REQUEST_URL at `oidc`. Tests steer it with POST /_fake/tag, /_fake/run and
/_fake/fault, and read GET /_fake/requests.
"""

import argparse
import json
import sys
import threading
from pathlib import Path

# This folder comes first on the path when it is run, and its name is that of PyGithub's package.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from fakes.github import FakeGitHub  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="of the API; 0: any free one")
    parser.add_argument("--public-url", default="", help="what answers call the API, for a proxy in front")
    parser.add_argument("--repository", action="append", default=[], metavar="OWNER/NAME")
    parser.add_argument("--git", default="", help="a real repository whose tags and branches the first one has")
    parser.add_argument("--private", action="store_true", help="the repositories are private")
    parser.add_argument("--immutable", action="store_true", help="releases become immutable when published")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG=SHA")
    parser.add_argument("--token", default="", help="the job's token; made when it is not given")
    parser.add_argument("--permissions", default="contents:write", help="of the token: contents:write,actions:read")
    given = parser.parse_args()
    with FakeGitHub(given.port, given.public_url) as fake:
        for name in given.repository or ["acme/shop"]:
            repository = fake.repository(name, private=given.private, immutable=given.immutable, git=given.git)
            repository.tags.update(tag.split("=", 1) for tag in given.tag)
        token = fake.token(dict(each.split(":") for each in given.permissions.split(",") if each), given.token)
        addresses = {"url": fake.url, "uploads": fake.uploads, "oidc": f"{fake.url}/_oidc/token?api-version=2.0"}
        print(json.dumps({**addresses, "token": token}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
