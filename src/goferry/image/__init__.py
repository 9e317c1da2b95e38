"""An OCI image from the binaries in dist/: layers, configurations, manifests and index written directly, no Docker.

`plan(ledger, config)` is pure: which binary, which platforms, which names. `write` reads and checks the binaries
and writes `<name>_<version>_oci.tar`, an OCI layout that `docker load` reads too.

Contract (what other rooms import; a module with `_` is private):

    image_plan  the planner
    errors      what can keep an image from being written
"""

from goferry.image._assemble import ImageRecord, export, write
from goferry.image.image_plan import ImagePlan, entry_point, plan

__all__ = ["ImagePlan", "ImageRecord", "entry_point", "export", "plan", "write"]
