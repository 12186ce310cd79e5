"""Makes a :class:`~services.transparency.ocds.process.OcdsProcess` from a row of a mapped CSV file."""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec

from catalogue.rules import RuleBroken
from catalogue.units import parse_pack, parse_unit
from events.values import Category, Line, Place, Source
from services.transparency.ocds import vocabulary
from services.transparency.ocds.fitting import KEY, LABEL, PROSE, cut, left_out
from services.transparency.ocds.lines import per_unit, read_cpv
from services.transparency.ocds.organisations import RegionCode, no_regions, read_number
from services.transparency.ocds.process import OcdsAward, OcdsContract, OcdsOrganisation, OcdsProcess, derived_id
from services.transparency.ocds.tables import FIELDS, ColumnMapping, Row, RowRefused
from services.transparency.ocds.tolerance import (
    NotUnderstood,
    currency_in,
    is_clean,
    read_choice,
    read_currency,
    read_date,
    read_decimal,
    read_text,
)

_MOST_KEPT = 50_000
_NAMES = "title buyer buyer_id buyer_locality supplier supplier_id supplier_locality category_title unit_text"
_TEXTS = {"item": PROSE, "description": PROSE} | dict.fromkeys(_NAMES.split(), LABEL)
_REGIONS = ("buyer_region", "supplier_region")
_CODES = frozenset({"id", "category", "item_code", *_REGIONS})
"""The most characters of a field in an event. A longer text is cut; a longer code is left out."""
_NUMBERS = frozenset(["date", "amount", "quantity", "unit_price", "latitude", "longitude", "coordinates"])
_CHOICES = frozenset(["status", "method", "kind", "currency", "language"])
_READ_AS_TEXT = FIELDS - _NUMBERS - _CHOICES
"""Fields for numbers and choices have their own readers, which report what they cannot read."""
A = TypeVar("A")


def read_row(
    row: Row, mapping: ColumnMapping, ledger: NotUnderstood, region_code: RegionCode = no_regions
) -> OcdsProcess | RowRefused:
    """As :meth:`RowReader.read`, for a single row."""
    return RowReader(mapping, ledger, region_code).read(row)


class RowWords(NamedTuple):
    """The parts of a row that are the same in many rows."""

    status: str
    method: str
    kind: str
    currency: str | None
    language: str
    place: Place


_PLACE = ("country", "buyer_region", "buyer_locality", "latitude", "longitude", "coordinates")
_WORDS = ("status", "method", "kind", "currency", "language", *_PLACE)
_BUYER = ("buyer", "buyer_id", *_PLACE)
_SUPPLIER = ("supplier", "supplier_id", "supplier_region", "supplier_locality", "country")


class RowReader:
    """Reads the rows of one table. Organisations and words are the same in many rows: each is interpreted only once."""

    def __init__(self, mapping: ColumnMapping, ledger: NotUnderstood, region_code: RegionCode = no_regions) -> None:
        self.mapping, self.ledger, self.region_code = mapping, ledger, region_code
        constants = {name: str(getattr(mapping.constants, name)) for name in mapping.constants.__struct_fields__}
        self.constants = {name: text for name, text in constants.items() if text}
        self.columns = {field: " or ".join(mapping.sources(field)) or field for field in FIELDS}
        before = {"id": f"{mapping.namespace}-", **dict.fromkeys(_REGIONS, mapping.read.region_prefix or "")}
        self.most = _TEXTS | {field: KEY - len(before.get(field, "")) for field in _CODES}
        self.fewest = min(self.most.values())
        self._organisations: dict[tuple[str | None, ...], tuple[OcdsOrganisation | None, NotUnderstood]] = {}
        self._words: dict[tuple[str | None, ...], tuple[RowWords, NotUnderstood]] = {}
        self.unread = NotUnderstood(keeps=ledger.keeps)
        """The ledger for the numbers and the date of one row; empty between rows."""

    def read(self, row: Row) -> OcdsProcess | RowRefused:
        """Read a row. It is refused if a required field cannot be read; other fields that cannot be read are counted
        and left out."""
        self.ledger.where = row.where
        return _RowReading(row, self, self.ledger).process()

    def buyer(self, row: Row) -> OcdsOrganisation | None:
        return self._once(self._organisations, _BUYER, row, lambda reading: reading.organisation("buyer"))

    def supplier(self, row: Row) -> OcdsOrganisation | None:
        return self._once(self._organisations, _SUPPLIER, row, lambda reading: reading.organisation("supplier"))

    def words(self, row: Row) -> RowWords:
        return self._once(self._words, _WORDS, row, _RowReading.words)

    def _once(
        self,
        known: dict[tuple[str | None, ...], tuple[A, NotUnderstood]],
        fields: tuple[str, ...],
        row: Row,
        read: Callable[["_RowReading"], A],
    ) -> A:
        """The result of reading these fields, which is cached. What is not understood is counted in each row."""
        key = (fields[0], *map(row.fields.get, fields))
        if key not in known:
            if len(known) >= _MOST_KEPT:
                known.clear()
            unread = NotUnderstood(keeps=self.ledger.keeps)
            known[key] = read(_RowReading(row, self, unread)), unread
        found, unread = known[key]
        if unread.kinds:
            self.ledger.update(unread)
        return found


