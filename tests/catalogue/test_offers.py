from datetime import date, timedelta
from decimal import Decimal as D

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.money import Money
from catalogue.offers import (
    EcoLabel,
    Need,
    NotAvailable,
    Offer,
    PricedOffer,
    PriceTier,
    broken_rules,
    landed_price,
    months_later,
    price_for,
    rank,
    tier_price,
    vat_exclusive,
)
from catalogue.places import Place
from catalogue.policy import CatalogueRules

MONDAY = date(2026, 3, 2)


def an_offer(**changes) -> Offer:
    offer = Offer(
        offer_id="o-1",
        sku_id="paper-a4",
        supplier_id="s-1",
        price=D("100"),
        currency="EUR",
        vat_rate=D("20"),
        vat_included=False,
        regions=("RU-MOW",),
        delivery_days=3,
        stock=Place(country="RU"),
        min_quantity=D(1),
        max_quantity=D(1000),
        tiers=(PriceTier(D(10), D("95")), PriceTier(D(100), D("90"))),
        valid_from=MONDAY,
        valid_until=MONDAY + timedelta(days=60),
    )
    return msgspec.structs.replace(offer, **changes)


def test_a_policy_says_for_how_many_months_an_offer_is_valid_at_most() -> None:
    offer = an_offer(valid_from=date(2026, 11, 2), valid_until=date(2027, 11, 2))
    assert [error.code for error in broken_rules(offer)] == ["validity-too-long"]
    assert broken_rules(offer, CatalogueRules(offer_months=12)) == ()


def test_a_sound_offer_breaks_no_rule():
    assert broken_rules(an_offer(eco_labels=(EcoLabel("EU Ecolabel", "FR/011/002", date(2027, 1, 1)),))) == ()


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"price": D(0), "tiers": ()}, ["price-not-positive"]),
        ({"currency": "XYZ"}, ["unknown-currency"]),
        ({"vat_rate": D(-1)}, ["vat-rate-out-of-range"]),
        ({"regions": ()}, ["no-region-served"]),
        ({"regions": ("Moscow",)}, ["unknown-region"]),
        ({"delivery_days": -1}, ["delivery-time-negative"]),
        ({"min_quantity": D(0)}, ["quantity-range-empty"]),
        ({"max_quantity": D(0), "tiers": ()}, ["quantity-range-empty"]),
        # a wrong value is reported once, and not again by comparisons with it
        ({"price": D(0)}, ["price-not-positive"]),
        ({"price": D(-7)}, ["price-not-positive"]),
        ({"max_quantity": D(0)}, ["quantity-range-empty"]),
        ({"min_quantity": D(2000)}, ["quantity-range-empty"]),
        ({"min_quantity": D(0), "max_quantity": D(0)}, ["quantity-range-empty", "quantity-range-empty"]),
        ({"tiers": (PriceTier(D(10), D(0)), PriceTier(D(20), D(90)))}, ["tier-not-cheaper"]),
        ({"tiers": (PriceTier(D(10), D(-1)), PriceTier(D(20), D(90)))}, ["tier-not-cheaper"]),
        ({"tiers": (PriceTier(D(10), D(120)), PriceTier(D(20), D(90)))}, ["tier-not-cheaper"]),
        ({"tiers": (PriceTier(D(0), D(95)), PriceTier(D(20), D(90)))}, ["tier-out-of-range"]),
        ({"tiers": (PriceTier(D(1), D(90)),)}, ["tier-out-of-range"]),
        ({"tiers": (PriceTier(D(1001), D(90)),)}, ["tier-out-of-range"]),
        ({"tiers": (PriceTier(D(10), D(90)), PriceTier(D(20), D(91)))}, ["tier-not-cheaper"]),
        ({"valid_until": MONDAY - timedelta(days=1)}, ["validity-empty"]),
        ({"valid_until": date(2026, 6, 3)}, ["validity-too-long"]),
        (
            {"eco_labels": (EcoLabel("Blue Angel", " ", date(2026, 3, 1)),)},
            ["eco-label-without-certificate", "eco-label-expired"],
        ),
    ],
)
def test_each_broken_rule_is_named(changes, codes):
    broken = broken_rules(an_offer(**changes))
    assert [rule.code for rule in broken] == codes
    assert all(rule.field and rule.message for rule in broken)


