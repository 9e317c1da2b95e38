"""Blobs and the JSON that names them: configuration, manifest, index. Pure: bytes in, bytes out.

OCI image-spec 1.1: config.md, manifest.md, image-index.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct, to_builtins

from goferry.image._layer import Layer, LayerEntry, digest, layer
from goferry.image.image_plan import FOLDER, ImagePlan, ImagePlatform
from goferry.kernel import canonical

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Descriptor(Struct, frozen=True, rename="camel"):
    """What names a blob: its type, its digest, and its size in bytes (descriptor.md)."""

    media_type: str
    digest: str
    size: int

    @property
    def record(self) -> dict[str, object]:
        """It as JSON."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class ImageProcess(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """What a container runs (config.md, "Properties", `config`)."""

    user: str
    env: tuple[str, ...]
    entrypoint: tuple[str, ...]
    working_dir: str
    labels: Mapping[str, str]
    cmd: tuple[str, ...] = ()
    exposed_ports: Mapping[str, Mapping[str, str]] = {}


@dataclass(frozen=True)
class PlatformImage:
    """One platform's image.

    Attributes:
        platform: which. config, manifest: descriptors. layers: descriptors, the base first.
        sizes: path → bytes of every file, unpacked.
    """

    platform: ImagePlatform
    config: Descriptor
    manifest: Descriptor
    layers: list[Descriptor]
    sizes: dict[str, int]

    @property
    def unpacked(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())

    @property
    def packed(self) -> int:
        """Bytes that a registry transfers: manifest, configuration and layers."""
        return sum(each.size for each in (self.manifest, self.config, *self.layers))


@dataclass
class Composed:
    """The whole image: blobs by digest, and the index's descriptor."""

    index: Descriptor
    images: list[PlatformImage]
    blobs: dict[str, bytes] = field(default_factory=dict)


def compose(plan: ImagePlan, base: Layer, programs: Mapping[str, bytes]) -> Composed:
    """Compose the index and the image of every platform; `programs` holds the bytes by the platform's name."""
    blobs: dict[str, bytes] = {}
    with ThreadPoolExecutor() as pool:  # zlib and hashlib release the interpreter's lock
        packed = pool.map(lambda platform: program_layer(plan, programs[str(platform)]), plan.platforms)
        images = [_image(plan, each, [base, made], blobs) for each, made in zip(plan.platforms, packed, strict=True)]
    manifests = [{**image.manifest.record, "platform": image.platform.as_record()} for image in images]
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": manifests,
        "annotations": dict(plan.annotations),
    }
    return Composed(_json(INDEX, document, blobs), images, blobs)


def program_layer(plan: ImagePlan, program: bytes) -> Layer:
    """Return the layer with the program alone."""
    parts = FOLDER.split("/")
    folders = [LayerEntry("/".join(parts[: n + 1]), 0o755) for n in range(len(parts))]
    return layer([*folders, LayerEntry(f"{FOLDER}/{plan.program}", 0o755, data=program)], plan.epoch)


def configuration(plan: ImagePlan, platform: ImagePlatform, layers: list[Layer]) -> dict[str, object]:
    """Return the image's configuration (config.md, "Properties")."""
    process = ImageProcess(
        plan.user, plan.env, (plan.entrypoint,), "/", plan.annotations, plan.args, {port: {} for port in plan.ports}
    )
    return {
        **platform.as_record(),
        "created": plan.created,
        "config": to_builtins(process),
        "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in layers]},
        "history": [
            {"created": "1970-01-01T00:00:00Z", "created_by": "goferry image: base"},
            {"created": plan.created, "created_by": f"goferry image: {plan.program}"},
        ],
    }


def _image(plan: ImagePlan, platform: ImagePlatform, layers: list[Layer], blobs: dict[str, bytes]) -> PlatformImage:
    described = [_blob(LAYER, each.blob, blobs) for each in layers]
    config = _json(CONFIG, configuration(plan, platform, layers), blobs)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.record,
        "layers": [each.record for each in described],
        "annotations": dict(plan.annotations),
    }
    sizes = {path: size for each in layers for path, size in each.sizes.items()}
    return PlatformImage(platform, config, _json(MANIFEST, document, blobs), described, sizes)


def _json(media_type: str, document: Mapping[str, Any], blobs: dict[str, bytes]) -> Descriptor:
    return _blob(media_type, canonical.dumps(document), blobs)


def _blob(media_type: str, data: bytes, blobs: dict[str, bytes]) -> Descriptor:
    """Keep a blob and return its descriptor (descriptor.md)."""
    name = digest(data)
    blobs[name] = data
    return Descriptor(media_type, name, len(data))
