from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.policy import ObservatoryRules, OutlierRules, load
from catalogue.units import UnparseableUnit
from events.values import Place
from services.observatory.domain import (
    ComputedReference,
    Index,
    NoReference,
    Observation,
    Position,
    PriceKind,
    Rates,
    Valuation,
    priced,
    reference,
)
from services.observatory.domain.price import (
    IndexMissing,
    OtherCurrency,
    PriceNotPositive,
    PriceOutOfRange,
    RateMissing,
    VatRateUnknown,
)

is_bound_by = load("moscow").auction.is_bound_by
USUAL = ObservatoryRules()
TODAY = date(2026, 6, 15)
ARACAJU = Place(country="BR", region="BR-SE", locality="Aracaju")
ITABAIANA = Place(country="BR", region="BR-SE", locality="Itabaiana")
CURITIBA = Place(country="BR", region="BR-PR", locality="Curitiba")


def seen(price: str, *, by: str | None = None, **changes: Any) -> Observation:
    """A contract of this month in Aracaju: one kilogram, without VAT, each from a new supplier."""
    usual: dict[str, Any] = {
        "observation_id": f"{price} {by} {changes}",
        "kind": PriceKind.CONTRACT,
        "item_key": "rice",
        "unit_price": Decimal(price),
        "currency": "BRL",
        "date": date(2026, 6, 1),
        "place": ARACAJU,
        "unit": "KGM",
        "supplier_id": by or f"supplier of {price}",
        "vat_included": False,
    }
    return Observation(**(usual | changes))


@dataclass
class Asked:
    """The observatory's answer for Aracaju today."""

    observations: list[Observation]
    rates: Rates | None = None
    index: Index | None = None
    rules: ObservatoryRules = USUAL

    @property
    def answer(self) -> ComputedReference | NoReference:
        return reference(
            self.observations, at=TODAY, place=ARACAJU, rules=self.rules, rates=self.rates, index=self.index
        )

    @property
    def published(self) -> ComputedReference:
        assert isinstance(self.answer, ComputedReference)
        return self.answer

    def reason_for(self, observation: Observation) -> str | None:
        verdict = next(v for v in self.answer.verdicts if v.observation == observation)
        return verdict.dropped.rule if verdict.dropped else None


def nominal(observation: Observation, **changes: Any) -> Decimal:
    return priced(observation, Valuation(at=TODAY, currency="BRL", **changes)).price


class TestComparablePrice:
    def test_packs_and_units_become_one_base_unit(self) -> None:
        assert nominal(seen("2.50", unit="GRM", pack_size=Decimal(500))) == 5
        assert nominal(seen("1.4659", unit="", unit_text="FRASCO 10.00 ML")) == Decimal("146.59")

    def test_vat_is_taken_out_where_it_is_in(self) -> None:
        assert nominal(seen("12", vat_included=True, vat_rate=Decimal(20))) == 10
        assert nominal(seen("12", vat_included=None, vat_rate=Decimal(20))) == 12
        with pytest.raises(VatRateUnknown):
            nominal(seen("12", vat_included=True))

    def test_currencies_convert_at_the_month_of_the_price_and_only_with_a_rate(self) -> None:
        euro = seen("10", currency="EUR", date=date(2026, 3, 3))
        assert nominal(euro, rates={("EUR", "2026-03"): Decimal("6.2")}) == 62
        with pytest.raises(RateMissing):
            nominal(euro, rates={("EUR", "2026-04"): Decimal("6.2")})
        with pytest.raises(OtherCurrency):
            nominal(euro)

    def test_prices_move_to_the_money_of_the_valuation_month(self) -> None:
        index = {"2026-01": Decimal(100), "2026-02": Decimal(102), "2026-06": Decimal(110)}
        assert nominal(seen("10", date=date(2026, 1, 9)), index=index) == 11
        with pytest.raises(IndexMissing):
            nominal(seen("10", date=date(2026, 4, 9)), index=index)

    def test_an_index_that_is_not_yet_published_holds_its_last_level(self) -> None:
        index = {"2026-03": Decimal(100), "2026-04": Decimal(105)}
        assert nominal(seen("100", date=date(2026, 3, 9)), index=index) == 105
        assert nominal(seen("100", date=date(2026, 6, 1)), index=index) == 100

    @pytest.mark.parametrize("price", ["0", "-1", "NaN"])
    def test_a_price_that_is_not_positive_is_refused(self, price: str) -> None:
        with pytest.raises(PriceNotPositive):
            nominal(seen(price))

    @pytest.mark.parametrize("changes", [{"price": "1e19"}, {"price": "1e-9"}, {"price": "9e17", "unit": "MGM"}])
    def test_a_price_that_only_a_slip_explains_is_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(PriceOutOfRange):
            nominal(seen(**changes))