@pytest.mark.parametrize(
    ("least", "most", "fields"),
    [
        (D(0), D(10), ["min_quantity"]),
        (D(1), D(0), ["max_quantity"]),
        (D(-1), D(-2), ["min_quantity", "max_quantity"]),
        (D(10), D(5), ["max_quantity"]),
    ],
)
def test_the_error_of_an_empty_range_is_beside_the_wrong_quantity(least, most, fields):
    broken = broken_rules(an_offer(min_quantity=least, max_quantity=most))
    assert [rule.field for rule in broken] == fields


def test_three_months_end_on_the_last_day_a_month_has():
    assert months_later(date(2026, 11, 30), 3) == date(2027, 2, 28)
    assert broken_rules(an_offer(valid_until=date(2026, 6, 2))) == ()


def test_an_offer_stands_from_its_publication_on_where_the_buyers_day_is_the_one_before_too():
    assert isinstance(price_for(an_offer(), Need(D(5), "RU-MOW", MONDAY - timedelta(days=1))), PricedOffer)
    assert isinstance(price_for(an_offer(), Need(D(5), "RU-MOW", an_offer().valid_until)), PricedOffer)


@pytest.mark.parametrize(
    ("quantity", "region", "on", "because"),
    [
        (5, "RU-SPE", MONDAY, "region-not-served"),
        (D("0.5"), "RU-MOW", MONDAY, "below-minimum"),
        (1001, "RU-MOW", MONDAY, "above-maximum"),
        (5, "RU-MOW", an_offer().valid_until + timedelta(days=1), "offer-not-valid"),
    ],
)
def test_an_offer_not_available_says_why(quantity, region, on, because):
    answer = price_for(an_offer(), Need(D(quantity), region, on))
    assert isinstance(answer, NotAvailable)
    assert answer.because == because and answer.message and answer.numbers


def test_a_country_served_includes_its_regions():
    assert isinstance(price_for(an_offer(regions=("RU",)), Need(D(1), "RU-SPE", MONDAY)), PricedOffer)


def test_the_total_is_gross_of_the_tier_reached_and_rounded_once():
    answer = price_for(an_offer(), Need(D(10), "RU-MOW", MONDAY))
    assert isinstance(answer, PricedOffer)
    assert (answer.net.amount, answer.gross.amount, answer.total.amount) == (D(95), D(114), D(1140))
    assert landed_price(answer, D(500)) == Money(D("0.228"), "EUR")


def test_vat_is_taken_out_only_where_it_is_in():
    assert vat_exclusive(Money(D(120), "EUR"), D(20), True).amount == 100
    assert vat_exclusive(Money(D(120), "EUR"), D(20), False).amount == 120
    assert vat_exclusive(Money(D(100), "EUR"), D("21"), True).amount == D("82.644628")


def test_offers_rank_by_landed_price_with_those_not_available_last():
    with_vat = an_offer(offer_id="o-2", price=D("110"), vat_included=True, tiers=())
    elsewhere = an_offer(offer_id="o-3", price=D(1), tiers=(), regions=("RU-SPE",))
    foreign = an_offer(offer_id="o-4", price=D(1), tiers=(), currency="USD")
    same = an_offer(offer_id="o-0")
    ranked = rank(
        [elsewhere, foreign, an_offer(), with_vat, same],
        Need(D(1), "RU-MOW", MONDAY),
        pack_size=D(500),
        currency="EUR",
    )
    assert [row.offer.offer_id for row in ranked] == ["o-2", "o-0", "o-1", "o-3", "o-4"]
    assert [row.answer.because for row in ranked if isinstance(row.answer, NotAvailable)] == [
        "region-not-served",
        "other-currency",
    ]
    assert [row.landed is None for row in ranked] == [False, False, False, True, True]


TIERED = st.lists(
    st.tuples(st.integers(2, 1000), st.integers(1, 99)), max_size=5, unique_by=(lambda t: t[0], lambda t: t[1])
).map(
    lambda pairs: tuple(
        PriceTier(D(quantity), D(price))
        for quantity, price in zip(
            sorted(q for q, _ in pairs), sorted((p for _, p in pairs), reverse=True), strict=True
        )
    )
)


@given(TIERED, st.integers(1, 1000), st.integers(1, 1000))
def test_more_never_costs_more_a_pack_and_every_tier_starts_where_it_says(tiers, one, other):
    offer = an_offer(tiers=tiers)
    assert broken_rules(offer) == ()
    assert tier_price(offer, D(max(one, other))) <= tier_price(offer, D(min(one, other)))
    for tier in tiers:
        assert tier_price(offer, tier.from_quantity) == tier.price
        assert tier_price(offer, tier.from_quantity - D("0.001")) > tier.price
