"""The reference price that applies to a line, converted to the line's terms."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from catalogue.references import PaidNotComparable, ReferenceNotComparable, in_terms_of, paid_for, reference_for
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
def test_a_reference_is_converted_to_the_pack_unit_and_vat_of_the_line(changes: dict[str, object], price: str) -> None:
    line = msgspec.structs.replace(LINE, **changes)
    assert in_terms_of(line, SNAPSHOT, "RUB").unit_price == Decimal(price)


@pytest.mark.parametrize(
    ("changes", "currency", "said"),
    [
        ({"unit": "KGM"}, "RUB", "per one, the unit of the line is kilogram"),
        ({"unit": "LS"}, "RUB", "cannot be compared"),
        ({"vat_included": None}, "RUB", "does not say its VAT"),
        ({}, "EUR", "is in RUB, this purchase in EUR"),
    ],
)
def test_a_reference_that_cannot_be_held_against_the_line_says_why(
    changes: dict[str, object], currency: str, said: str
) -> None:
    with pytest.raises(ReferenceNotComparable, match=said):
        in_terms_of(msgspec.structs.replace(LINE, **changes), SNAPSHOT, currency)


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
    assert chosen(published, place) == found


@pytest.mark.parametrize("code", ["RU-MOW", "*"])
def test_a_level_of_a_newer_release_is_left_out(code: str) -> None:
    district = msgspec.structs.replace(SNAPSHOT, level="district", place_code=code, reference_id="district")
    assert chosen([district, SNAPSHOT], Place(country="RU", region="RU-MOW")) == SNAPSHOT.reference_id
    assert chosen([district], Place(country="RU", region="RU-MOW")) is None


def test_what_cannot_be_compared_leaves_the_word_to_a_wider_level_that_can() -> None:
    moscow = Place(country="RU", region="RU-MOW")
    in_euros = msgspec.structs.replace(SNAPSHOT, currency="EUR", reference_id="region")
    by_weight = msgspec.structs.replace(SNAPSHOT, unit="KGM", level="locality", place_code="RU-MOW/Moscow")
    national = msgspec.structs.replace(SNAPSHOT, level="country", place_code="RU", reference_id="country")
    assert chosen([in_euros, national], moscow) == "country"
    assert chosen([by_weight, in_euros, national], Place(country="RU", region="RU-MOW", locality="Moscow")) == "country"
    with pytest.raises(ReferenceNotComparable, match="is in EUR"):
        reference_for(LINE, [in_euros], moscow, "RUB")


def test_within_a_sku_its_own_packages_compare() -> None:
    by_ream = msgspec.structs.replace(SNAPSHOT, unit="RM", median=Decimal(180))
    line = msgspec.structs.replace(LINE, unit="RM", pack_size=Decimal(5))
    assert in_terms_of(line, by_ream, "RUB").unit_price == 1080
    with pytest.raises(ReferenceNotComparable, match="per ream, the unit of the line is box"):
        in_terms_of(msgspec.structs.replace(LINE, unit="XBX"), by_ream, "RUB")


def test_the_latest_of_several_references_of_one_level_counts() -> None:
    later = msgspec.structs.replace(SNAPSHOT, valued_at=datetime(2026, 11, 2, tzinfo=UTC), reference_id="later")
    assert chosen([later, SNAPSHOT], Place(country="RU", region="RU-MOW")) == "later"
    assert chosen([SNAPSHOT, later], Place(country="RU", region="RU-MOW")) == "later"


def test_a_reference_for_everywhere_is_the_farthest_though_it_is_the_latest() -> None:
    everywhere = msgspec.structs.replace(
        SNAPSHOT,
        level="country",
        place_code="*",
        valued_at=datetime(2026, 11, 2, tzinfo=UTC),
        reference_id="everywhere",
    )
    national = msgspec.structs.replace(SNAPSHOT, level="country", place_code="RU", reference_id="country")
    in_euros = msgspec.structs.replace(national, currency="EUR")
    assert chosen([everywhere, national], Place(country="RU")) == "country"
    assert chosen([everywhere, in_euros], Place(country="RU")) == "everywhere"
    assert chosen([everywhere, national], Place(country="BR")) == "everywhere"


def chosen(published: list[ReferencePricePublished], place: Place) -> str | None:
    found = reference_for(LINE, published, place, "RUB")
    return found[0].reference_id if found else None


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
def test_a_price_paid_before_is_converted_to_the_terms_of_the_line(paid: dict[str, object], price: str) -> None:
    assert paid_for(LINE, msgspec.structs.replace(LINE, **paid), Decimal(300), "RUB") == Decimal(price)


@pytest.mark.parametrize(
    ("paid", "said"),
    [
        ({"unit": "KGM"}, "was per"),
        ({"unit": ""}, "cannot be compared"),
        ({"vat_included": None}, "includes VAT"),
        ({"vat_rate": None}, "includes VAT"),
    ],
)
def test_a_price_once_paid_for_something_else_is_not_compared(paid: dict[str, object], said: str) -> None:
    with pytest.raises(PaidNotComparable, match=said):
        paid_for(LINE, msgspec.structs.replace(LINE, **paid), Decimal(300), "RUB")
