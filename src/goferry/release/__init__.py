"""GitHub releases: a sealed folder becomes a published release, and a reference becomes a folder again.

`publish` verifies the folder, finds or makes the draft, uploads what is missing, downloads it again and publishes
once. `download` takes a `reference`, `v1.4.0@sha256:<SHA-256 of release.json>`, which one job hands to the next,
fetches release.json by its digest, and the files by release.json.

Contract (what other rooms import; a module with `_` is private):

    errors  what can go wrong between a sealed folder and a release
"""

from goferry.release import _reference as reference
from goferry.release._closed import refuse_closed
from goferry.release._downloading import download
from goferry.release._publishing import publish
from goferry.release._repository import GitHub

__all__ = ["GitHub", "download", "publish", "reference", "refuse_closed"]
