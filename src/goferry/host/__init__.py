"""The agent that runs on a target: verifies, stores, starts, switches and recovers, with the standard library alone."""
