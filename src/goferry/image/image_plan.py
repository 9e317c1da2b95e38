"""The planner: from the ledger and the configuration to which binaries become which image. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from goferry.artifacts import Artifact, Ledger
from goferry.artifacts.schemes import bare
from goferry.config import model, templates
from goferry.image.errors import ImageMainUnclear, ImageNameInvalid, ImageNoPlatform
from goferry.kernel.times import parse_time

FOLDER = "usr/local/bin"
"""Where the program lies: it is on PATH, also for `docker exec`."""
_PATH = "/usr/local/bin:/usr/bin:/bin"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")  # OCI distribution-spec 1.1, "Pulling manifests"
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class ImagePlatform:
    """One image of the index.

    Attributes:
        binary: the file's name in dist/. sha256: what the ledger says of it.
        architecture, variant: as the index names them (OCI image-spec 1.1, image-index.md, "Platform Variants").
        goarch: as Go names it.
    """

    binary: str
    sha256: str
    goarch: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """`linux/amd64`, `linux/arm/v7`."""
        return "/".join(part for part in ("linux", self.architecture, self.variant) if part)

    def as_record(self) -> dict[str, str]:
        """Return the index's `platform`."""
        record = {"architecture": self.architecture, "os": "linux"}
        return {**record, "variant": self.variant} if self.variant else record


@dataclass(frozen=True)
class ImagePlan:
    """What the image will be.

    Attributes:
        name, tag: its reference is `name:tag`. file: its name in dist/. project: the ledger's.
        main: the package. program: the entry point's file name. user: `uid:gid`.
        args: arguments after the entry point. env: `KEY=VALUE`, sorted. ports: as OCI declares them (`8080/tcp`).
        annotations: of manifests and index; also the configuration's labels.
        created: RFC 3339. epoch: the same in seconds; the time of the program's layer.
        max_size: bytes unpacked for each platform, or 0. platforms: sorted.
    """

    name: str
    tag: str
    file: str
    project: str
    main: str
    program: str
    user: str
    args: tuple[str, ...]
    env: tuple[str, ...]
    ports: tuple[str, ...]
    annotations: Mapping[str, str]
    created: str
    epoch: int
    max_size: int
    platforms: tuple[ImagePlatform, ...]

    @property
    def reference(self) -> str:
        """`name:tag`."""
        return f"{self.name}:{self.tag}"

    @property
    def entrypoint(self) -> str:
        """The program's path in the image."""
        return f"/{FOLDER}/{self.program}"

    def as_json(self) -> dict[str, object]:
        """Return what `--dry-run --json` prints."""
        return {
            "image": self.name,
            "tag": self.tag,
            "file": self.file,
            "main": self.main,
            "entrypoint": self.entrypoint,
            "user": self.user,
            "env": list(self.env),
            "annotations": dict(self.annotations),
            "created": self.created,
            "platforms": {str(platform): platform.binary for platform in self.platforms},
        }


def plan(ledger: Ledger, config: model.Project, *, main: str = "", only: Iterable[str] = ()) -> ImagePlan:
    """Plan the image of what the ledger lists.

    Args:
        ledger: of an unsealed dist/.
        config: its `image` section counts.
        main: the package that is the entry point, instead of what the configuration says.
        only: platforms such as `linux/arm64`; empty means all.

    Raises:
        ImageNoPlatform: the folder has no program for Linux, so there is nothing that an image could run.
        ImageMainUnclear: several programs could be the image's entry point, or the named one does not exist.
        ImageNameInvalid: a registry would not accept the image's name or tag.
    """
    binaries = [artifact for artifact in ledger.of_kind("binary") if artifact.goos == "linux"]
    if not binaries:
        raise ImageNoPlatform(
            f"{ledger.project} {ledger.version} has no program for Linux",
            state="No image was written.",
            advice=["build one:  goferry build --targets linux/amd64,linux/arm64"],
        )
    mains = sorted({artifact.main for artifact in binaries})
    chosen = entry_point(mains, {service["main"] for service in ledger.services.values()}, config.image.main, main)
    found = [artifact for artifact in binaries if artifact.main == chosen]
    name, tag = _reference(config.image.name or name_of(ledger.project), ledger.version)
    created = ledger.date or "1970-01-01T00:00:00Z"
    args = [service.get("args", []) for service in ledger.services.values() if service["main"] == chosen]
    return ImagePlan(
        name=name,
        tag=tag,
        file=f"{name.replace('/', '-')}_{bare(ledger.version)}_oci.tar",
        project=ledger.project,
        main=chosen,
        program=str(found[0].meta["program"]),
        user=config.image.user,
        args=tuple(args[0]) if len(args) == 1 else (),
        env=_env(config.image.env),
        ports=tuple(sorted(port if "/" in port else f"{port}/tcp" for port in config.image.ports)),
        annotations=_annotations(ledger, config.image.labels, created),
        created=created,
        epoch=parse_time(created),
        max_size=config.image.max_size,
        platforms=_platforms(found, set(only)),
    )


