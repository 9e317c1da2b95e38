"""Which hosts a command goes to that becomes root there."""

from __future__ import annotations

from collections.abc import Sequence

from goferry.deploy import destination
from goferry.deploy.options import Options, without_hosts
from goferry.kernel.errors import Misuse


def named_hosts(hosts: Sequence[str], options: Options, how: str) -> Sequence[str]:
    """Return the hosts that were named, else those of the environment, bare; `how` a command takes hosts.

    An environment's `deploy@host` is the deploy's login, not the one that becomes root.

    Raises:
        Misuse: there is none. And what `destination.environment` raises.
    """
    if hosts:
        return hosts
    if not options.environment:
        raise Misuse("no host is named", advice=[f"name it:  {how}", "or an environment:  --environment NAME"])
    bare = [host.rpartition("@")[2] for host in destination.environment(options).hosts]
    if not bare:
        raise without_hosts(options, how=how)
    return bare
