"""Making a bare host ready for deploys: facts → a pure plan of files and commands → one script as root over ssh."""

from goferry.deploy.provision.host_plan import HostPlan, WantedService, Wishes, plan
from goferry.deploy.provision.needs import HostEntry
from goferry.deploy.provision.perform import provision

__all__ = ["HostEntry", "HostPlan", "WantedService", "Wishes", "plan", "provision"]
