"""Fill in the lines that a buyer names from the catalogue, and find the reference price that applies to each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import asyncpg
import msgspec
from msgspec.structs import replace

from catalogue.categories import read_code, short_cpv
from catalogue.policy import Policy
from catalogue.references import ReferenceNotComparable, ReferencePrice, reference_for
from catalogue.rules import SkuNotPublished
from catalogue.units import read_unit
from events.bounds import Code, Id, Quantity, Title
from events.catalogue import SkuPublished
from events.observatory import ReferencePricePublished
from events.values import Category, Line, Place
from infra.answered import Answered
from services.market.replicas import ReferencePrices, Skus


class WantedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU by its id, or a free text line with a category code and a unit. ``quantity`` counts units, or packs if the
    SKU is sold in packs. A client may send back a line as it is in an answer: if the line has a SKU, the other fields
    are taken from the catalogue."""

    AS_ANSWERED: ClassVar = Answered(Line, category="code")

    quantity: Quantity
    sku_id: Id = ""
    description: Title = ""
    category: Code = ""
    unit: Code = ""


@dataclass(frozen=True, slots=True)
class Beside:
    """A line with its published reference price, in the line's own unit. ``broken`` says why a published price cannot
    be compared."""

    line: Line
    reference: ReferencePrice | None
    broken: ReferenceNotComparable | None = None


async def lines_of(db: asyncpg.Connection, skus: Skus, wanted: Sequence[WantedLine]) -> tuple[Line, ...]:
    """Return the lines as domains know them, numbered from 1, without prices. Raise SkuNotPublished, UnknownUnit,
    MalformedCategory or UnknownDivision."""
    known = await skus.get(db, [line.sku_id for line in wanted if line.sku_id])
    return tuple(_line(str(number), line, known) for number, line in enumerate(wanted, start=1))


def _line(line_id: str, line: WantedLine, known: Mapping[str, SkuPublished]) -> Line:
    if line.sku_id:
        sku = known.get(line.sku_id)
        if sku is None:
            raise SkuNotPublished(
                f"Line {line_id}: there is no published SKU {line.sku_id!r}.",
                field="lines",
                line=line_id,
                sku=line.sku_id,
            )
        return Line(
            line_id=line_id,
            description=sku.name,
            category=sku.category,
            sku_id=sku.sku_id,
            quantity=line.quantity,
            unit=sku.base_unit,
            pack_size=sku.pack_size,
            attributes=sku.attributes,
        )
    unit = read_unit(line.unit, "lines", line=line_id)
    category = None
    if line.category.strip():
        code = read_code(line.category, "lines", line=line_id)
        category = Category(code=code, title=short_cpv().name(code))
    return Line(
        line_id=line_id, description=line.description, category=category, quantity=line.quantity, unit=unit.code
    )


def with_usual_vat(lines: Iterable[Line], policy: Policy) -> tuple[Line, ...]:
    """Return the lines; a line that states no VAT rate has the policy's (:meth:`catalogue.policy.Policy.vat_rate`)."""
    return tuple(replace(line, vat_rate=policy.vat_rate(line.vat_rate)) for line in lines)


async def beside_references(
    db: asyncpg.Connection, references: ReferencePrices, lines: Iterable[Line], place: Place, currency: str
) -> list[Beside]:
    """Return each line with the reference price that applies to it at the place of delivery."""
    lines = list(lines)
    published = await references.get(db, [line.sku_id for line in lines if line.sku_id])
    return beside(lines, published, place, currency)


def beside(
    lines: Iterable[Line], published: Mapping[str, Sequence[ReferencePricePublished]], place: Place, currency: str
) -> list[Beside]:
    """Like :func:`beside_references`, with references that are already read. ``published`` is by SKU."""
    answers = []
    for line in lines:
        try:
            found = reference_for(line, published.get(line.sku_id or "", ()), place, currency)
            answers.append(Beside(line, found[1] if found else None))
        except ReferenceNotComparable as broken:
            answers.append(Beside(line, None, broken))
    return answers
