"""An object of a release, which is read field by field, and then reports the fields that were not read."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from services.transparency.ocds import tolerance, vocabulary
from services.transparency.ocds.fitting import LABEL, cut
from services.transparency.ocds.tolerance import NotUnderstood

_STANDARD_NAMES = """
    documents milestones amendment amendments changes budget rationale procurementMethodRationale awardCriteria
    awardCriteriaDetails submissionMethod submissionMethodDetails enquiryPeriod hasEnquiries eligibilityCriteria awardPeriod
    numberOfTenderers numberOfTenders tenderers minValue contractPeriod additionalProcurementCategories implementation
    relatedProcesses initiationType planning tag id contactPoint additionalIdentifiers details uri roles language lots relatedLot
    relatedLots relatedBid statistics techniques lotGroups participationFees project projectID source additionalClassifications
    period durationInDays maxExtentDate date dateModified datePublished legalName streetAddress postalCode surveys dateSigned
    extendsContractID buyers guarantees memberOf beneficialOwners enquiries criteria auctions location coveredBy
    contractTerms electronicAuction startDate endDate value amount currency tenderPeriod procuringEntity procurementMethod
    procurementMethodDetails items title description status suppliers buyer url deliveryAddress deliveryAddresses deliveryLocation
    deliveryLocations
"""
_MAY_BE_EMPTY = frozenset({str, list, dict})
_STANDARD = frozenset(vocabulary.folded(name) for name in _STANDARD_NAMES.split())
"""Fields of OCDS 1.0, 1.1 and their usual extensions that this market does not use yet."""


@lru_cache(maxsize=20_000)
def _folded(name: str) -> str:
    return vocabulary.folded(name)


class _Shape(dict[str, str | None]):
    """The shape of objects with these names: for each requested name, the name that they have. The objects of a file
    have only a few shapes."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names, self._exact = names, frozenset(names)
        self._variants: dict[str, tuple[tuple[str, str], ...]] = {}
        self._folds = {_folded(name): name for name in reversed(names)}

    def __missing__(self, name: str) -> str | None:
        found = self[name] = name if name in self._exact else self._folds.get(_folded(name))
        return found

    def variants(self, name: str) -> tuple[tuple[str, str], ...]:
        """The translations of a field: (language, its name)."""
        found = self._variants.get(name)
        if found is None:
            begins = f"{name}_"
            found = tuple((each[len(begins) :], each) for each in self._names if each.startswith(begins))
            self._variants[name] = found
        return found


_shape = lru_cache(maxsize=5_000)(_Shape)


