"""Builders of small publications, and a function that reads them completely."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from services.transparency.ocds.documents import UnreadablePiece, read_documents
from services.transparency.ocds.packages import Release, unpack
from services.transparency.ocds.process import OcdsProcess
from services.transparency.ocds.releases import read_process
from services.transparency.ocds.tolerance import NotUnderstood


def read(path: Path, ledger: NotUnderstood) -> tuple[list[Release], list[UnreadablePiece]]:
    """All releases of a file, and the elements that are not releases."""
    found = [
        one
        for document in read_documents(path, ledger)
        for one in ([document] if isinstance(document, UnreadablePiece) else unpack(document, ledger))
    ]
    return [one for one in found if isinstance(one, Release)], [
        one for one in found if isinstance(one, UnreadablePiece)
    ]


def processes(releases: Iterable[Release], ledger: NotUnderstood) -> list[OcdsProcess]:
    by_ocid: dict[str, list[Release]] = {}
    for release in releases:
        by_ocid.setdefault(release.ocid, []).append(release)
    return [read_process(group, ledger) for group in by_ocid.values()]


def a_release(ocid: str = "ocds-abc123-1", **fields: Any) -> dict[str, Any]:
    """A contract of 10 boxes for 100 EUR between two organisations of OCDS 1.1."""
    return {
        "ocid": ocid,
        "id": "1",
        "date": "2024-05-01T10:00:00Z",
        "language": "en",
        "tag": ["contract"],
        "parties": [
            {"id": "B", "name": "City", "roles": ["buyer"], "identifier": {"scheme": "XX-REG", "id": "11"}},
            {"id": "S", "name": "Shop Ltd", "roles": ["supplier"], "identifier": {"scheme": "XX-REG", "id": "22"}},
        ],
        "buyer": {"id": "B", "name": "City"},
        "tender": {"id": "t", "title": "Paper", "status": "complete", "procurementMethod": "open"},
        "awards": [
            {
                "id": "a",
                "status": "active",
                "date": "2024-04-20",
                "suppliers": [{"id": "S", "name": "Shop Ltd"}],
                "value": {"amount": 100, "currency": "EUR"},
                "items": [
                    {
                        "id": "1",
                        "description": "Paper A4",
                        "quantity": 10,
                        "classification": {"scheme": "CPV", "id": "30197644-2"},
                        "unit": {"name": "kg", "value": {"amount": 10, "currency": "EUR"}},
                    }
                ],
            }
        ],
        "contracts": [{"id": "c", "awardID": "a", "status": "active", "value": {"amount": 100, "currency": "EUR"}}],
        **fields,
    }
