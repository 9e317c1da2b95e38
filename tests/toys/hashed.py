"""A switch that gives a candidate a share of the users, drawn by a hash of each; what it was told it reads back."""

import hashlib
import json

from goferry.host.public import Finding
from goferry.host.switch import Link
from goferry.kernel.files import write_atomically
from goferry.kernel.routing import Routing


class Hashed(Link):
    """The `live` link is the version that serves; `shares` beside it is who goes elsewhere."""

    @staticmethod
    def carries(routing):
        return "it looks at no header" if routing.header else ""

    def apply(self, folder, routing):
        super().apply(folder, Routing(routing.settled.live))
        if folder.path.is_dir():
            write_atomically(folder.path / "shares", json.dumps(routing._asdict()).encode())

    def read_back(self, folder):
        told = Routing(**json.loads((folder.path / "shares").read_bytes()))
        return told if told.settled.live == super().read_back(folder).live else super().read_back(folder)

    def slot_of(self, folder, user):
        """Return the slot that a user reaches."""
        routing = self.read_back(folder)
        drawn = int.from_bytes(hashlib.sha256(f"{routing.salt}:{user}".encode()).digest()[:8], "big") % 100
        return routing.candidate if drawn < routing.percent else routing.live

    def check_public(self, folder, slot, seconds=2.0):
        return Finding()

    def address(self, folder, slot):
        return "hashed:" + folder.name