class TestReference:
    def test_publishes_median_quartiles_spread_and_grade(self) -> None:
        found = Asked([seen("8"), seen("10"), seen("12")]).published
        assert (found.p25, found.median, found.p75) == (8, 10, 12)
        assert (found.observations, found.suppliers, found.variation, found.grade) == (3, 3, 20, "B")
        assert (found.unit, found.currency, found.level, found.kind) == ("KGM", "BRL", "locality", PriceKind.CONTRACT)
        assert is_bound_by(found.grade)
        assert found.position(Decimal("12.01")) is Position.ABOVE

    @pytest.mark.parametrize(("high", "grade"), [("11", "A"), ("12", "B"), ("20", "C")])
    def test_grades_follow_the_variation(self, high: str, grade: str) -> None:
        found = Asked([seen("8.5"), seen("10"), seen(high)]).published
        assert found.grade == grade and is_bound_by(found.grade) is (grade != "C")

    def test_fewer_than_three_suppliers_are_advisory_however_close_their_prices(self) -> None:
        two = [seen("10", by="a"), seen("10.1", by="b"), seen("10.2", by="b", observation_id="again")]
        found = Asked(two).published
        assert (found.suppliers, found.grade, is_bound_by(found.grade)) == (2, "C", False)
        assert Asked([*two, seen("10.3", by="c")]).published.grade == "A"

    def test_two_observations_make_none_and_both_say_why(self) -> None:
        asked = Asked([seen("8"), seen("10")])
        assert isinstance(asked.answer, NoReference)
        assert asked.answer.reason.rule == "too-few-observations"
        assert [asked.reason_for(o) for o in asked.observations] == ["too-few-observations"] * 2

    def test_nothing_seen_is_no_reference(self) -> None:
        assert isinstance(Asked([]).answer, NoReference)

    def test_widens_to_the_region_then_to_the_country(self) -> None:
        here, near, far = seen("8"), seen("9", place=ITABAIANA), seen("30", place=CURITIBA)
        also_near = seen("9.5", place=ITABAIANA)
        asked = Asked([here, near, also_near, far])
        assert (asked.published.level, asked.published.place_code) == ("region", "BR-SE")
        assert asked.reason_for(far) == "other-place"
        assert Asked([here, near, far]).published.level == "country"

    def test_every_observation_is_listed_as_kept_or_dropped_and_why(self) -> None:
        usual = [seen(price) for price in ("10", "10.5", "11", "11.5")]
        odd = {
            "outlier": seen("3500"),
            UnparseableUnit.code: seen("10.1", unit="", unit_text="wagon-ish"),
            "other-unit": seen("10.2", unit="LTR"),
            "other-currency": seen("10.3", currency="USD"),
            "other-kind": seen("10.4", kind=PriceKind.OFFER),
            "outside-window": seen("10.6", date=date(2025, 6, 14)),
            "cancelled": seen("10.7", cancelled=True),
        }
        asked = Asked([*usual, *odd.values()])
        assert {rule: asked.reason_for(o) for rule, o in odd.items()} == {rule: rule for rule in odd}
        assert [asked.reason_for(o) for o in usual] == [None] * 4
        assert len(asked.published.verdicts) == 11
        assert sum(v.weight for v in asked.published.verdicts if v.weight) == 100

    def test_contracts_count_a_year_and_offers_six_months_both_to_the_day(self) -> None:
        a_year, half_a_year = date(2025, 6, 15), date(2025, 12, 15)
        contracts = [seen(price, date=a_year) for price in ("8", "9", "10")]
        assert Asked(contracts).published.observations == 3
        offers = [seen(price, kind=PriceKind.OFFER, date=half_a_year) for price in ("8", "9", "10")]
        assert Asked(offers).published.kind is PriceKind.OFFER
        old = seen("11", kind=PriceKind.OFFER, date=date(2025, 12, 14))
        assert Asked([*offers, old]).reason_for(old) == "outside-window"
        future = seen("11", date=date(2026, 6, 16))
        assert Asked([*contracts, future]).reason_for(future) == "outside-window"

    def test_the_dearest_supplier_cannot_push_the_median_by_repeating_itself(self) -> None:
        flood = [seen("12", by="flood", observation_id=f"flood {n}") for n in range(9)]
        found = Asked([*flood, seen("10"), seen("10.4"), seen("10.8")]).published
        assert found.median == Decimal("10.8")

    @given(st.data())
    def test_the_order_of_observations_changes_nothing(self, data: st.DataObject) -> None:
        observations = data.draw(
            st.lists(
                st.builds(
                    seen,
                    st.decimals("0.02", "90", places=2).map(str),
                    by=st.sampled_from("abc"),
                    kind=st.sampled_from([PriceKind.CONTRACT, PriceKind.OFFER]),
                    place=st.sampled_from([ARACAJU, ITABAIANA, CURITIBA]),
                    unit=st.sampled_from(["KGM", "GRM", "LTR"]),
                ),
                max_size=12,
                unique_by=lambda o: o.observation_id,
            )
        )
        shuffled = data.draw(st.permutations(observations))
        assert Asked(observations).answer == Asked(shuffled).answer
        assert len(Asked(observations).answer.verdicts) == len(observations)


