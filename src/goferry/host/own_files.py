"""What a candidate that crashed may lack: its variables and its files, which no release brings (docs/deploy.md)."""

from __future__ import annotations

from goferry.host.layout import ServiceFolder
from goferry.kernel.errors import GoferryError

DATA = "/var/lib/goferry-data"
"""Where a provisioned host's systemd keeps the services' working folders."""


def lines(folder: ServiceFolder, env_file: str) -> list[str]:
    """Return what to type where a service lacks variables or files; `env_file` is what its release names.

    What is not known of its place is left out: what is known of a crash is reported in any case.
    """
    try:
        variables, data = folder.root.own_files(folder, env_file)
    except GoferryError:
        return []
    return [
        f"variables that it needs belong under env at the service in goferry.yml, or into {variables}",
        f"files that it opens by a relative path belong in its working folder, {data}",
        'its other files ("Its own files"):  docs/deploy.md#its-own-files',
    ]
