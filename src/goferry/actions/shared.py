"""What several actions read in the same way: the folder of a release, keys, GitHub, and the project."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from goferry.artifacts import tarball
from goferry.config.context import Context
from goferry.kernel.errors import Advice, Misuse
from goferry.observe.events import Stream
from goferry.runner import child_environment
from goferry.runner.errors import InputInvalid
from goferry.runner.job import Job
from goferry.system import keytext

if TYPE_CHECKING:
    from goferry.pipeline.project import OpenProject, ProjectRequest
    from goferry.release import GitHub
    from goferry.trust.signer import SigningKey


CHECK_OUT = Advice("", step="add a step before, if none is there:  - uses: actions/checkout@REF", caller="")


def directory(job: Job) -> Path:
    """Return the folder that the action works in.

    Raises:
        InputInvalid: it is not there.
    """
    path = job.inputs.path("working-directory", ".")
    if not path.is_dir():
        raise InputInvalid(
            f"the input working-directory is {job.inputs.text('working-directory')!r}, and there is no such folder",
            state="Nothing was started.",
            advice=["it is relative to the workspace", CHECK_OUT],
        )
    return path


def request(job: Job, out: Path | None = None) -> ProjectRequest:
    """Return which project the inputs name.

    Raises:
        InputInvalid: its folder is not there.
    """
    from goferry.pipeline.project import ProjectRequest

    return ProjectRequest(
        directory(job),
        job.inputs.text("project"),
        job.inputs.text("version"),
        tuple(job.inputs.lines("targets", commas=True)),
        out,
        job.inputs.text("go-version"),
        job.inputs.text("tag"),
    )


def opened(job: Job, *, stream: Stream, out: Path | None = None) -> OpenProject:
    """Open the project that the inputs name; raises what `open_project` raises."""
    from goferry.pipeline.project import open_project

    return open_project(Context(job.settings, stream), request(job, out))


def meaning(job: Job, opened: OpenProject) -> str:
    """Return what the push means for the project, as `push.meaning`; a tag that releases nothing is reported.

    Raises:
        TagUnreleased, TagForbidden: as `push.of_project`.
    """
    from goferry.gobuild.trigger import Trigger
    from goferry.pipeline import push

    trigger = Trigger.from_environ(job.environ, tag=job.inputs.text("tag"))
    found = push.of_project(trigger, opened.facts, from_fork=job.from_fork)
    if found.notice:
        job.notice(found.notice, "no release")
    return found.means


def refuse_closed(job: Job, tag: str) -> None:
    """Refuse, before anything is built, to release a tag whose release takes no file any more.

    Raises:
        ReleaseIncomplete: and what GitHub's interface raises.
    """
    from goferry import release

    release.refuse_closed(tag, github(job), settings=job.settings)


def folder(job: Job) -> Path:
    """Return the folder that `dist` names, from the workspace: itself, or a tar's content; DIR/dist when it is empty.

    Raises:
        ParcelMissing, ParcelUnsafe: there is none, or the tar is not a dist/ folder.
    """
    path = job.inputs.path("dist") if job.inputs.text("dist") else directory(job) / "dist"
    if path.is_dir():
        return path
    if path.suffix != ".tar":
        raise tarball.ParcelMissing(
            f"there is no folder {job.relative(path)}",
            state="Nothing was started.",
            advice=["is it made by a step before, or downloaded?", "name it:  with: {dist: FOLDER or FILE.tar}"],
        )
    base = job.temp / "goferry"
    base.mkdir(parents=True, exist_ok=True)
    return tarball.unpack(path, base / f"dist-{secrets.token_hex(4)}")


def signers(job: Job) -> list[SigningKey]:
    """Read the signing keys of the step's `env:`; they are written to no file.

    Raises:
        SecretMissing: a secret that the action needs is empty.
        KeyUnusable: a signing key cannot be read or cannot sign.
        PassphraseWrong: the secret key is protected, and the passphrase is missing or wrong.
    """
    from goferry.trust import keys
    from goferry.trust.errors import KeyUnusable, PassphraseWrong

    if not job.secret("GOFERRY_MINISIGN_KEY"):
        job.required_secret("GOFERRY_SIGNING_KEY", "to sign the release (or GOFERRY_MINISIGN_KEY)")

    def secret(name: str) -> keys.Secret | None:
        data = job.secret(name).encode("utf-8", "surrogateescape")
        return keys.Secret(f"the secret {name}", data) if data else None

    for key in ("GOFERRY_SIGNING_KEY", "GOFERRY_MINISIGN_KEY"):  # the runner masks no text that a secret is base64 of
        job.mask(keytext.unwrapped(job.secret(key).encode("utf-8", "surrogateescape")).decode("utf-8", "replace"))
    try:
        return keys.load_signers(
            openpgp_key=secret("GOFERRY_SIGNING_KEY"),
            minisign_key_file=secret("GOFERRY_MINISIGN_KEY"),
            passphrase_file=secret("GOFERRY_SIGNING_PASSPHRASE"),
            settings=job.settings,
        )
    except (KeyUnusable, PassphraseWrong) as error:
        named = [name for name in child_environment.SECRETS if name in error.what]
        error.advice = (*error.advice, *(f"store it:  gh secret set {name} < FILE" for name in named))
        raise


def github(job: Job) -> GitHub:
    """Return the repository on GitHub, with the step's token."""
    from goferry.release import GitHub

    token = job.inputs.text("token")
    job.mask(token)
    return GitHub(job.repository, token, job.api_url, job.server_url)


def release_folder(job: Job, *, stream: Stream) -> Path:
    """Return the folder that holds the release: what `release` names, downloaded and checked, else `dist`'s.

    Raises:
        Misuse: both are given. And what `release.download` and `folder` raise.
    """
    reference = job.inputs.text("release")
    if not reference:
        return folder(job)
    if job.inputs.text("dist"):
        raise Misuse("both release and dist are given", state="Nothing was started.", advice=["give one of them"])
    from goferry import release

    where = job.temp / "goferry" / f"release-{secrets.token_hex(4)}"
    release.download(Context(job.settings, stream), reference, where, github=github(job))
    return where


def trust_file(job: Job) -> Path:
    """Return the trust file, from the workspace.

    Raises:
        InputInvalid: it is not there.
    """
    path = job.inputs.path("trust", "goferry.trust")
    if not path.is_file():
        raise InputInvalid(
            f"there is no trust file {job.inputs.text('trust', 'goferry.trust')} in the workspace",
            state="Nothing was verified.",
            advice=[
                "commit the one that goferry keygen made:  cp KEYS/goferry.trust . && git add goferry.trust",
                CHECK_OUT,
            ],
        )
    return path
