"""Which reference price speaks for a line, and what it says in the line's own terms; the picture of the fall."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from catalogue.references import PaidNotComparable, ReferenceNotComparable, nearest, paid_for, reference_for
from events.observatory import ReferencePricePublished
from events.values import Line, Place

SNAPSHOT = ReferencePricePublished(
    item_key="paper",
    reference_id="r",
    version=1,
    sku_id="paper",
    title="Paper",
    category=None,
    unit="C62",
    currency="RUB",
    level="region",
    place_code="RU-MOW",
    median=Decimal("0.50"),
    p25=Decimal("0.4"),
    p75=Decimal("0.6"),
    observations=9,
    suppliers=4,
    variation=Decimal(10),
    grade="A",
    valued_at=datetime(2026, 11, 1, tzinfo=UTC),
)
LINE = Line(
    line_id="1",
    description="Paper",
    unit="LEF",
    pack_size=Decimal(500),
    vat_rate=Decimal(20),
    vat_included=True,
)


@pytest.mark.parametrize(
    ("changes", "price"),
    [
        ({}, "300"),  # 500 leaves at 0.50, and 20 % VAT
        ({"vat_included": False}, "250"),
        ({"pack_size": Decimal(1)}, "0.6"),
        ({"unit": "DZN", "pack_size": Decimal(1)}, "7.2"),
    ],
)
def test_a_reference_is_told_in_the_lines_own_pack_unit_and_vat(changes: dict[str, object], price: str) -> None:
    line = msgspec.structs.replace(LINE, **changes)
    assert reference_for(line, SNAPSHOT, "RUB").unit_price == Decimal(price)


@pytest.mark.parametrize(
    ("changes", "currency", "said"),
    [
        ({"unit": "KGM"}, "RUB", "per one, the line counts in kilogram"),
        ({"unit": "LS"}, "RUB", "cannot be compared"),
        ({"vat_included": None}, "RUB", "does not say its VAT"),
        ({}, "EUR", "is in RUB, this purchase in EUR"),
    ],
)
def test_a_reference_that_cannot_be_held_against_the_line_says_why(
    changes: dict[str, object], currency: str, said: str
) -> None:
    with pytest.raises(ReferenceNotComparable, match=said):
        reference_for(msgspec.structs.replace(LINE, **changes), SNAPSHOT, currency)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (Place(country="RU", region="RU-MOW", locality="Moscow"), "town"),
        (Place(country="RU", region="RU-MOW"), "region"),
        (Place(country="RU", region="RU-SPE"), "country"),
        (Place(country="BR"), None),
    ],
)
def test_the_narrowest_level_that_holds_the_place_speaks(place: Place, found: str | None) -> None:
    levels = (("country", "RU", "country"), ("region", "RU-MOW", "region"), ("locality", "RU-MOW/moscow", "town"))
    published = [
        msgspec.structs.replace(SNAPSHOT, level=level, place_code=code, reference_id=name)
        for level, code, name in levels
    ]
    chosen = nearest(published, place)
    assert (chosen.reference_id if chosen else None) == found


@pytest.mark.parametrize(
    ("paid", "price"),
    [
        ({}, "300"),
        ({"vat_included": False}, "360"),  # 20 % on top of it
        ({"vat_rate": Decimal(0)}, "360"),
        ({"pack_size": Decimal(250)}, "600"),
        ({"unit": "DZN", "pack_size": Decimal(1)}, "12500"),
    ],
)
def test_a_price_once_paid_is_told_in_the_lines_own_terms(paid: dict[str, object], price: str) -> None:
    assert paid_for(LINE, msgspec.structs.replace(LINE, **paid), Decimal(300), "RUB") == Decimal(price)


@pytest.mark.parametrize(
    ("paid", "said"),
    [
        ({"unit": "KGM"}, "was per"),
        ({"unit": ""}, "cannot be compared"),
        ({"vat_included": None}, "with VAT"),
        ({"vat_rate": None}, "with VAT"),
    ],
)
def test_a_price_once_paid_for_something_else_is_not_compared(paid: dict[str, object], said: str) -> None:
    with pytest.raises(PaidNotComparable, match=said):
        paid_for(LINE, msgspec.structs.replace(LINE, **paid), Decimal(300), "RUB")