class TestOtherNumbers:
    """Each number of the policy matters: with the same prices the answer differs."""

    @staticmethod
    def told(prices: list[Observation], **numbers: Any) -> ComputedReference | NoReference:
        return Asked(prices, rules=ObservatoryRules(**numbers)).answer

    def median(self, prices: list[Observation], **numbers: Any) -> Decimal | None:
        found = self.told(prices, **numbers)
        return found.median if isinstance(found, ComputedReference) else None

    def grade(self, prices: list[Observation], **numbers: Any) -> str:
        found = self.told(prices, **numbers)
        assert isinstance(found, ComputedReference)
        return found.grade

    def test_how_many_prices_a_reference_needs(self) -> None:
        two = [seen("8"), seen("10")]
        assert (self.median(two), self.median(two, fewest_prices=2)) == (None, 9)
        found = self.told(two, fewest_prices=5)
        assert isinstance(found, NoReference) and "needs 5 comparable prices" in found.reason.message

    def test_how_long_a_price_counts(self) -> None:
        old = [seen(price, date=date(2024, 9, 1)) for price in ("8", "9", "10")]
        assert (self.median(old), self.median(old, contract_months=24)) == (None, 9)
        offers = [seen(price, kind=PriceKind.OFFER, date=date(2026, 1, 1)) for price in ("8", "9", "10")]
        assert (self.median(offers), self.median(offers, other_months=5)) == (9, None)

    def test_which_kinds_count_and_which_first(self) -> None:
        paid = [seen(price) for price in ("8", "9", "10")]
        asked = [seen(price, kind=PriceKind.OFFER) for price in ("18", "19", "20")]
        both = paid + asked
        assert (self.median(both), self.median(both, kinds=("offer", "contract"))) == (9, 19)
        assert (self.median(asked), self.median(asked, kinds=("contract", "bid"))) == (19, None)

    def test_how_much_one_supplier_weighs(self) -> None:
        flood = [seen("10", by="flood", observation_id=str(number)) for number in range(10)]
        prices = [*flood, *(seen(price) for price in ("11", "12", "13"))]
        wide = OutlierRules(flat_percent=Decimal(1000))
        assert self.median(prices, outliers=wide) == Decimal(11)
        assert self.median(prices, outliers=wide, supplier_share_one_in=1) == Decimal(10)

    def test_how_many_suppliers_make_a_grade(self) -> None:
        four = [seen(price) for price in ("9.9", "10", "10.1", "10.2")]
        assert (self.grade(four), self.grade(four, fewest_suppliers=5)) == ("A", "C")

    def test_how_far_prices_of_a_grade_differ(self) -> None:
        prices = [seen(price) for price in ("8", "10", "12")]
        assert [
            self.grade(prices),
            self.grade(prices, grade_a_percent=Decimal(20)),
            self.grade(prices, grade_b_percent=Decimal(19)),
        ] == ["B", "A", "C"]

    @pytest.mark.parametrize(
        ("prices", "rule"),
        [
            (("9", "9.5", "9.8", "10", "10.2", "10.5", "11", "15"), {"z_limit": Decimal(9)}),
            (("9", "9.5", "10", "10.5", "14"), {"fences": Decimal(9)}),
            (("9", "9.5", "10", "10.5", "14"), {"fences_from": 6}),
            (("5", "5", "5", "5", "5", "7"), {"flat_percent": Decimal(50)}),
        ],
    )
    def test_how_far_from_the_others_a_price_may_lie(self, prices: tuple[str, ...], rule: dict[str, Any]) -> None:
        told = [seen(price, by=str(number)) for number, price in enumerate(prices)]
        usual, other = self.told(told), self.told(told, outliers=OutlierRules(**rule))
        assert isinstance(usual, ComputedReference) and isinstance(other, ComputedReference)
        assert (usual.observations, other.observations) == (len(prices) - 1, len(prices))

    def test_from_how_many_prices_on_the_modified_score_judges(self) -> None:
        told = [seen(price) for price in ("9.6", "9.8", "10", "10.2", "10.4", "12")]
        later, sooner = self.told(told, outliers=OutlierRules()), self.told(told, outliers=OutlierRules(z_from=6))
        told_why = [reason.message for answer in (later, sooner) for v in answer.verdicts if (reason := v.dropped)]
        assert [why.split()[-1] for why in told_why] == ["(tukey).", "(modified-z)."]

    def test_how_many_digits_are_published_and_what_they_do_not_show_is_set_aside(self) -> None:
        tablets = [seen(price) for price in ("0.0232", "0.0237", "0.0241")]
        assert self.median(tablets) == Decimal("0.0237")
        assert self.median(tablets, decimal_places=2) == Decimal("0.02")
        found = self.told(tablets, decimal_places=1)
        assert [v.dropped.rule for v in found.verdicts if v.dropped] == ["price-out-of-range"] * 3
