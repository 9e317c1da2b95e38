"""What a finished run came to, as the record that the HTML report draws (observe.report)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goferry.kernel.manifest import File
from goferry.pipeline.way import Release


def facts(
    release: Release,
    *,
    trust: Path,
    seconds: float,
    deployed: Mapping[str, Any] | None = None,
    root: Path | None = None,
) -> dict[str, Any]:
    """Return the record of a release and, when it was deployed, of its services; `deployed` as `deploy.deploy` returns.

    Paths in commands are relative to the folder above the release.
    """
    made, above = release.manifest, release.folder.parent
    return {
        "project": made.project,
        "version": made.version,
        "commit": made.commit,
        "snapshot": made.snapshot,
        "dirty": made.dirty,
        "created": made.created,
        "seconds": seconds,
        "artifacts": [
            {"name": one.name, "kind": one.kind, "size": one.size, "sha256": one.sha256, "target": _target(one)}
            for one in made.files
        ],
        "images": [
            {"name": image.name, "digest": image.digest, "platforms": list(image.platforms)} for image in made.images
        ],
        "toolchain": dict(made.toolchain),
        "trust": {
            "signers": [{"format": signer.format, "id": signer.id} for signer in release.verified.signers],
            "commands": [f"goferry verify {release.folder.name} --trust {_shown(trust, above)}"],
        },
        "services": _services(deployed, _shown(root, above)) if deployed and root else [],
    }


def _services(deployed: Mapping[str, Any], root: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "url": service.get("url", ""),
            "before": service.get("previous", ""),
            "now": service["version"],
            "switch_seconds": deployed["switch_ms"] / 1000,
            "rollback_command": f"goferry rollback --target local --root {root}" if service.get("previous") else "",
        }
        for name, service in sorted(deployed["services"].items())
    ]


def _target(entry: File) -> str:
    return "/".join(part for part in (entry.goos, entry.goarch, entry.variant) if part)


def _shown(path: Path | None, above: Path) -> str:
    """Return a path as a person types it in the folder `above`; of one elsewhere its name alone."""
    if path is None:
        return ""
    whole = path.absolute()
    return str(whole.relative_to(above)) if whole.is_relative_to(above) else whole.name
