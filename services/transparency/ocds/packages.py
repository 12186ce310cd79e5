"""Unpacks documents (packages, records, wrappers, lists, versioned releases, in OCDS 1.0 and 1.1) into releases."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from services.transparency.ocds import vocabulary
from services.transparency.ocds.documents import Document, UnreadablePiece, canonical
from services.transparency.ocds.fitting import LABEL, PROSE, cut
from services.transparency.ocds.merging import latest, merge
from services.transparency.ocds.tolerance import NotUnderstood, read_date, read_text

_WRAPPERS = ("package", "release", "record", "data", "results", "result", "items", "hits", "_source", "body")
_SECTIONS = ("planning", "tender", "bids", "awards", "contracts", "buyer", "parties")
_ABOUT = ("publisher", "license", "publishedDate", "uri")


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One publication about one process: the unit that is counted. A record counts as the one release it compiles to.

    ``digest`` depends only on the content, so that the same release in another file or line is recognised.
    """

    ocid: str
    body: dict[str, Any]
    digest: str
    where: str
    released_at: str
    """The date in ISO 8601 in UTC, or "" if the release has no readable date; such releases come first."""
    publisher: str = ""
    licence: str = ""
    country: str | None = None
    """The country of the publisher, from its web address."""


def unpack(document: Document, ledger: NotUnderstood) -> Iterator[Release | UnreadablePiece]:
    """All releases of a document. Elements that are not releases are returned as UnreadablePiece."""
    yield from _unpack(document.body, document.where, {}, ledger, depth=0)


def _unpack(
    body: Any, where: str, about: Mapping[str, Any], ledger: NotUnderstood, depth: int
) -> Iterator[Release | UnreadablePiece]:
    if depth > 8:
        yield UnreadablePiece(where, "document: wrapped too deeply", "eight wrappers and still no release")
    elif isinstance(body, list):
        if not body:
            yield UnreadablePiece(where, "document: an empty list", "no release in it")
        for number, element in enumerate(body, start=1):
            yield from _unpack(element, f"{where}[{number}]", about, ledger, depth + 1)
    elif not isinstance(body, dict):
        yield UnreadablePiece(where, "document: not an object", f"a {type(body).__name__}")
    else:
        about = {**about, **{key: body[key] for key in _ABOUT if body.get(key)}}
        yield from _unpack_object(body, where, about, ledger, depth)


def _unpack_object(
    body: dict[str, Any], where: str, about: Mapping[str, Any], ledger: NotUnderstood, depth: int
) -> Iterator[Release | UnreadablePiece]:
    ledger.where = where
    members = body.get("records"), body.get("releases")
    if _is_record(body):
        yield _of_record(body, where, about, ledger)
    elif any(isinstance(body.get(section), dict | list) for section in _SECTIONS) and members == (None, None):
        yield _of_release(latest(body) if _is_versioned(body) else body, body, where, about, ledger)
    elif any(isinstance(member, dict | list) for member in members):
        for member in members:
            elements = list(member.values()) if isinstance(member, dict) else member
            if elements:
                yield from _unpack(elements, where, about, ledger, depth + 1)
        if not any(members):
            yield UnreadablePiece(where, "package: empty", "no release in it")
    elif inner := next((key for key in _WRAPPERS if isinstance(body.get(key), dict | list)), None):
        label = body.get("file") or body.get("name") or body.get("url")
        where = f"{where} ({read_text(label, 'file', ledger)[:200]})" if isinstance(label, str) else where
        yield from _unpack(body[inner], where, about, ledger, depth + 1)
    elif "ocid" in body:
        yield _of_release(body, body, where, about, ledger)
    else:
        yield UnreadablePiece(where, "document: neither release, record nor package", ", ".join(map(str, body))[:80])


def _is_record(body: Mapping[str, Any]) -> bool:
    return "compiledRelease" in body or "versionedRelease" in body or ("ocid" in body and "releases" in body)


