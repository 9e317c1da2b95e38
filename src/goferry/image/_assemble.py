"""The executor: reads and checks the binaries, composes the image, writes it whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from msgspec import Struct, to_builtins

from goferry.artifacts import Artifact, Ledger
from goferry.image import _base as base, _oci_layout as oci_layout, _startable as startable
from goferry.image._compose import Composed, PlatformImage, compose
from goferry.image._layer import compressor, layer
from goferry.image.errors import ArtifactChanged, ImageOutExists, ImageTooLarge
from goferry.image.image_plan import ImagePlan, ImagePlatform
from goferry.kernel.files import write_atomically
from goferry.observe.events import Stream


class PlatformRecord(Struct, frozen=True):
    """One platform's image: its manifest's digest, and its bytes, as a registry transfers it and unpacked."""

    digest: str
    packed: int
    unpacked: int


class ImageRecord(Struct, frozen=True):
    """What the ledger keeps of an image, as the `meta` of its artifact.

    Attributes:
        image, tag: its reference. digest: the index's. platforms: names. manifests: by platform.
        main: the package. entrypoint: the program's path. user: `uid:gid`.
        compressor: what packed the layers; another one gives other bytes.
    """

    image: str
    tag: str
    digest: str
    platforms: list[str]
    manifests: dict[str, PlatformRecord]
    main: str
    entrypoint: str
    user: str
    compressor: str


def write(plan: ImagePlan, folder: Path, ledger: Ledger, stream: Stream) -> Artifact:
    """Write the image into `folder` and list it in the ledger; a second run writes the same bytes.

    Raises:
        DistSealed: when the folder is sealed.
        ArtifactChanged: a file in dist/ is not the one that the ledger lists: it is missing, is a link, or
            has another digest.
        BinaryDynamic: the program needs a dynamic loader, which the image does not have, so it would not
            start.
        BinaryWrongPlatform: the program is for another platform than the ledger says.
        ImageTooLarge: the unpacked image is larger than `image.max-size` in goferry.yml allows.
        Nothing was written then.
    """
    with stream.span("image") as span:
        composed = _compose(plan, folder, stream)
        path = folder / plan.file
        write_atomically(path, oci_layout.archive(plan, composed))
        artifact = Artifact.of_file(path, project=plan.project, kind="image", meta=to_builtins(record(plan, composed)))
        ledger.add(artifact)
        ledger.save(folder)
        span.numbers.update(bytes=artifact.size, digest=composed.index.digest)
        for image in composed.images:
            span.numbers[f"unpacked_{image.platform}_bytes"] = image.unpacked
    return artifact


def export(plan: ImagePlan, folder: Path, out: str, stream: Stream) -> ImageRecord:
    """Write the image outside of dist/: `oci:DIR` a layout, `PATH.tar` the tar; return `record`.

    Raises:
        ImageOutExists: when DIR is there and not empty.
        ArtifactChanged, BinaryDynamic, BinaryWrongPlatform, ImageTooLarge: as `write`.
    """
    with stream.span("image") as span:
        target = Path(out.removeprefix("oci:")).absolute()
        if out.startswith("oci:") and target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ImageOutExists(f"{target} is there already", advice=["name another folder, or remove that one"])
        composed = _compose(plan, folder, stream)
        target.parent.mkdir(parents=True, exist_ok=True)
        if out.startswith("oci:"):
            _write_layout(target, oci_layout.files(plan, composed))
        else:
            write_atomically(target, oci_layout.archive(plan, composed))
        span.numbers.update(digest=composed.index.digest)
    return record(plan, composed)


def record(plan: ImagePlan, composed: Composed) -> ImageRecord:
    """Return what the ledger keeps of an image."""
    return ImageRecord(
        image=plan.name,
        tag=plan.tag,
        digest=composed.index.digest,
        platforms=[str(image.platform) for image in composed.images],
        manifests={
            str(image.platform): PlatformRecord(image.manifest.digest, image.packed, image.unpacked)
            for image in composed.images
        },
        main=plan.main,
        entrypoint=plan.entrypoint,
        user=plan.user,
        compressor=compressor(),
    )


def _compose(plan: ImagePlan, folder: Path, stream: Stream) -> Composed:
    programs: dict[str, bytes] = {}
    for platform in plan.platforms:
        with stream.span("image-layer", target=str(platform)) as span:
            program = programs[str(platform)] = _program(folder, platform)
            span.numbers.update(bytes=len(program))
    composed = compose(plan, layer(base.entries(base.certificates()), base.MTIME), programs)
    for image in composed.images:
        _hold_to_size(plan, image)
    return composed


def _program(folder: Path, platform: ImagePlatform) -> bytes:
    """Read a binary once and check these bytes: what is hashed is what goes into the layer."""
    try:
        descriptor = os.open(folder / platform.binary, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read()
    except OSError as error:
        raise _changed(platform.binary, error.strerror or str(error)) from None
    found = hashlib.sha256(data).hexdigest()
    if found != platform.sha256:
        raise _changed(platform.binary, f"its SHA-256 is {found}, the ledger says {platform.sha256}")
    startable.check(data, platform.binary, platform.goarch)
    return data


def _changed(name: str, why: str) -> ArtifactChanged:
    return ArtifactChanged(
        f"{name} is not the file that the build made: {why}",
        state="No image was written.",
        advice=["build it again:  goferry build"],
        file=name,
    )


def _hold_to_size(plan: ImagePlan, image: PlatformImage) -> None:
    if not plan.max_size or image.unpacked <= plan.max_size:
        return
    largest = sorted(image.sizes.items(), key=lambda item: -item[1])
    rows = [f"{size:>12,} bytes  {path}" for path, size in largest]
    raise ImageTooLarge(
        f"{image.platform} has {image.unpacked:,} bytes unpacked, image.max-size is {plan.max_size:,}:\n"
        + "\n".join(rows),
        state="No image was written.",
        advice=[
            "see which modules the program holds:  go version -m FILE",
            "see what is large in it:  go tool nm -size -sort size FILE",
        ],
        platform=str(image.platform),
        unpacked=image.unpacked,
        files=dict(largest),
    )


def _write_layout(target: Path, content: dict[str, bytes]) -> None:
    """Write the folder beside its place and rename it: it is whole or not there."""
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        work.chmod(0o755)
        (work / "blobs" / "sha256").mkdir(parents=True)
        for path, data in content.items():
            (work / path).write_bytes(data)
        if target.exists():
            target.rmdir()
        work.rename(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
