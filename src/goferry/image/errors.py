"""What can keep an image from being written."""

from __future__ import annotations

from goferry.kernel.errors import Failed, Misuse, Refused


class BinaryDynamic(Failed):
    """The program needs a dynamic loader, which the image does not have: it would not start there.

    It usually was built with CGO_ENABLED=1, or by hand outside of `goferry build`.
    """

    name = "binary-dynamic"


class BinaryWrongPlatform(Failed):
    """The program is for another platform than the ledger says.

    It usually was copied over another one, or built by hand with another GOARCH.
    """

    name = "binary-wrong-platform"


class ArtifactChanged(Refused):
    """A file in dist/ is not the one that the ledger lists: it is gone, a link, or has another digest.

    It usually was replaced by hand after the build.
    """

    name = "artifact-changed"


class ImageMainUnclear(Misuse):
    """Several programs could be the image's entry point, or the one that was named is not there.

    It usually is a repository with several main packages and no single service in goferry.yml.
    """

    name = "image-main-unclear"


class ImageNoPlatform(Misuse):
    """The folder has no program for Linux, so there is nothing that an image could run.

    It usually was built with `--targets` for other systems only.
    """

    name = "image-no-platform"


class ImageTooLarge(Failed):
    """The image is larger, unpacked, than `image.max-size` in goferry.yml allows.

    It usually is a new dependency or embedded files; the report lists every file's size.
    """

    name = "image-too-large"


class ImageNameInvalid(Misuse):
    """The image's name or tag is none that a registry accepts.

    It usually is a project's name with capital letters, or a version with more than 128 characters.
    """

    name = "image-name-invalid"


class ImageOutExists(Misuse):
    """The place that `--out` names holds something already.

    It usually is the result of an earlier export.
    """

    name = "image-out-exists"
