"""What can keep an image from being written."""

from __future__ import annotations

from goferry.kernel.errors import Failed, Misuse, Refused


class BinaryDynamic(Failed):
    """The program needs a dynamic loader, which the image does not have, so it would not start.

    Usual causes: it was built with CGO_ENABLED=1, or by hand instead of by `goferry build`.
    """

    name = "binary-dynamic"


class BinaryWrongPlatform(Failed):
    """The program is for another platform than the ledger says.

    Usual causes: another program was copied over it, or it was built by hand with another GOARCH.
    """

    name = "binary-wrong-platform"


class ArtifactChanged(Refused):
    """A file in dist/ is not the one that the ledger lists: it is missing, is a link, or has another digest.

    Usual causes: somebody replaced the file after the build.
    """

    name = "artifact-changed"


class ImageMainUnclear(Misuse):
    """Several programs could be the image's entry point, or the named one does not exist.

    Usual causes: a repository with several main packages and not exactly one service in goferry.yml.
    """

    name = "image-main-unclear"


class ImageNoPlatform(Misuse):
    """The folder has no program for Linux, so there is nothing that an image could run.

    Usual causes: the programs were built with `--targets` for other systems only.
    """

    name = "image-no-platform"


class ImageTooLarge(Failed):
    """The unpacked image is larger than `image.max-size` in goferry.yml allows.

    Usual causes: a new dependency or embedded files; the report lists the size of every file.
    """

    name = "image-too-large"


class ImageNameInvalid(Misuse):
    """A registry would not accept the image's name or tag.

    Usual causes: a project name with capital letters, or a version of more than 128 characters.
    """

    name = "image-name-invalid"


class ImageOutExists(Misuse):
    """The path given with `--out` already exists.

    Usual causes: the result of an earlier export.
    """

    name = "image-out-exists"
