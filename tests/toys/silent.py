"""A kind of service that says nothing: it is well as long as its process runs."""

from goferry.host import processes
from goferry.host.health_failure import NO_FAILURE, HealthFailure
from goferry.host.public import Finding
from goferry.kernel.services import Shape


class Silent:
    """Declared by `listen: {nothing: WHY}`."""

    shape = Shape("silent", {"nothing": lambda why: isinstance(why, str)}, ("nothing",), ports=False, slot_prefix="")

    def variables(self, declared):
        return {"SILENT_BECAUSE": declared.listen["nothing"]}

    def template(self, declared, *, filled):
        return None

    def listen(self, public, private):
        return 0

    def shared_port(self, public):
        return 0

    def ask(self, guard, folder, slot, pid, seconds):
        return NO_FAILURE if processes.started(pid) else HealthFailure("it is gone")

    def foreign_answer(self, slot, body, pid):
        return ""

    def accept(self, switch, folder, change):
        pass

    def drain(self, folder, old):
        pass

    def give_back(self, switch, folder, change, old):
        if not switch.guard.driver.runs(folder, old):
            switch.restart(folder, old._replace(guarded=True))

    def restarted(self, folder, slot):
        pass

    def check_public(self, switch, folder, slot, seconds):
        return Finding()
