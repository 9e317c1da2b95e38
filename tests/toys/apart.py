"""A target whose journals lie apart from everything else, as on another disk: a host that has a folder `journals`."""

from goferry.host import journal
from goferry.host.provisioned import Provisioned


class Killed(BaseException):
    """The agent is gone, between two lines of its journal."""


class Apart(Provisioned):
    """Its agent is killed after the line `ends_after`, where that is set."""

    client = "--target apart"
    ends_after = ""

    @classmethod
    def opened(cls, path, host, tables):
        return super().opened(path, host, tables) if (path / "journals").is_dir() else None

    def journals(self, project):
        return self.path / "journals" / project

    def journal(self, project, identifier, kind):
        return Ending(super().journal(project, identifier, kind).path, self)


class Ending(journal.Journal):
    """A journal after one line of which the agent is killed."""

    def __init__(self, path, target):
        super().__init__(path)
        self._target = target

    def append(self, line):
        super().append(line)
        if line.event == self._target.ends_after:
            raise Killed
