"""The rules of the recommender, without servers: when it trains, which items a list has, and how reasons are worded."""

from datetime import UTC, datetime, timedelta

import pytest

from recommender import SupplierProfile
from recommender.values import Reason
from services.recommender.engine import Fit
from services.recommender.recommending import ITEMS, chosen
from services.recommender.store.advice import OpenOpportunity, WaitingSupplier, active_in
from services.recommender.training import HistoryState, due
from services.recommender.words import category_in_words, in_words

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def state(
    awards: int, *, trained_on: int = 0, hours_ago: float | None = None, quiet_seconds: float = 60
) -> HistoryState:
    return HistoryState(
        awards=awards,
        heard_at=NOW - timedelta(seconds=quiet_seconds),
        trained_on=trained_on,
        trained_at=None if hours_ago is None else NOW - timedelta(hours=hours_ago),
    )


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (state(199), False),
        (state(200), True),
        (state(20_000, quiet_seconds=1), False),
        (state(1049, trained_on=1000, hours_ago=5), False),
        (state(1050, trained_on=1000, hours_ago=5), True),
        (state(20_900, trained_on=20_000, hours_ago=5), False),
        (state(21_000, trained_on=20_000, hours_ago=5), True),
        (state(21_000, trained_on=20_000, hours_ago=0.5), False),
        (state(20_000, trained_on=500, hours_ago=0.1), True),
        (HistoryState(awards=0, heard_at=None), False),
    ],
)
def test_training_is_due_after_enough_new_awards_and_a_quiet_minute(history: HistoryState, expected: bool) -> None:
    assert due(history, NOW) is expected


def an_opening(number: str, buyer_id: str = "buyer") -> OpenOpportunity:
    return OpenOpportunity(
        opportunity_id=number,
        kind="auction",
        native=True,
        title="Paper",
        buyer_id=buyer_id,
        buyer_name="B",
        region="",
        city="",
        category="CPV:30197630",
        method="open",
        currency="RUB",
        amount=None,
        path=f"/auctions/{number}",
        closes_at=NOW,
    )


def test_a_list_leaves_out_dismissed_items_and_own_purchases_and_has_a_limited_length() -> None:
    openings = {str(n): an_opening(str(n), buyer_id="me" if n == 1 else "buyer") for n in range(30)}
    fits = [Fit(number, 0.5, ("why",)) for number in openings]
    supplier = WaitingSupplier(
        profile=SupplierProfile(supplier_id="me"), active=True, native=True, dismissed=frozenset({"0"})
    )
    items = chosen(supplier, fits, openings)
    assert [item.opportunity_id for item in items] == [str(n) for n in range(2, 2 + ITEMS)]


def test_a_supplier_is_active_in_the_strongest_categories_that_are_not_too_broad() -> None:
    assert active_in({"CPV:3": 20, "CPV:33": 20, "CPV:336": 15, "CPV:3361": 5, "CPV:451": 10}) == (
        "CPV:336",
        "CPV:451",
        "CPV:3361",
    )
    assert active_in({}) == ()


@pytest.mark.parametrize(
    ("category", "words"),
    [
        ("CPV:33600000-6", "Pharmaceutical products (CPV 33600000-6)"),
        ("CPV:336", "Pharmaceutical products (CPV 336)"),
        ("CPV:3", "CPV 3"),
        ("GSIN:N7030", "GSIN N7030"),
        ("", ""),
    ],
)
def test_a_category_is_worded_by_its_title_and_code(category: str, words: str) -> None:
    assert category_in_words(category) == words


def test_reasons_name_category_and_region() -> None:
    assert in_words(Reason("declared_category", {"category": "CPV:33600000"})) == (
        "You declared category Pharmaceutical products (CPV 33600000)"
    )
    assert in_words(Reason("in_your_region", {"region": "ES-MD"})) == "It is in your region, Madrid, Comunidad de"
    assert in_words(Reason("in_your_region", {"region": "Ontario"})) == "It is in your region, Ontario"