def entry_point(mains: Iterable[str], services: Iterable[str], configured: str = "", asked: str = "") -> str:
    """Choose the package: the one asked for, else configured, else the only service's, else the only one.

    Args:
        mains: packages that have a program for Linux (`./cmd/api`).
        services: the services' packages.
        configured: `image.main`.
        asked: `--main`.

    Raises:
        ImageMainUnclear: naming the choices.
    """
    known, served = sorted(set(mains)), set(services)
    wanted = asked or configured
    if wanted:
        plain = posixpath.normpath(wanted)
        for candidate in (wanted, plain, f"./{plain}"):
            if candidate in known:
                return candidate
        raise _unclear(f"{wanted} is not a main package with a program for Linux", known)
    if len(served) == 1 and served <= set(known):
        return next(iter(served))
    if len(known) == 1:
        return known[0]
    raise _unclear("several programs could be the image's entry point", known)


def _unclear(what: str, known: list[str]) -> ImageMainUnclear:
    first = known[0] if known else "PACKAGE"
    named = [f"name one:  goferry image DIST --main {first}", "or set image.main in goferry.yml"]
    return ImageMainUnclear(
        f"{what}; there are {', '.join(known)}" if known else "no program is built for Linux",
        state="No image was written.",
        advice=named if known else ["build one:  goferry build --targets linux/amd64"],
        mains=known,
    )


def name_of(project: str) -> str:
    """Return the image's name that a project gets: in small letters, with separators as registries take them."""
    name = project.lower()
    return name if _NAME.fullmatch(name) else re.sub("[^a-z0-9]+", "-", name).strip("-")


def _reference(name: str, version: str) -> tuple[str, str]:
    tag = bare(version).replace("+", "-")
    for text, pattern, key in ((name, _NAME, "image.name"), (tag, _TAG, "--version")):
        if not pattern.fullmatch(text):
            raise ImageNameInvalid(f"{text!r} cannot be part of an image's reference", advice=[f"set {key}"])
    return name, tag


def _env(more: Mapping[str, str]) -> tuple[str, ...]:
    env = {"PATH": _PATH, "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt", **more}
    return tuple(f"{key}={env[key]}" for key in sorted(env))


def _annotations(ledger: Ledger, labels: Mapping[str, str], created: str) -> dict[str, str]:
    """Return the pre-defined annotations (OCI image-spec 1.1, annotations.md) and the user's; his count."""
    prefix = "org.opencontainers.image."
    host = ledger.module.split("/")[0]
    known = {
        "title": ledger.project,
        "version": ledger.version,
        "revision": ledger.commit,
        "created": created,
        "source": _source(ledger.module) if "." in host else "",
    }
    fields = templates.values(templates.FIELDS, ledger)
    own = {key: templates.expand(value, fields, f"image.labels.{key}") for key, value in labels.items()}
    return {**{prefix + key: value for key, value in known.items() if value}, **own}


def _source(module: str) -> str:
    """Return the repository's address, for hosts where the module path says it; else empty."""
    parts = module.split("/")
    return "https://" + "/".join(parts[:3]) if parts[0] in {"github.com", "bitbucket.org"} and len(parts) > 2 else ""


def _platforms(found: Iterable[Artifact], only: set[str]) -> tuple[ImagePlatform, ...]:
    made = [
        ImagePlatform(artifact.name, artifact.sha256, artifact.goarch, artifact.goarch, _variant(artifact))
        for artifact in found
    ]
    chosen = sorted((each for each in made if not only or str(each) in only), key=str)
    if not chosen or only - {str(each) for each in chosen}:
        missing = ", ".join(sorted(only - {str(each) for each in chosen}))
        raise ImageNoPlatform(
            f"there is no program for {missing}",
            state="No image was written.",
            advice=["there are: " + ", ".join(sorted(map(str, made)))],
        )
    return tuple(chosen)


def _variant(artifact: Artifact) -> str:
    """Translate GOARM, GOARM64 and GOAMD64 to the index's words; the plain platform has none, but for 32-bit ARM."""
    first = artifact.variant.split(",")[0].split(".")[0].removeprefix("v")
    if artifact.goarch == "arm":
        return f"v{first or 7}"
    if (artifact.goarch, first) in {("amd64", "1"), ("arm64", "8")}:
        return ""
    return f"v{first}" if first.isdigit() else first
