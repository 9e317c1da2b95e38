"""How nginx proves that it serves a service: the words that provisioning renders and the host agent asks by.

A request that bears the first half of the host's secret in ASKED is answered with ANSWERED beside the service's own
answer: the secret's second half, nginx's upstream, that one's status, and the seconds that connecting took, or `-` when
no connection was made. Without the secret nobody gets an answer, and no service ever sees either half.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from goferry.kernel.hostfile import Place

ASKED, ANSWERED = "X-Goferry-Probe", "X-Goferry-Served"
NGINX = "/etc/nginx"
INCLUDE = "conf.d/goferry.conf"
"""In nginx's folder; it includes the services' server files, and holds the secret, so it is root's alone."""

_LINE = re.compile(r'(?m)^map \$http_x_goferry_probe \$goferry_probe \{ default ""; ([0-9a-f]{32}) ([0-9a-f]{32}); \}$')


class ProbeSecret(NamedTuple):
    """What is sent, and what only nginx can answer; 32 hex digits each."""

    asked: str
    answered: str


def line(secret: ProbeSecret) -> str:
    """Return nginx's line that knows the secret."""
    return f'map $http_x_goferry_probe $goferry_probe {{ default ""; {secret.asked} {secret.answered}; }}'


def secret(text: str) -> ProbeSecret | None:
    """Return the secret of an INCLUDE file's text; None when it has none, as before there was one."""
    found = _LINE.search(text)
    return ProbeSecret(found.group(1), found.group(2)) if found else None


def location_file(place: Place) -> str:
    """Return the file of a service's part of its domains' servers, in nginx's folder."""
    return f"goferry/{place.stem}.location"


def server_file(place: Place) -> str:
    """Return the file of a service's server and upstream, in nginx's folder."""
    return f"goferry/{place.stem}.conf"