class _RowReading:
    def __init__(self, row: Row, table: RowReader, ledger: NotUnderstood) -> None:
        self.row, self.table, self.ledger = row, table, ledger
        self.mapping = table.mapping
        self.fields = {**table.constants, **row.fields}

    def process(self) -> OcdsProcess | RowRefused:
        row, mapping = self.row, self.mapping
        unread = self.table.unread
        at = read_date(self.text("date"), self.column("date"), unread, mapping.read.date_order)
        values = {field: self.number(field, unread) for field in ("amount", "quantity", "unit_price")}
        missing = {field for field, number in values.items() if number is None} | ({"date"} if at is None else set())
        needed = next((field for field in mapping.required if field in missing), None)
        rule = unread.withdraw(self.column(needed)) if needed else None
        if unread.kinds:
            self.ledger.update(unread)
            self.table.unread = NotUnderstood(keeps=self.ledger.keeps)
        if needed:
            text = self.text(needed)
            return RowRefused(row.where, row.number, self.column(needed), f"{rule}: {text}" if rule else "empty")
        row = self.fitted()
        ocid = f"{mapping.namespace}-{self.text('id') or row.digest[:24]}"
        local_id = f"{row.digest[:24]}-{row.occurrence}"
        words = self.table.words(row)
        buyer, supplier = self.table.buyer(row), self.table.supplier(row)
        line = self.line(values["quantity"], values["unit_price"], values["amount"])
        lines = (line,) if line.description or line.unit_price is not None else ()
        amount = values["amount"] if values["amount"] is not None else line.amount
        title = self.text("title") or line.description[:300] or self.text("category_title")
        suppliers = (supplier,) if supplier else ()
        award = OcdsAward(
            award_id=derived_id("award", ocid, local_id),
            local_id=local_id,
            title=title,
            suppliers=suppliers,
            status="active",
            amount=amount,
            currency=words.currency,
            awarded_at=at,
            lines=lines,
        )
        return OcdsProcess(
            process_id=derived_id("process", ocid),
            ocid=ocid,
            title=title,
            description=self.text("description"),
            status=words.status,
            method=words.method,
            kind=words.kind,
            category=line.category,
            buyer=buyer,
            place=words.place,
            language=words.language,
            currency=words.currency,
            amount=amount,
            published_at=at,
            closes_at=None,
            released_at=at,
            lines=lines,
            bids=(),
            awards=(award,),
            contracts=(self.contract(award, ocid),) if mapping.kind == "prices" else (),
            organisations=tuple(one for one in (buyer, supplier) if one),
            source=Source(publisher=mapping.publisher, document=row.where, licence=mapping.licence, published_at=at),
        )

    def fitted(self) -> Row:
        """The row with texts cut to the limits of events and without invisible characters. What is lost or too long is
        reported here once, by its column."""
        fields, most = self.row.fields, self.table.most
        fit: dict[str, str] = {}
        if not is_clean("".join(fields.values())):
            fit = {
                field: read_text(text, self.column(field), self.ledger)
                for field, text in fields.items()
                if field in _READ_AS_TEXT
            }
        if len(max(fields.values(), key=len, default="")) > self.table.fewest:
            fit |= {
                field: (left_out if field in _CODES else cut)(
                    fit.get(field, text), most[field], self.column(field), self.ledger
                )
                for field, text in fields.items()
                if field in most
            }
        if fit:
            self.row = msgspec.structs.replace(self.row, fields={**fields, **fit})
            self.fields.update(fit)
        return self.row

    def contract(self, award: OcdsAward, ocid: str) -> OcdsContract:
        return OcdsContract(
            contract_id=derived_id("contract", ocid, award.local_id),
            local_id=award.local_id,
            award_id=award.award_id,
            title=award.title,
            suppliers=award.suppliers,
            status="active",
            amount=award.amount,
            currency=award.currency,
            signed_at=award.awarded_at,
            lines=award.lines,
        )

    def words(self) -> RowWords:
        return RowWords(
            status=read_choice(self.text("status"), self.column("status"), vocabulary.tender_status, self.ledger),
            method=read_choice(self.text("method"), self.column("method"), vocabulary.method, self.ledger),
            kind=read_choice(self.text("kind"), self.column("kind"), vocabulary.kind, self.ledger),
            currency=read_currency(self.text("currency"), self.column("currency"), self.ledger),
            language=read_choice(self.text("language"), self.column("language"), vocabulary.language, self.ledger),
            place=self.place("buyer", self.ledger),
        )

    def text(self, field: str) -> str:
        return self.fields.get(field, "")

    def column(self, field: str) -> str:
        return self.table.columns.get(field, field)

    def number(self, field: str, ledger: NotUnderstood) -> Decimal | None:
        text = self.text(field)
        if not text:
            return None
        if field != "quantity" and self._is_in_another_currency(text):
            ledger.add(f"{self.column(field)}: in another currency than the row", text)
            return None
        read = self.mapping.read
        thousands = read.thousands if field == "quantity" else None
        found = read_decimal(text, self.column(field), ledger, read.decimal_mark, thousands)
        if found is not None and found < 0:
            ledger.add(f"{self.column(field)}: negative", found)
            return None
        if found == 0 and (field == "unit_price" or (field == "amount" and self.mapping.kind == "prices")):
            ledger.add(f"{self.column(field)}: zero is no price", found)
            return None
        return found

    def _is_in_another_currency(self, text: str) -> bool:
        if text.isascii() and not (text[0].isalpha() or text[-1].isalpha() or "$" in text):
            return False
        own, named = read_currency(self.text("currency"), "", NotUnderstood()), currency_in(text)
        return own is not None and named is not None and own != named

    def product(self, unit_price: Decimal, quantity: Decimal) -> Decimal | None:
        return read_decimal(unit_price * quantity, "quantity x unit price", self.ledger)

    def organisation(self, role: str) -> OcdsOrganisation | None:
        name, written = self.text(role), self.mapping.constants.identifier_scheme
        scheme, number = read_number(written, self.text(f"{role}_id"), self.ledger, self.column(f"{role}_id"))
        if not name and not number:
            return None
        key = (
            ("organisation", scheme or written, number)
            if written
            else ("organisation", self.mapping.namespace, "identifier", number)
        )
        if not number:
            key = ("organisation", self.mapping.namespace, "name", vocabulary.folded(name))
        return OcdsOrganisation(
            organisation_id=derived_id(*key),
            name=name or number,
            roles=(role,),
            scheme=scheme if number else "",
            identifier=number,
            # The buyer's place is also read with the words of the row, so what is not understood in it is counted only
            # once.
            place=self.place(role, NotUnderstood() if role == "buyer" else self.ledger),
        )

    def place(self, role: str, ledger: NotUnderstood) -> Place:
        country = vocabulary.country(self.text("country")) if role == "buyer" else None
        known = country or vocabulary.country(self.text("country")) or ""
        written = self.text(f"{role}_region")
        region = f"{self.mapping.read.region_prefix}{written}" if written and self.mapping.read.region_prefix else None
        if written and region is None and known:
            region = self.table.region_code(known, written)
            if region is None:
                ledger.add(f"{self.column(f'{role}_region')}: no ISO 3166-2 code found", written)
        if region and country is None:
            country = region[:2]
        place = Place(
            country=country,
            region=region,
            locality=self.text(f"{role}_locality") or (None if region else written or None),
        )
        return self._point(place, ledger) if role == "buyer" else place

    def _point(self, place: Place, ledger: NotUnderstood) -> Place:
        latitude, longitude = self.text("latitude"), self.text("longitude")
        at = ("latitude", "longitude")
        if coordinates := self.text("coordinates"):
            latitude, _, longitude = coordinates.partition(",")
            at = ("coordinates", "coordinates")
        if not latitude or not longitude:
            return place
        north = read_decimal(latitude, self.column(at[0]), ledger, ".")
        east = read_decimal(longitude, self.column(at[1]), ledger, ".")
        if north is None or east is None:
            return place
        if abs(north) > 90 or abs(east) > 180:
            ledger.add(f"{self.column(at[0])}: not on the earth", f"{north},{east}")
            return place
        return msgspec.structs.replace(place, latitude=float(north), longitude=float(east))

    def line(self, quantity: Decimal | None, unit_price: Decimal | None, amount: Decimal | None) -> Line:
        text = self.text("unit_text")
        unit, size = self._unit(text)
        code = self.text("category") or self.text("item_code")
        field = "category" if self.text("category") else "item_code"
        scheme = self.mapping.constants.category_scheme
        if code:
            scheme, code = read_cpv(scheme, code, self.ledger, self.column(field))
        title = self.text("category_title") or self.text("item")[:LABEL]
        if unit_price is None and amount is not None and quantity:
            unit_price = per_unit(amount, quantity)
        elif amount is None and unit_price is not None and quantity is not None:
            amount = self.product(unit_price, quantity)
        return Line(
            line_id="1",
            description=self.text("item") or self.text("category_title"),
            category=Category(code=code, scheme=scheme or self.mapping.namespace, title=title) if code else None,
            quantity=quantity,
            unit=unit,
            unit_text=text,
            pack_size=size,
            unit_price=unit_price,
            amount=amount,
        )

    def _unit(self, text: str) -> tuple[str, Decimal]:
        if not text:
            return "", Decimal(1)
        if known := parse_unit(text):
            return known.code, Decimal(1)
        try:
            pack = parse_pack(text)
        except RuleBroken as refused:
            self.ledger.add(f"{self.column('unit_text')}: {refused.code.replace('-', ' ')}", text)
            return "", Decimal(1)
        return pack.unit, pack.size
