"""Deploying: the client of the host agent. It asks; the host verifies, decides and remembers."""

from goferry.deploy.local import Target, deploy, down, logs, rollback, status

__all__ = ["Target", "deploy", "down", "logs", "rollback", "status"]
