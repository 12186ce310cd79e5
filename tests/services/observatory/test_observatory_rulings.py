"""The stored form of verdicts: everything can be restored from it, and a new price changes only a little of it. Also
how long an item rests."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.policy import ObservatoryRules
from events.values import Place, Refusal
from services.observatory.domain import (
    ComputedReference,
    NoReference,
    Observation,
    ObservationVerdict,
    PriceKind,
    Ruling,
    digest,
    divided,
    observation_of,
    reference,
    rest_after,
    same_rulings,
    verdict_of,
)
from services.observatory.domain.rulings import body
from services.observatory.domain.snapshot import A_TURN, LONGEST_REST, SHORTEST_REST, TURNS
from tests.services.observatory.test_observatory_reference import ARACAJU, CURITIBA, TODAY, seen

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
WORDS = st.sampled_from(["{price}", "{date}", "Açúcar", "10", "2026-06-01", ""])
COUNTRY = Place(country="BR")


@st.composite
def observations(draw: st.DrawFn) -> list[Observation]:
    """Observations with all reasons for being dropped, and enough that are kept."""
    prices = st.one_of(st.decimals("9", "11", places=2), st.decimals("0.01", "9000", places=2))
    drawn = draw(
        st.lists(
            st.builds(
                seen,
                prices.map(str),
                by=st.sampled_from("abcdefg"),
                kind=st.sampled_from([PriceKind.CONTRACT, PriceKind.CONTRACT, PriceKind.CONTRACT, PriceKind.OFFER]),
                place=st.sampled_from([ARACAJU, CURITIBA, Place(country="BR", locality="{price}")]),
                unit=st.sampled_from(["KGM", "KGM", "KGM", "GRM", "LTR"]),
                date=st.dates(date(2025, 4, 1), date(2026, 8, 1)),
                currency=st.sampled_from(["BRL", "BRL", "BRL", "USD"]),
                cancelled=st.sampled_from([False, False, False, True]),
                vat_included=st.sampled_from([False, None, True]),
                pack_size=st.sampled_from([Decimal(1), Decimal("1.0"), Decimal(500)]),
                title=WORDS,
            ),
            max_size=25,
        )
    )
    return [msgspec.structs.replace(one, observation_id=f"{number:03}") for number, one in enumerate(drawn)]


def judged(prices: list[Observation], **changes: Any) -> ComputedReference | NoReference:
    place = changes.pop("place", COUNTRY)
    return reference(prices, at=TODAY, place=place, rules=ObservatoryRules(**changes))


def judged_of(*prices: Observation) -> ComputedReference:
    numbered = [msgspec.structs.replace(one, observation_id=f"seen-{n}") for n, one in enumerate(prices)]
    found = judged(numbered)
    assert isinstance(found, ComputedReference)
    return found


def read_back(found: ComputedReference, places: int) -> list[ObservationVerdict]:
    """The verdicts restored only from the stored form, after a round trip through JSON."""
    made = divided(found, places)
    terms = msgspec.json.decode(msgspec.json.encode(made.terms), type=type(made.terms))
    back = []
    for key, ruling in made.rulings.items():
        seen_then = made.verdicts[key].observation
        stored = observation_of(seen_then.item_key, key, made.body(key))
        assert sha256(body(stored)).digest() == ruling.edition
        own = ruling.own and msgspec.json.decode(msgspec.json.encode(ruling.own), type=Refusal)
        kept = Ruling(edition=ruling.edition, price=ruling.price, reason=ruling.reason, own=own)
        back.append(verdict_of(kept, stored, terms))
    return back


def exactly(verdicts: Any) -> bytes:
    """The verdicts with exact digits: 10 is not 10.0."""
    return msgspec.json.encode(sorted(verdicts, key=lambda one: one.observation.observation_id))


@given(observations(), st.sampled_from([COUNTRY, ARACAJU, Place()]), st.integers(2, 6), st.integers(1, 3))
def test_every_verdict_comes_back_to_the_letter(
    prices: list[Observation], place: Place, places: int, share: int
) -> None:
    found = judged(prices, place=place, decimal_places=places, supplier_share_one_in=share)
    if isinstance(found, NoReference):
        return
    back = read_back(found, places)
    assert exactly(back) == exactly(found.verdicts)
    assert digest(back) == divided(found, places).digest
    assert sum(divided(found, places).terms.counts.values()) == len(prices)


@given(observations(), st.data())
def test_only_changed_verdicts_are_found(prices: list[Observation], data: st.DataObject) -> None:
    found = judged(prices)
    if isinstance(found, NoReference):
        return
    made = divided(found, 6)
    again = divided(judged(data.draw(st.permutations(prices))), 6)  # type: ignore[arg-type]
    assert made == again and same_rulings(again, made.rulings, made.terms)
    one = data.draw(st.sampled_from(prices))
    other = judged([msgspec.structs.replace(each, title="other") if each is one else each for each in prices])
    assert isinstance(other, ComputedReference)
    changed = divided(other, 6)
    assert not same_rulings(changed, made.rulings, made.terms)
    assert [key for key, ruling in changed.rulings.items() if made.rulings[key] != ruling] == [one.observation_id]


def prices_of(number: int) -> list[Observation]:
    """Prices of 40 suppliers; one in twenty is far from the others, one in ten is too old."""
    random = Random(number)
    return [
        seen(
            str(round(random.gauss(10, 1) if n % 20 else 500 + n, 2)),
            by=f"supplier {n % 40}",
            observation_id=f"{n:05}",
            date=date(2024 if n % 10 == 3 else 2026, 6, 1),
        )
        for n in range(number)
    ]


@pytest.mark.parametrize("number", [40, 80, 160])
def test_prices_that_come_one_by_one_change_few_rulings_each(number: int) -> None:
    """All sentences and weights change with each price: storing all verdicts of each version would take n² / 2 rows."""
    prices = prices_of(number)
    stood: dict[str, Ruling] = {}
    written = largest = 0
    for known in range(3, number + 1):
        found = judged(prices[:known])
        if isinstance(found, ComputedReference):
            made = divided(found, 6)
            written += sum(stood.get(key) != ruling for key, ruling in made.rulings.items())
            largest = max(largest, len(msgspec.json.encode(made.terms)))
            stood = made.rulings
    assert number <= written < 3 * number
    assert largest < 2_000


def test_terms_are_small_however_few_suppliers_sell() -> None:
    for suppliers in (1, 2, 3, 4, 500):
        flood = [seen("10", by=f"{n % suppliers}", observation_id=f"{n}") for n in range(600)]
        found = judged([*flood, *(seen("11", by="other", observation_id=f"other {n}") for n in range(400))])
        assert isinstance(found, ComputedReference)
        assert exactly(read_back(found, 6)) == exactly(found.verdicts)
        assert len(divided(found, 6).terms.weights) <= 3


def test_the_digest_is_worked_out_from_what_everybody_may_read() -> None:
    found = judged([seen(price, kind=PriceKind.BID) for price in ("9", "10", "11.5", "11", "4000")])
    public = [msgspec.structs.replace(one, observation=one.observation.public) for one in found.verdicts]
    assert digest(public) == digest(found.verdicts)
    changed = msgspec.structs.replace(public[0], weight=Decimal(1))
    assert digest([changed, *public[1:]]) != digest(public)


def test_what_is_usual_is_not_stored_and_comes_back() -> None:
    plain = seen("10")
    assert "cancelled" not in body(plain).decode() and msgspec.json.decode(body(plain), type=Observation) == plain
    nowhere = msgspec.structs.replace(plain, place=Place())
    assert "place" not in body(nowhere).decode()
    assert '"place":' in body(nowhere, always=frozenset({"place"})).decode()


def test_the_ids_beside_an_observation_are_not_stored_twice_and_one_that_has_them_is_read_as_well() -> None:
    made = divided(judged_of(seen("10"), seen("11"), seen("12")), 2)
    for key, verdict in made.verdicts.items():
        plain = verdict.observation
        assert not {"item_key", "observation_id"} & msgspec.json.decode(made.body(key)).keys()
        assert observation_of(plain.item_key, key, made.body(key)) == plain
        assert observation_of(plain.item_key, key, body(plain).decode()) == plain


class TestRest:
    def test_a_price_a_minute_after_the_last_is_judged_at_once_and_long_quiet_makes_the_rest_short_again(self) -> None:
        rest = rest_after(NOW, None)
        assert rest.until == NOW + SHORTEST_REST
        for _ in range(20):
            rest = rest_after(rest.until, rest)
            judged, rested = rest.until, rest
        assert rested.until - LONGEST_REST <= judged and rested.owed == (TURNS - 1) * A_TURN
        later = rested.until + rested.owed
        assert rest_after(later, rested) == rest_after(later, None)

    @pytest.mark.parametrize(("seconds", "times"), [(60, 6), (3600, 65), (86400, 1445)])
    def test_prices_without_end_make_six_versions_in_the_first_minute_then_one_a_minute(
        self, seconds: int, times: int
    ) -> None:
        made = judgements([timedelta(milliseconds=200)] * seconds * 5)
        assert sum(each < NOW + timedelta(seconds=seconds) for each in made) == times

    @pytest.mark.parametrize("gap", [0.5, 1.9, 2.1, 2.5, 3, 5, 10, 31, 45, 59])
    def test_prices_at_any_steady_pace_make_no_more(self, gap: float) -> None:
        """Also if each price comes just when the rest after the previous one is over."""
        assert len(judgements([timedelta(seconds=gap)] * int(3600 / gap))) <= 6 + 60

    @given(
        st.lists(
            st.one_of(
                st.integers(0, 10_000_000),
                st.sampled_from([1, 2, 4, 8, 16, 32, 60, 61, 120, 400]).map(lambda seconds: seconds * 1_000_000),
                st.integers(0, 900_000_000),
            ).map(lambda micros: timedelta(microseconds=micros)),
            max_size=60,
        )
    )
    def test_however_prices_come_no_span_of_time_has_more_versions_than_six_and_its_minutes(
        self, gaps: list[timedelta]
    ) -> None:
        times = judgements(gaps)
        for first, start in enumerate(times):
            for count, end in enumerate(times[first:], 1):
                assert count <= 6 + (end - start) / timedelta(minutes=1)

    @given(st.lists(st.integers(0, 120_000_000).map(lambda micros: timedelta(microseconds=micros)), max_size=60))
    def test_however_prices_come_none_waits_longer_than_a_minute_after_the_last_version(
        self, gaps: list[timedelta]
    ) -> None:
        rest = None
        for gap in gaps:
            now = rest.until + gap if rest else NOW
            rest = rest_after(now, rest)
            assert SHORTEST_REST <= rest.until - now <= LONGEST_REST


def judgements(gaps: list[timedelta]) -> list[datetime]:
    """The times at which an item is judged if its prices come with these gaps: at once, or after the item's rest
    together with all others."""
    times: list[datetime] = []
    rest, price = None, NOW
    for gap in gaps:
        if not times or price > times[-1]:
            times.append(max(price, rest.until) if rest else price)
            rest = rest_after(times[-1], rest)
        price += gap
    return times
