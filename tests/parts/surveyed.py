"""A bare Debian host, as it answers what provisioning asks; and its facts, with what a test wants otherwise."""

import msgspec

from goferry.deploy.provision._host_facts import BaseFacts, HostFacts
from goferry.deploy.provision._nginx_proxy import NginxProxy
from goferry.deploy.provision._systemd_guard import SystemdGuard

ANSWER = {
    "user": 0, "system": "Linux", "python": [3, 11, 2], "release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n', "selinux": "", "ipv6": True, "control_groups": 2,
    "ports": [22, 80], "host_file": "", "left_file": "", "packages": [], "live": {}, "trust": "", "trusts": [], "authorized_keys": "", "host_keys": [],
    "found": ["/usr/bin/apt-get"],
    "said": [[0, "nginx version: nginx/1.22.1\n"], [0, "www-data\n"], [0, "80\n"], [0, ""], [0, "systemd 252 (252.39-1~deb12u1)\n"], [1, ""]],
    "texts": {
        "/etc/nginx/conf.d/goferry.conf": "", "/etc/nginx/sites-enabled/zz-goferry.conf": "",
        "/etc/nginx/conf.d/zz-goferry.conf": "",
    },
}  # fmt: skip
NGINX, SYSTEMD = NginxProxy((1, 22, 1)), SystemdGuard(252)


def facts(proxy=NGINX, guard=SYSTEMD, **base):
    """Return the host's facts."""
    return HostFacts(msgspec.convert({**ANSWER, **base}, BaseFacts), (proxy,), (guard,))
