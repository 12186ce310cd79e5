"""Release packages and record packages of this market, in the form of OCDS 1.1."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.transparency.ocds.merging import merge
from services.transparency.ocds.parts import Json, date

LICENCE = "https://creativecommons.org/licenses/by/4.0/"
LICENCE_NAME = "Creative Commons Attribution 4.0"
_REPOSITORIES = "https://raw.githubusercontent.com/open-contracting-extensions"
EXTENSIONS = [
    f"{_REPOSITORIES}/ocds_bid_extension/master/extension.json",
    f"{_REPOSITORIES}/ocds_location_extension/master/extension.json",
    f"{_REPOSITORIES}/ocds_lots_extension/master/extension.json",
    f"{_REPOSITORIES}/ocds_techniques_extension/master/extension.json",
]


def package(public_url: str, path: str, published_at: datetime) -> Json:
    """The envelope of a package that is served at ``path``, without releases or records."""
    return {
        "uri": f"{public_url}{path}",
        "version": "1.1",
        "extensions": EXTENSIONS,
        "publishedDate": date(published_at),
        "publisher": {"name": "Lonja", "uri": public_url},
        "license": LICENCE,
        "publicationPolicy": f"{public_url}/transparency",
    }


def record_package(public_url: str, history: Sequence[Mapping[str, Any]], *, linked: bool = False) -> Json:
    """All releases of one process (at least one), and the compiled release. ``linked``: the releases are replaced by
    links, as OCDS proposes for records that would be too large."""
    last = max(history, key=lambda release: release["date"])
    ocid = last["ocid"]
    compiled = {**merge(history), "id": f"{ocid}-{last['date']}", "date": last["date"], "tag": ["compiled"]}
    envelope = package(public_url, f"/ocds/records/{ocid}", datetime.fromisoformat(last["date"]))
    releases = [_link(public_url, release) for release in history] if linked else list(history)
    return {**envelope, "records": [{"ocid": ocid, "releases": releases, "compiledRelease": compiled}]}


def _link(public_url: str, release: Mapping[str, Any]) -> Json:
    return {"url": f"{public_url}/ocds/releases/{release['id']}", "date": release["date"], "tag": release["tag"]}
