"""Stage: the client's side of a deployment."""
