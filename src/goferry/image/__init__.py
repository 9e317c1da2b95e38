"""An OCI image from the binaries in dist/: layers, configurations, manifests and index written directly, no Docker.

plan.plan(ledger, config)              pure: which binary, which platforms, which names
execute.write(plan, folder, ledger, …)  reads and checks the binaries, writes `<name>_<version>_oci.tar`
└── compose.image(…) → base + layer     blobs in memory, by digest
    └── layout.files(…)                 the files of an OCI layout that `docker load` reads too
"""

from goferry.image.assemble import ImageRecord, export, write
from goferry.image.image_plan import ImagePlan, entry_point, plan

__all__ = ["ImagePlan", "ImageRecord", "entry_point", "export", "plan", "write"]
