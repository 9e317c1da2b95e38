"""How reaching a host can fail, by name; `goferry.kernel.outcomes` has what a host itself says."""

from __future__ import annotations

from goferry.kernel.errors import Failed, Misuse, Refused, Unreachable


class HostUnreachable(Unreachable):
    """No connection to the host came about, or it broke.

    It usually is a firewall, a misspelt name or port, or a host that is down or restarting.
    """

    name = "host-unreachable"


class HostKeyUnknown(Refused):
    """The known_hosts file has no key for the host, so whoever answers there can't be told from an impostor.

    It usually is a new host whose line was not added yet, or a line with another name or port than the one in use.
    """

    name = "host-key-unknown"


class KnownHostsUnreadable(Misuse):
    """The file that was named for the hosts' keys can't be read.

    Usual causes: a typing error in its name, or a file that was never committed.
    """

    name = "known-hosts-unreadable"


class HostKeyChanged(Refused):
    """The host showed another key than the known one.

    It usually was installed anew; else somebody stands between here and the host.
    """

    name = "host-key-changed"


class DeployKeyRefused(Refused):
    """The host did not accept the key.

    It usually is not in the host's authorized_keys yet, or belongs to another user there.
    """

    name = "deploy-key-refused"


class DeployKeyUnusable(Misuse):
    """The private key's file can't be used.

    It usually does not exist, can be read by others, holds the public half, or belongs to a security key that is not
    plugged in.
    """

    name = "deploy-key-unusable"


class AgentMissing(Misuse):
    """The host has no Goferry agent.

    It usually was never provisioned.
    """

    name = "agent-missing"


class DeployKeyTaken(Refused):
    """The key deploys another project on that host, and a key is for one project.

    Usual causes: one key is kept for several repositories. Make one for each.
    """

    name = "deploy-key-taken"


class HostNameInvalid(Misuse):
    """A host is not written as NAME, NAME:PORT or USER@NAME:PORT.

    It usually is a typing error; names that begin with a dash are never passed on.
    """

    name = "host-name-invalid"


class TargetMissing(Misuse):
    """The folder that was named is no local target: nothing was ever deployed there.

    Usual causes: a typing error in `--root`, or another folder than the one of the deploy.
    """

    name = "target-missing"


class HostOutdated(Misuse):
    """The host's agent is older than what was asked of it, so nothing was done.

    Usual causes: Goferry was upgraded here and not there. `goferry provision HOST` upgrades a host while it serves.
    """

    name = "host-outdated"


class HostUnsuitable(Misuse):
    """The host lacks what a target needs: Linux with systemd 247, Python 3.9, nginx, and root's login to set it up.

    It usually is an older release of the system, or a container without systemd.
    """

    name = "host-unsuitable"


class ProvisionFailed(Failed):
    """A step of provisioning failed on the host; what the run had changed there was brought back, as the message says.

    Usual causes: nginx's configuration was broken before, a package can't be installed, or the disk is full.
    """

    name = "provision-failed"


class HostDiffers(Failed):
    """The host is not as `goferry provision` would leave it, or a service is not reached on it.

    Usual causes: a file that was edited or removed on the host, nginx stopped, or goferry.yml changed since then.
    Nothing was changed; each difference is named with the line to type.
    """

    name = "host-differs"


class ServiceNameUnusable(Misuse):
    """A host can't have a project or service of this name: a socket's path would be too long, or two names would meet.

    Usual causes: a long `project` beside a long service name (a unix socket's path has at most 107 bytes), a module
    path whose last element holds other letters, or two projects whose names and services join to the same words, as
    `a-b` with `c` and `a` with `b-c` do.
    """

    name = "service-name-unusable"
