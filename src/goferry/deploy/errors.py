"""How reaching a host can fail, by name; `goferry.kernel.outcomes` has what a host itself says."""

from __future__ import annotations

from goferry.kernel.errors import Failed, Misuse, Refused, Unreachable


class HostUnreachable(Unreachable):
    """Could not connect to the host, or the connection was lost.

    Usual causes: a firewall, a misspelt name, a wrong port, or a host that is down or restarting.
    """

    name = "host-unreachable"


class HostKeyUnknown(Refused):
    """The known_hosts file has no key for the host, so its identity can't be checked.

    Usual causes: a new host whose line was not added yet, or a line with a different name or port from the one in use.
    """

    name = "host-key-unknown"


class KnownHostsUnreadable(Misuse):
    """The known_hosts file can't be read.

    Usual causes: a typing error in its name, or a file that was never committed.
    """

    name = "known-hosts-unreadable"


class HostKeyChanged(Refused):
    """The host presented a different key from the known one.

    Usual causes: the host was reinstalled. Otherwise somebody may be intercepting the connection.
    """

    name = "host-key-changed"


class DeployKeyRefused(Refused):
    """The host did not accept the key.

    Usual causes: the key is not in the host's authorized_keys yet, or it is there for another user.
    """

    name = "deploy-key-refused"


class DeployKeyUnusable(Misuse):
    """The private key's file can't be used.

    Usual causes: the file does not exist, can be read by others, holds the public half, or belongs to a security key
    that is not plugged in.
    """

    name = "deploy-key-unusable"


class AgentMissing(Misuse):
    """The host has no Goferry agent.

    Usual causes: the host was never provisioned.
    """

    name = "agent-missing"


class DeployKeyTaken(Refused):
    """The key already deploys another project on that host, and a key is for one project only.

    Usual causes: several repositories share one key. Make one for each.
    """

    name = "deploy-key-taken"


class HostNameInvalid(Misuse):
    """A host is not written as NAME, NAME:PORT or USER@NAME:PORT.

    Usual causes: a typing error. Names that begin with a dash are never passed on.
    """

    name = "host-name-invalid"


class TargetMissing(Misuse):
    """The folder is not a local target: nothing was ever deployed there.

    Usual causes: a typing error in `--root`, or another folder than the one of the deploy.
    """

    name = "target-missing"


class HostOutdated(Misuse):
    """The host's agent is too old for this request, so nothing was done.

    Usual causes: Goferry was upgraded here but not there. `goferry provision HOST` upgrades a host while it serves.
    """

    name = "host-outdated"


class HostUnsuitable(Misuse):
    """The host lacks what a target needs: Linux with systemd 247, Python 3.9, nginx, and root access for setup.

    Usual causes: an older release of the system, or a container without systemd.
    """

    name = "host-unsuitable"


class SudoPasswordNeeded(Misuse):
    """The host's sudo asks for a password, and there is no terminal to type it on.

    Usual causes: a job of a pipeline logs in as a user whose sudo wants a password. A terminal asks for it, once a
    host; without one, sudo has to let the login go without.
    """

    name = "sudo-password-needed"


class SudoRefused(Refused):
    """The host's sudo does not let the login become root.

    Usual causes: a mistyped password, a user who is not among the host's administrators, or a sudoers file that wants
    a terminal (`requiretty`).
    """

    name = "sudo-refused"


class ProvisionFailed(Failed):
    """A step of provisioning failed on the host; what the run had changed there was brought back, as the message says.

    Usual causes: nginx's configuration was broken before, a package can't be installed, or the disk is full.
    """

    name = "provision-failed"


class HostDiffers(Failed):
    """The host is not as `goferry provision` would leave it, or a service can't be reached on it.

    Usual causes: a file was edited or removed on the host, nginx is stopped, or goferry.yml has changed since then.
    Nothing was changed; each difference is listed with the command that fixes it.
    """

    name = "host-differs"


class VariableLineInvalid(Misuse):
    """A line of standard input is not NAME=VALUE, so no variable was set on any host.

    Usual causes: a value of several lines, whose later ones have no name; `export` before the name; a file that
    Windows wrote; or a value that systemd takes from no file, such as one with control characters. Lines are named by
    their numbers: nothing of them is shown.
    """

    name = "variable-line-invalid"


class VariableRefused(Refused):
    """A service may not be given a variable of that name, as it would decide what is started instead of being a value.

    These are `GOFERRY_*`; those that say what code programs load or how it runs: `LD_*`, `OPENSSL_*`, `GCONV_PATH`,
    `LOCPATH` and `GLIBC_TUNABLES`; those that systemd sets: `LISTEN_*`, `NOTIFY_SOCKET`, `STATE_DIRECTORY`,
    `RUNTIME_DIRECTORY`, `CREDENTIALS_DIRECTORY`, `JOURNAL_STREAM`, `INVOCATION_ID` and `SYSTEMD_EXEC_PID`; and
    `GODEBUG`, which switches checks of Go's libraries off, without `--allow-godebug`.
    """

    name = "variable-refused"


class EnvironmentFileInvalid(Failed):
    """The service's environment file on the host can't be changed, as systemd would not read it as it looks.

    Usual causes: an edit by hand left a quote open, or a comment ends with a backslash. The message names the line;
    mend it on the host.
    """

    name = "environment-file-invalid"


class ServiceNameUnusable(Misuse):
    """A host can't use this project or service name: a socket's path would be too long, or two names would collide.

    Usual causes: a long `project` with a long service name (a unix socket's path has at most 107 bytes), a module path
    whose last element has other characters, or two projects whose names and services join to the same text, as `a-b`
    with `c` and `a` with `b-c` do.
    """

    name = "service-name-unusable"


class CertificateUnusable(Misuse):
    """A certificate or key that goferry.yml names for a service's domain can't be used on the host.

    Usual causes: it was not issued yet, a typing error in `tls`, another certificate's key, or one with a password.
    """

    name = "certificate-unusable"


class DomainTaken(Misuse):
    """The service's domain and path, or the domain's certificate, are another service's on that host.

    Usual causes: two projects name the same domain without different paths, or each its own certificate for it.
    """

    name = "domain-taken"