class Node:
    """A JSON object at ``path`` (without indices). Names match folded: ``awardID``, ``awardId`` and ``award_id`` are one.

    ``leftovers`` reports what has content and was not read: "not carried: tender.milestones" for fields of the standard and
    its extensions, "unknown field: tender.foo" for others. Values of a wrong type are reported when they are asked for.
    """

    __slots__ = ("children", "cut", "data", "ledger", "names", "path", "seen")

    def __init__(self, data: Mapping[str, Any], path: str, ledger: NotUnderstood) -> None:
        self.data, self.path, self.ledger = data, path, ledger
        self.seen: set[str] = set()
        self.cut: dict[str, str] | None = None
        self.children: dict[str, list[Node]] = {}
        self.names = _shape(tuple(data))

    def __bool__(self) -> bool:
        return bool(self.data)

    def raw(self, *names: str) -> Any:
        """The first of the names that has content. All matching names count as read."""
        found = None
        for name in names:
            key = self.names[name]
            if key is not None:
                self.seen.add(key)
                if found is None:
                    value = self.data[key]
                    if value or (value is not None and type(value) not in _MAY_BE_EMPTY):
                        found = value
        return found

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def text(self, *names: str, language: str = "", most: int = LABEL) -> str:
        """Plain text. If there are only translations (``title_fr``): the one in ``language``, else English, else any. A
        text with more than ``most`` characters is cut."""
        found = self.raw(*names)
        if type(found) is str and tolerance.is_clean(found):
            text = found.strip()
        else:
            if isinstance(found, dict):
                found = found.get(language) or found.get("en") or next(iter(found.values()), None)
            if found is None and (found := self._translated(names[0], language)) is None:
                return ""
            text = tolerance.read_text(found, self._path(names[0]), self.ledger)
        return text if len(text) <= most else self._cut(text, most, names[0])

    def _cut(self, text: str, most: int, name: str) -> str:
        """Cut the text. This is counted once for a field, however often it is read."""
        if self.cut is None:
            self.cut = {}
        if name not in self.cut:
            self.cut[name] = cut(text, most, self._path(name), self.ledger)
        return self.cut[name]

    def _translated(self, name: str, language: str) -> Any:
        variants = {code: key for code, key in self.names.variants(name) if self.data[key]}
        if not variants:
            return None
        key = variants.get(language) or variants.get("en") or next(iter(variants.values()))
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
        """The object with that name; an empty one if it is absent. A list with one object counts as that object."""
        if not self.data:
            return self
        known = self.children.get(names[0])
        if known is None:
            known = self.children[names[0]] = [self._node(*names)]
        return known[0]

    def first(self, name: str, several: str) -> "Node":
        """The object ``name``, else the first of the list ``several``, as in newer extensions; the others are reported
        as not carried."""
        if found := self.node(name):
            return found
        first, *others = self.nodes(several) or [_NOTHING]
        for other in others:
            self.ledger.add(f"not carried: {self._path(several)}", dict(other.data))
            other.seen.update(other.data)
        return first

    def _node(self, *names: str) -> "Node":
        found = self.raw(*names)
        if found is None:
            return _NOTHING
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        if found is None or isinstance(found, dict):
            return Node(found, self._path(names[0]), self.ledger) if found else _NOTHING
        self.ledger.add(f"{self._path(names[0])}: not an object", found)
        return _NOTHING

    def nodes(self, *names: str) -> "list[Node]":
        """The objects of a list; a single object, or objects by key, count as a list."""
        if not self.data:
            return []
        known = self.children.get(names[0])
        if known is None:
            known = self.children[names[0]] = self._nodes(*names)
        return known

    def _nodes(self, *names: str) -> "list[Node]":
        found = self.raw(*names)
        if isinstance(found, dict):
            by_key = "identifier" not in found and all(isinstance(one, dict) for one in found.values())
            found = list(found.values()) if by_key else [found]
        if found is not None and not isinstance(found, list):
            self.ledger.add(f"{self._path(names[0])}: not a list of objects", found)
            return []
        return self._objects(found, self._path(names[0])) if found else []

    def _objects(self, found: list[Any], path: str) -> "list[Node]":
        objects = []
        for one in found:
            if isinstance(one, dict):
                if one:
                    objects.append(Node(one, path, self.ledger))
            elif one is not None:
                self.ledger.add(f"{path}: not an object", one)
        return objects

    def texts(self, *names: str) -> list[str]:
        """The words of a list; a single word, or several words separated by commas or semicolons, count as a list."""
        found = self.raw(*names)
        if isinstance(found, str):
            found = found.replace(";", ",").split(",")
        if found is not None and not isinstance(found, list):
            self.ledger.add(f"{self._path(names[0])}: not a list", found)
            found = None
        words = (tolerance.read_text(one, self._path(names[0]), self.ledger) for one in found or [])
        return [word for word in words if word]

    def ignore(self, *names: str) -> None:
        """Mark these fields as read: they only repeat other fields."""
        self.raw(*names)

    def discard(self) -> None:
        """Mark everything in the object as read."""
        self.seen.update(self.data)

    def leftovers(self) -> None:
        seen, ledger = self.seen, self.ledger
        if len(seen) < len(self.data):
            for key, value in self.data.items():
                if key not in seen and (value if type(value) is str else _has_content(value)):
                    kind, known, clean = _leftover(self.path, key)
                    if not clean:
                        tolerance.read_text(key, "name", ledger)  # what is lost in it is reported each time
                    ledger.add(kind, None if known else value)
        for children in self.children.values():
            for child in children:
                if child.data:
                    child.leftovers()


_NOTHING = Node({}, "", NotUnderstood())
"""An absent object: it has no content, so nothing is reported about it."""


@lru_cache(maxsize=20_000)
def _leftover(path: str, key: str) -> tuple[str, bool, bool]:
    """(name in the ledger for a field that was not read, whether it belongs to the standard, whether its name is
    readable)."""
    clean = tolerance.is_clean(key)
    name = tolerance.read_text(key, "name", NotUnderstood())[:60]
    whole = f"{path}.{name}" if path else name
    base, mark, suffix = whole.rpartition("_")
    if mark and len(suffix) <= 3 and vocabulary.language(suffix):
        return f"not carried: {base}_* (translations)", True, clean
    if _folded(name) in _STANDARD:
        return f"not carried: {whole}", True, clean
    return f"unknown field: {whole}", False, clean


def _has_content(value: Any) -> bool:
    kind = type(value)
    if kind is not dict and kind is not list:
        return value is not None and value != ""
    return any(map(_has_content, value.values() if kind is dict else value))
