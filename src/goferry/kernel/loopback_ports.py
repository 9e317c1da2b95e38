"""Which ports of the loopback plain services get; see host.ports for how one of them is drawn."""

RANGE, OWN_PORTS = range(23_000, 24_000), 10
"""The ports of all plain services of a host, and how many of them each has to itself."""
SPARE = range(24_000, 32_000)
"""Where a slot goes when its own ports are taken: below those that the kernel gives to outgoing connections."""


def drawn(service: str, port: int) -> str:
    """Return what is wrong with a public port that a service may draw, as hosts once gave them; else nothing."""
    if port not in RANGE:
        return ""
    return (
        f"{service} is served on port {port}, one of {RANGE.start} to {RANGE.stop - 1}, which are drawn for the "
        "host's services: nginx may find it taken when it starts"
    )


def elsewhere(service: str) -> str:
    """Return what to do about that."""
    return f"choose another `port` for {service} in goferry.yml, then:  goferry provision HOST"