def _of_record(
    body: Mapping[str, Any], where: str, about: Mapping[str, Any], ledger: NotUnderstood
) -> Release | UnreadablePiece:
    """The release of a record: the compiled release, completed by sections that only single releases have; else the
    merged releases; else the versioned release."""
    compiled, versioned = body.get("compiledRelease"), body.get("versionedRelease")
    listed = body.get("releases")
    candidates = list(listed.values()) if isinstance(listed, dict) else listed if isinstance(listed, list) else []
    releases = [one for one in candidates if isinstance(one, dict) and any(one.get(section) for section in _SECTIONS)]
    if isinstance(compiled, dict) and compiled:
        whole = latest(compiled) if _is_versioned(compiled) else compiled
        if missing := {section for section in _SECTIONS if not whole.get(section)}:
            merged = merge(releases)
            whole = {**whole, **{section: merged[section] for section in missing if merged.get(section)}}
    elif releases:
        whole = merge(releases)
    elif isinstance(versioned, dict) and versioned:
        whole = latest(versioned)
    elif candidates:
        return UnreadablePiece(where, "record: only links to its releases", str(body.get("ocid")))
    else:
        return UnreadablePiece(where, "record: empty", str(body.get("ocid")))
    return _of_release(whole, body, where, about, ledger)


def _is_versioned(body: Mapping[str, Any]) -> bool:
    """Versioned releases give a list of {releaseDate, releaseID, value} for each plain field (OCDS, record reference)."""
    return any(
        isinstance(value, list)
        and value
        and isinstance(value[0], dict)
        and "releaseDate" in value[0]
        and "value" in value[0]
        for value in (body.get(key) for key in ("language", "initiationType", "title", "date", "tag"))
    ) or any(
        isinstance(value, list) and value and isinstance(value[0], dict) and "releaseDate" in value[0]
        for section in ("tender", "buyer", "planning")
        if isinstance(body.get(section), dict)
        for value in body[section].values()
    )


def _of_release(
    whole: dict[str, Any], outer: Mapping[str, Any], where: str, about: Mapping[str, Any], ledger: NotUnderstood
) -> Release | UnreadablePiece:
    if not any(whole.get(section) for section in _SECTIONS):
        return UnreadablePiece(where, "release: nothing in it", str(outer.get("ocid")))
    ocid = _ocid(whole, outer, ledger)
    if not ocid:
        return UnreadablePiece(where, "release: no ocid", str(whole.get("id")))
    inner = whole.get("packageInfo")
    about = {**about, **(inner if isinstance(inner, dict) else {})}
    released_at = read_date(whole.get("date"), "date", ledger) or read_date(
        about.get("publishedDate"), "publishedDate", NotUnderstood()
    )
    publisher = about.get("publisher")
    name = publisher.get("name") if isinstance(publisher, dict) else publisher
    return Release(
        ocid=ocid,
        body=whole,
        digest=hashlib.sha256(canonical([ocid, whole])).hexdigest(),
        where=where,
        released_at=released_at.isoformat() if released_at else "",
        publisher=cut(read_text(name, "publisher", ledger), LABEL, "publisher", ledger),
        licence=cut(read_text(about.get("license"), "license", ledger), PROSE, "license", ledger),
        country=_country(publisher.get("uri") if isinstance(publisher, dict) else None, about.get("uri")),
    )


def _country(*addresses: Any) -> str | None:
    for address in addresses:
        if isinstance(address, str) and (found := vocabulary.country_of_address(address)):
            return found
    return None


def _ocid(whole: Mapping[str, Any], outer: Mapping[str, Any], ledger: NotUnderstood) -> str:
    for holder in (whole, outer, *(whole.get(section) for section in _SECTIONS)):
        if isinstance(holder, dict) and (ocid := holder.get("ocid") or holder.get("OCID") or holder.get("ocId")):
            if isinstance(ocid, str | int) and not isinstance(ocid, bool):
                return read_text(ocid, "ocid", ledger)[:200]
            ledger.add("ocid: not a text", ocid)
    own = whole.get("id")
    if isinstance(own, str | int) and not isinstance(own, bool) and own != "":
        ledger.add("ocid: missing, the release's id was used instead", own)
        return read_text(own, "id", ledger)[:200]
    return ""
