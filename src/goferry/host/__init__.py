"""The agent that runs on the target: standard library and kernel only, Python 3.9."""
