"""An object of a release, read field by field, which afterwards knows what nobody asked for."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from services.transparency import tolerance, vocabulary
from services.transparency.tolerance import NotUnderstood

_STANDARD_NAMES = """
    documents milestones amendment amendments changes budget rationale procurementMethodRationale awardCriteria
    awardCriteriaDetails submissionMethod submissionMethodDetails enquiryPeriod hasEnquiries eligibilityCriteria awardPeriod
    numberOfTenderers numberOfTenders tenderers minValue contractPeriod additionalProcurementCategories implementation
    relatedProcesses initiationType planning tag id contactPoint additionalIdentifiers details uri roles language lots relatedLot
    relatedLots relatedBid statistics techniques lotGroups participationFees project projectID source additionalClassifications
    period durationInDays maxExtentDate date dateModified datePublished legalName streetAddress postalCode surveys dateSigned
    extendsContractID buyers guarantees memberOf beneficialOwners enquiries criteria auctions location coveredBy
    contractTerms electronicAuction startDate endDate value amount currency tenderPeriod procuringEntity procurementMethod
    procurementMethodDetails items title description status suppliers buyer url
"""
_STANDARD = frozenset(vocabulary.folded(name) for name in _STANDARD_NAMES.split())
"""Fields of OCDS 1.0, 1.1 and their usual extensions that this market has no use for yet."""


@lru_cache(maxsize=20_000)
def _folded(name: str) -> str:
    return vocabulary.folded(name)


class _Shape(dict[str, str | None]):
    """Of objects with these names: by each name that was asked for, the one it has. Most objects of a file have few shapes."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._exact = frozenset(names)
        self._folds = {_folded(name): name for name in reversed(names)}

    def __missing__(self, name: str) -> str | None:
        found = self[name] = name if name in self._exact else self._folds.get(_folded(name))
        return found


_shape = lru_cache(maxsize=5_000)(_Shape)


class Node:
    """A JSON object at ``path`` (without indices). Names match folded: ``awardID``, ``awardId`` and ``award_id`` are one.

    ``leftovers`` reports what has content and was not read: "not carried: tender.milestones" for fields of the standard and
    its extensions, "unknown field: tender.foo" for others. Values of a wrong type are reported when they are asked for.
    """

    __slots__ = ("children", "data", "ledger", "names", "path", "seen")

    def __init__(self, data: Mapping[str, Any], path: str, ledger: NotUnderstood) -> None:
        self.data, self.path, self.ledger = data, path, ledger
        self.seen: set[str] = set()
        self.children: dict[str, list[Node]] = {}
        self.names = _shape(tuple(data))

    def __bool__(self) -> bool:
        return bool(self.data)

    def raw(self, *names: str) -> Any:
        """The first of the names that has content. All of them count as read."""
        found = None
        for name in names:
            key = self.names[name]
            if key is not None:
                self.seen.add(key)
                if found is None and self.data[key] not in (None, "", [], {}):
                    found = self.data[key]
        return found

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def text(self, *names: str, language: str = "") -> str:
        """Plain text; where only translations are there (``title_fr``), that of ``language``, else English, else any."""
        found = self.raw(*names)
        if isinstance(found, dict):
            found = found.get(language) or found.get("en") or next(iter(found.values()), None)
        if found is None and (found := self._translated(names[0], language)) is None:
            return ""
        return tolerance.read_text(found, self._path(names[0]), self.ledger)

    def _translated(self, name: str, language: str) -> Any:
        prefix = f"{name}_"
        variants = {key[len(prefix) :]: key for key in self.data if key.startswith(prefix) and self.data[key]}
        key = variants.get(language) or variants.get("en") or next(iter(variants.values()), None)
        if key is None:
            return None
        self.seen.add(key)
        return self.data[key]

    def decimal(self, *names: str) -> Decimal | None:
        found = self.raw(*names)
        return None if found is None else tolerance.read_decimal(found, self._path(names[0]), self.ledger)

    def date(self, *names: str) -> datetime | None:
        found = self.raw(*names)
        return None if found is None else tolerance.read_date(found, self._path(names[0]), self.ledger)

    def currency(self, *names: str) -> str | None:
        found = self.raw(*names)
        return None if found is None else tolerance.read_currency(found, self._path(names[0]), self.ledger)

    def choice(self, table: Callable[[str], str | None], *names: str) -> str:
        found = self.raw(*names)
        return "" if found is None else tolerance.read_choice(found, self._path(names[0]), table, self.ledger)

    def node(self, *names: str) -> "Node":
        """The object of that name; an empty one where it is absent. A list of one object is that object."""
        if not self.data:
            return self
        if names[0] in self.children:
            return self.children[names[0]][0]
        found = self.raw(*names)
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        if found is not None and not isinstance(found, dict):
            self.ledger.add(f"{self._path(names[0])}: not an object", found)
            found = None
        self.children[names[0]] = [Node(found or {}, self._path(names[0]), self.ledger)]
        return self.children[names[0]][0]

    def nodes(self, *names: str) -> "list[Node]":
        """The objects of a list; one object alone, or objects by key, count as a list."""
        if not self.data:
            return []
        if names[0] not in self.children:
            self.children[names[0]] = self._nodes(*names)
        return self.children[names[0]]

    def _nodes(self, *names: str) -> "list[Node]":
        found = self.raw(*names)
        if isinstance(found, dict):
            by_key = "identifier" not in found and all(isinstance(one, dict) for one in found.values())
            found = list(found.values()) if by_key else [found]
        if found is not None and not isinstance(found, list):
            self.ledger.add(f"{self._path(names[0])}: not a list of objects", found)
            return []
        return list(self._objects(found or [], names[0]))

    def _objects(self, found: list[Any], name: str) -> "Iterator[Node]":
        for one in found:
            if isinstance(one, dict):
                if one:
                    yield Node(one, self._path(name), self.ledger)
            elif one is not None:
                self.ledger.add(f"{self._path(name)}: not an object", one)

    def texts(self, *names: str) -> list[str]:
        """Words of a list; one word alone, or several with commas or semicolons between, count as a list."""
        found = self.raw(*names)
        if isinstance(found, str):
            found = found.replace(";", ",").split(",")
        if found is not None and not isinstance(found, list):
            self.ledger.add(f"{self._path(names[0])}: not a list", found)
            found = None
        words = (tolerance.read_text(one, self._path(names[0]), self.ledger) for one in found or [])
        return [word for word in words if word]

    def ignore(self, *names: str) -> None:
        """These carry nothing that another field does not."""
        self.raw(*names)

    def discard(self) -> None:
        """Nothing in it is of interest any more."""
        self.seen.update(self.data)

    def leftovers(self) -> None:
        for key, value in self.data.items():
            if key in self.seen or not _has_content(value):
                continue
            kind, known = _leftover(self.path, tolerance.read_text(key, "name", self.ledger)[:60])
            self.ledger.add(kind, None if known else value)
        for children in self.children.values():
            for child in children:
                child.leftovers()


@lru_cache(maxsize=20_000)
def _leftover(path: str, name: str) -> tuple[str, bool]:
    """(what the ledger calls a field that was not read, whether the standard knows it)."""
    whole = f"{path}.{name}" if path else name
    base, mark, suffix = whole.rpartition("_")
    if mark and len(suffix) <= 3 and vocabulary.language(suffix):
        return f"not carried: {base}_* (translations)", True
    if _folded(name) in _STANDARD:
        return f"not carried: {whole}", True
    return f"unknown field: {whole}", False


def _has_content(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_content(one) for one in value.values())
    if isinstance(value, list):
        return any(_has_content(one) for one in value)
    return value is not None and value != ""
