"""What a host with SELinux is given: a policy module by which nginx reaches the services, and sshd the login's keys.

A module of CIL (semodule) rather than booleans and ports: it allows nginx alone, and one command takes it away again.
"""

from __future__ import annotations

from goferry.deploy.provision import _template as template
from goferry.deploy.provision._order_on_host import Command, HostEntry
from goferry.deploy.provision.needs import LOGIN_HOME, HostPart

MODULE = "/etc/goferry/goferry.cil"
_INSTALLED = ("sh", "-c", "semodule -l | grep -q '^goferry\\>'")
REMOVE = ("semodule", "-r", "goferry")


def part(mode: str) -> HostPart:
    """Return the module and what loads it; nothing where SELinux is not on (`mode` empty)."""
    if not mode:
        return HostPart()
    text = template.fill("selinux/goferry.cil", login_home=LOGIN_HOME.replace(".", r"\."))
    back = f"if test -e {MODULE}; then semodule -i {MODULE}; else semodule -r goferry; fi"
    load = Command(("semodule", "-i", MODULE), changed=(MODULE,), unless=_INSTALLED, again=("sh", "-c", back))
    # The keys' label follows from the module; files that are written later have that of their folder.
    label = Command(("restorecon", "-R", LOGIN_HOME), changed=(MODULE, LOGIN_HOME))
    return HostPart((HostEntry(MODULE, text.encode()),), (load, label))
