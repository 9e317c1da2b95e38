"""GitHub releases: a sealed folder becomes a published release, and a reference becomes a folder again.

publish    verify the folder → find or make the draft → upload what is missing → download again → publish once
download   reference → release.json by its digest → files by release.json, each before it gets its name

reference  `v1.4.0@sha256:<SHA-256 of release.json>`: what one job hands to the next
plan       what is there and what should be → steps (pure)
api        GitHub's REST interface, through PyGithub; transfer: the assets' bytes, streamed
"""

from goferry.release import reference
from goferry.release.closed import refuse_closed
from goferry.release.downloading import download
from goferry.release.publishing import publish
from goferry.release.repository import GitHub

__all__ = ["GitHub", "download", "publish", "reference", "refuse_closed"]
