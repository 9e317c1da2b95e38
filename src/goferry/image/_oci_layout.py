"""The files of an OCI layout (OCI image-spec 1.1, image-layout.md) that `docker load` reads too.

Docker before 25 knows no layout and looks for `manifest.json` (the format of `docker save`). That file names one image,
linux/amd64 where there is one: with several, tools that take a single image from such a tar refuse it.
"""

from __future__ import annotations

from typing import Any

from goferry.image._compose import Composed, PlatformImage
from goferry.image._layer import LayerEntry, tar
from goferry.image.image_plan import ImagePlan
from goferry.kernel import canonical


def files(plan: ImagePlan, composed: Composed) -> dict[str, bytes]:
    """Return path → bytes: `oci-layout`, `index.json`, `manifest.json`, `blobs/sha256/…`."""
    entry = {
        **composed.index.record,
        "annotations": {"org.opencontainers.image.ref.name": plan.tag},
    }
    documents: dict[str, Any] = {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": {"schemaVersion": 2, "mediaType": composed.index.media_type, "manifests": [entry]},
        "manifest.json": [_docker(plan, _for_docker(composed))],
    }
    result = {name: canonical.dumps(document) for name, document in documents.items()}
    result.update({_path(digest): composed.blobs[digest] for digest in sorted(composed.blobs)})
    return result


def archive(plan: ImagePlan, composed: Composed) -> bytes:
    """Return the layout as one tar, the small files first."""
    entries = [LayerEntry("blobs", 0o755), LayerEntry("blobs/sha256", 0o755)]
    content = files(plan, composed)
    entries[0:0] = [LayerEntry(path, 0o644, data=data) for path, data in content.items() if "/" not in path]
    entries += [LayerEntry(path, 0o644, data=data) for path, data in content.items() if "/" in path]
    return tar(entries, plan.epoch)


def _for_docker(composed: Composed) -> PlatformImage:
    preferred = [image for image in composed.images if str(image.platform) == "linux/amd64"]
    return (preferred or composed.images)[0]


def _docker(plan: ImagePlan, image: PlatformImage) -> dict[str, Any]:
    return {
        "Config": _path(image.config.digest),
        "RepoTags": [plan.reference],
        "Layers": [_path(layer.digest) for layer in image.layers],
    }


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
