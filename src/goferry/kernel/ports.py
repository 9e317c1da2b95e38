"""Which ports of the loopback plain services get; see host.ports for how one of them is drawn."""

RANGE, OWN_PORTS = range(23_000, 24_000), 10
"""The ports of all plain services of a host, and how many of them each has to itself."""
SPARE = range(24_000, 32_000)
"""Where a slot goes when its own ports are taken: below those that the kernel gives to outgoing connections."""
