"""Map a release, single or merged, of OCDS 1.0 or 1.1, to a :class:`~services.transparency.ocds.process.OcdsProcess`."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from events.values import Line, Place, Source
from services.transparency.ocds import vocabulary
from services.transparency.ocds.fitting import LABEL
from services.transparency.ocds.lines import main_category, read_category, read_lines, read_location
from services.transparency.ocds.merging import merge
from services.transparency.ocds.node import Node
from services.transparency.ocds.organisations import OcdsOrganisations, RegionCode, no_regions, read_place
from services.transparency.ocds.packages import Release
from services.transparency.ocds.process import (
    OcdsAward,
    OcdsBid,
    OcdsContract,
    OcdsOrganisation,
    OcdsProcess,
    derived_id,
)
from services.transparency.ocds.tolerance import NotUnderstood, read_choice, read_text

_LONGEST_DESCRIPTION = 10_000


def publisher_of(ocid: str) -> str:
    """Return the prefix that is registered for the publisher ("ocds-03ad3f"), or the first part of an ocid without one."""
    found = re.match(r"ocds-[a-z0-9]{6,8}", ocid, re.IGNORECASE)
    return found[0].lower() if found else re.split(r"[-_/:]", ocid, maxsplit=1)[0]


def read_release(
    ocid: str,
    body: Mapping[str, Any],
    source: Source,
    ledger: NotUnderstood,
    country: str | None = None,
    region_code: RegionCode = no_regions,
) -> OcdsProcess:
    """Read a release. ``country`` is the publisher's country, for places without a country. No release is refused: a
    value that cannot be read is reported in the ledger, and its field in the Process stays empty."""
    return _ReleaseReading(ocid, body, source, ledger, country, region_code).process()


def read_process(
    releases: Sequence[Release], ledger: NotUnderstood, region_code: RegionCode = no_regions
) -> OcdsProcess:
    """Return the state of a process. ``releases`` are all known releases of its ocid, at least one, in any order."""
    ordered = sorted(releases, key=lambda release: (release.released_at, release.digest))
    last = ordered[-1]
    body = last.body if len(ordered) == 1 else merge(release.body for release in ordered)
    source = Source(
        publisher=next((one.publisher for one in reversed(ordered) if one.publisher), ""),
        document=last.where,
        licence=next((one.licence for one in reversed(ordered) if one.licence), ""),
        published_at=datetime.fromisoformat(last.released_at) if last.released_at else None,
    )
    country = next((one.country for one in reversed(ordered) if one.country), None)
    return read_release(last.ocid, body, source, ledger, country, region_code)


class _ReleaseReading:
    """One pass over one release, with the data that all parts need."""

    def __init__(
        self,
        ocid: str,
        body: Mapping[str, Any],
        source: Source,
        ledger: NotUnderstood,
        country: str | None,
        region_code: RegionCode,
    ) -> None:
        self.ocid, self.source, self.ledger, self.region_code = ocid, source, ledger, region_code
        self.country = country
        self.root = Node(body, "", ledger)
        self.root.ignore(
            "ocid", "id", "packageInfo", "validationErrors", "version", "url", "publishedDate", "_id", "@context"
        )
        self.root.texts("tag")
        self.tender = self.root.node("tender")
        self.tender.ignore("id", "ocid", "url")
        self.language = read_choice(self.root.raw("language"), "language", vocabulary.language, ledger)
        self.organisations = OcdsOrganisations(publisher_of(ocid), ledger, region_code)
        self.organisations.add_parties(self.root.nodes("parties"))
        self.currency: str | None = None
        self.award_ids: dict[str, OcdsAward] = {}

    def process(self) -> OcdsProcess:
        tender, planning = self.tender, self._planning()
        buyer = self._buyer()
        for tenderer in tender.nodes("tenderers"):
            self.organisations.refer(tenderer, "supplier")
        amount, self.currency = self._value(tender.node("value"))
        lines = self._lines(tender, None, self.currency)
        bids = tuple(self._bids())
        awards = tuple(self._awards())
        contracts = tuple(self._contracts(awards))
        planned = [line for plan in planning for line in self._lines(plan.node("tender"), None, self.currency)]
        awarded = [line for award in awards for line in award.lines]
        everything = (*lines, *awarded, *(line for contract in contracts for line in contract.lines), *planned)
        classified = read_category(tender.node("classification"), "")
        period, status = tender.node("tenderPeriod"), self._status(planning)
        place = self._place(lines, buyer)
        sums: tuple[OcdsAward | OcdsContract | OcdsBid, ...] = (*awards, *contracts, *bids)
        currency = self.currency or next((one.currency for one in sums if one.currency), None)
        country = place.country or self.country or (vocabulary.country_of_currency(currency) if currency else None)
        place = msgspec.structs.replace(place, country=country)
        published_at, opens_at = tender.date("datePublished"), period.date("startDate")
        process = OcdsProcess(
            process_id=derived_id("process", self.ocid),
            ocid=self.ocid,
            title=self._title(planning)
            or next((line.description for line in everything if line.description), "")[:300],
            description=self._text(tender, "description", _LONGEST_DESCRIPTION)
            or self._text(self.root, "description", _LONGEST_DESCRIPTION),
            status=status,
            method=self._method(planning),
            kind=tender.choice(vocabulary.kind, "mainProcurementCategory", "mainProcurementCategoryDetails"),
            category=classified or main_category(everything),
            buyer=buyer,
            place=place,
            language=self.language,
            currency=currency,
            amount=amount,
            published_at=published_at or opens_at,
            closes_at=period.date("endDate"),
            released_at=self.root.date("date"),
            lines=lines or tuple(planned),
            bids=bids,
            awards=awards,
            contracts=contracts,
            organisations=tuple(self.organisations),
            source=self.source,
        )
        self.root.leftovers()
        return process

    def _planning(self) -> Sequence[Node]:
        """Return the planning sections. The standard has one; Armenia publishes a list, each with its own tender."""
        plans = self.root.nodes("planning")
        for plan in plans:
            plan.ignore("id", "ocid", "url")
        return plans

    def _buyer(self) -> OcdsOrganisation | None:
        """Return the buyer; else the procuring entity; else the first of the ``buyers``; else the first party with the role
        of a buyer."""
        buyer = self.organisations.refer(self.root.node("buyer"), "buyer")
        entity = self.organisations.refer(self.tender.node("procuringEntity"), "buyer")
        others = [
            self.organisations.refer(one, "buyer") for one in (*self.root.nodes("buyers"), *self.tender.nodes("buyers"))
        ]
        found = buyer or entity or next((one for one in others if one), None)
        found = found or next(iter(self.organisations.with_role("buyer")), None)
        if found is None and self.tender:
            self.ledger.add("buyer: missing")
        return self.organisations.current(found) if found else None

    def _value(self, value: Node, fallback: str | None = None) -> tuple[Decimal | None, str | None]:
        """Return the amount (None if it is negative) and the currency (``fallback`` if none is given)."""
        amount, currency = value.decimal("amount"), value.currency("currency") or fallback
        if amount is not None and currency is None:
            self.ledger.add(f"{value.path}.currency: missing", amount)
        if amount is not None and amount < 0:
            self.ledger.add(f"{value.path}.amount: negative", amount)
            amount = None
        return amount, currency

    def _lines(self, whole: Node, total: Decimal | None, currency: str | None) -> tuple[Line, ...]:
        return read_lines(whole.nodes("items"), total, currency, self.ledger, self.region_code, self.language)

    def _text(self, node: Node, name: str, most: int = LABEL) -> str:
        return " ".join(node.text(name, language=self.language, most=most).split())

    def _title(self, planning: Sequence[Node]) -> str:
        """Return the first title, in this order: of the tender, the release, the contracts, the awards. Without one,
        return what the planning section or the tender says in a description."""
        for node in (self.tender, self.root, *self.root.nodes("contracts"), *self.root.nodes("awards")):
            if title := self._text(node, "title"):
                return title
        for plan in planning:
            if title := self._text(plan, "rationale") or self._text(plan.node("budget"), "description"):
                return title
        return self._text(self.tender, "description", _LONGEST_DESCRIPTION)[:300]

    def _status(self, planning: Sequence[Node]) -> str:
        status = self.tender.choice(vocabulary.tender_status, "status", "statusDetails")
        return status or ("planning" if planning and not self.tender else "")

    def _method(self, planning: Sequence[Node]) -> str:
        """Return the procurement method. It is read from the first field that is understood: the code and the details
        of the tender, those of the planned tenders, the publisher's own field."""
        tenders = [self.tender, *(plan.node("tender") for plan in planning)]
        names = ("procurementMethod", "procurementMethodDetails")
        written = [words for tender in tenders for name in names if (words := tender.raw(name)) is not None]
        if own := self.root.raw("procurement_type"):
            written.append(own)
        unreported = NotUnderstood()
        for words in written:
            if code := read_choice(words, "tender.procurementMethod", vocabulary.method, unreported):
                return code
        return read_choice(written[0], "tender.procurementMethod", vocabulary.method, self.ledger) if written else ""

    def _place(self, lines: Iterable[Line], buyer: OcdsOrganisation | None) -> Place:
        """Return the place of the lines if all have the same; else the place of delivery in the tender; else the seat of the
        buyer."""
        places = {line.place for line in lines}
        if len(places) == 1 and (only := places.pop()):
            return only
        address = self.tender.node("deliveryAddress", "address") or self.tender.first(
            "deliveryAddress", "deliveryAddresses"
        )
        stated = read_place(address, self.ledger, self.region_code)
        stated = read_location(self.tender.first("deliveryLocation", "deliveryLocations"), stated)
        return stated if stated != Place() else buyer.place if buyer else Place()

    def _bids(self) -> Iterable[OcdsBid]:
        """The bids: those of the bids extension, or a plain list under ``bids``."""
        bids = self.root.raw("bids")
        details = self.root.nodes("bids") if isinstance(bids, list) else self.root.node("bids").nodes("details")
        for local_id, bid in self._numbered(details):
            amount, currency = self._value(bid.node("value"), self.currency)
            suppliers = self.organisations.refer_all(bid.nodes("tenderers", "suppliers", "tenderer"), "supplier")
            if not suppliers:
                self.ledger.add("bids.details.tenderers: missing", local_id)
            yield OcdsBid(
                bid_id=derived_id("bid", self.ocid, local_id),
                suppliers=suppliers,
                status=bid.choice(vocabulary.bid_status, "status"),
                amount=amount,
                currency=currency,
                bid_at=bid.date("date"),
                lines=self._lines(bid, amount, currency),
            )

    def _awards(self) -> Iterable[OcdsAward]:
        for local_id, award in self._numbered(self.root.nodes("awards")):
            award.ignore("ocid", "url", "description", "buyer", "contractPeriod")
            amount, currency = self._value(award.node("value"), self.currency)
            found = OcdsAward(
                award_id=derived_id("award", self.ocid, local_id),
                local_id=local_id,
                title=self._text(award, "title"),
                suppliers=self.organisations.refer_all(award.nodes("suppliers", "supplier"), "supplier"),
                status=award.choice(vocabulary.award_status, "status"),
                amount=amount,
                currency=currency,
                awarded_at=award.date("date"),
                lines=self._lines(award, amount, currency),
            )
            self.award_ids.setdefault(award.text("id"), found)
            yield found

    def _contracts(self, awards: Sequence[OcdsAward]) -> Iterable[OcdsContract]:
        """Yield the contracts. The standard names the suppliers in the award, many publications name them in the
        contract."""
        for local_id, contract in self._numbered(self.root.nodes("contracts")):
            contract.ignore("ocid", "url", "description", "buyer")
            award_id = contract.text("awardID")
            award = self.award_ids.get(award_id) if award_id else awards[0] if len(awards) == 1 else None
            if award_id and award is None and awards:
                self.ledger.add("contracts.awardID: no such award", award_id)
            amount, currency = self._value(contract.node("value"), (award.currency if award else None) or self.currency)
            suppliers = self.organisations.refer_all(contract.nodes("suppliers", "supplier"), "supplier")
            lines = self._lines(contract, amount, currency)
            yield OcdsContract(
                contract_id=derived_id("contract", self.ocid, local_id),
                local_id=local_id,
                award_id=award.award_id if award else None,
                title=self._text(contract, "title") or (award.title if award else ""),
                suppliers=suppliers or (award.suppliers if award else ()) or self._only_supplier(),
                status=contract.choice(vocabulary.contract_status, "status"),
                amount=amount,
                currency=currency,
                signed_at=self._signed_at(contract, award),
                lines=lines or (award.lines if award and amount == award.amount else ()),
            )

    def _only_supplier(self) -> tuple[OcdsOrganisation, ...]:
        suppliers = self.organisations.with_role("supplier")
        return tuple(suppliers) if len(suppliers) == 1 else ()

    def _signed_at(self, contract: Node, award: OcdsAward | None) -> datetime | None:
        """Return the date of the signature; else that of the award; else the beginning of the contract."""
        signed, begins = contract.date("dateSigned"), contract.node("period").date("startDate")
        return signed or (award.awarded_at if award else None) or begins

    def _numbered(self, nodes: Sequence[Node]) -> Iterable[tuple[str, Node]]:
        """Return the objects, each with a unique id. Objects with the same id, suppliers and value are one object: its
        last version counts. Objects with the same id but other suppliers or another value are several: each after the
        first gets a number behind its id."""
        if len(nodes) == 1:
            return [(self._local_id(nodes[0], 1), nodes[0])]
        kept: dict[object, tuple[str, Node]] = {}
        seen: Counter[str] = Counter()
        for number, node in enumerate(nodes, start=1):
            local_id = self._local_id(node, number)
            same = (local_id, *(repr(node.data.get(name)) for name in ("suppliers", "tenderers", "value")))
            if same in kept:
                self.ledger.add(f"{node.path}: repeated with the same suppliers and value, read once", local_id)
                earlier_id, earlier = kept[same]
                earlier.discard()
                kept[same] = earlier_id, node
                continue
            seen[local_id] += 1
            if seen[local_id] > 1:
                self.ledger.add(f"{node.path}.id: several objects have the same", local_id)
                local_id = f"{local_id}#{seen[local_id]}"
            kept[same] = local_id, node
        return list(kept.values())

    def _local_id(self, node: Node, number: int) -> str:
        return read_text(node.raw("id"), f"{node.path}.id", self.ledger)[:200] or f"no-id-{number}"
