"""Making a bare host ready for deploys: facts → a pure plan of files and commands → one script as root over ssh.

Contract (what other rooms import; a module with `_` is private):

    command          the whole of `goferry provision`
    variables        the whole of `goferry env`
    unprovision      the whole of `goferry unprovision`, and how a command becomes root on hosts
    purge            `goferry purge` on hosts
    needs            what a proxy and a guard need on a host: the two contracts
    on_host          the program that runs on the host
    changes_on_host  its changes, each with its way back
    variables_on_host  the program that changes a service's variables there
"""

from goferry.deploy.provision._host_plan import HostPlan, HostSpec, ServiceSpec, plan
from goferry.deploy.provision._order_on_host import HostEntry
from goferry.deploy.provision._perform import provision

__all__ = ["HostEntry", "HostPlan", "HostSpec", "ServiceSpec", "plan", "provision"]
