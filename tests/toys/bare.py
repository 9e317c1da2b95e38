"""A guard that starts what lies in the store by itself, and lets it run for as long as the agent does."""

import subprocess
import time
from typing import ClassVar

from goferry.host import processes
from goferry.host.log_parts import PartPage
from goferry.host.processes import Process


class Bare:
    """Processes without a supervisor: one that ends has ended."""

    environ: ClassVar = {}

    def __init__(self):
        self.started = {}

    def listen(self, folder, change):
        return 0

    def port(self, folder, slot):
        return 0

    def taken_port(self, folder, slot):
        return 0

    def move_port(self, folder, slot):
        return slot

    def adopt(self, folder, slot):
        pass

    def arm(self, folder, slot):
        pass

    def start(self, folder, slot):
        process = subprocess.Popen([folder.blob(slot.sha256), "1000"])
        while processes.executable_digest(process.pid) != slot.sha256:
            time.sleep(0.001)
        self.started[folder.name, slot.slot] = process

    def stop(self, folder, slot, grace):
        process = self.started.pop((folder.name, slot.slot), None)
        if process:
            process.kill()
            process.wait()

    def ended(self, folder, slot):
        return "" if self.running(folder, slot.slot) else "gone"

    def running(self, folder, number):
        process = self.started.get((folder.name, number))
        return processes.identity(process.pid) if process and process.poll() is None else Process()

    def runs(self, folder, slot):
        return bool(self.running(folder, slot.slot))

    def revive(self, folder, slot):
        if not self.runs(folder, slot):
            self.start(folder, slot)
        return True

    def socket_path(self, folder, slot):
        return folder.path / str(slot.slot)

    def tail(self, folder, number, lines):
        return []

    def head(self, folder, number, lines):
        return []

    def page(self, parts, query):
        return PartPage([])

    def restarts(self, folder, slot):
        return -1

    def log(self, folder, number):
        return "nowhere"

    def tidy(self):
        pass
