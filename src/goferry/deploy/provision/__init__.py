"""Making a bare host ready for deploys: facts → a pure plan of files and commands → one script as root over ssh."""

from goferry.deploy.provision.execute import provision
from goferry.deploy.provision.plan import Entry, Plan, Wanted, Wishes, plan

__all__ = ["Entry", "Plan", "Wanted", "Wishes", "plan", "provision"]
