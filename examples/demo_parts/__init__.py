"""The demo's parts: where it works, the load that it puts on, what it prints."""
