"""What client and host must agree on: errors, the release manifest, verification, the deploy machine, wire frames.

Standard library only and Python 3.9: these files travel to the host inside the bundled agent.
"""
