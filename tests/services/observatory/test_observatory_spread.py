from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from catalogue.policy import OutlierRules
from services.observatory.domain.spread import Band, band, quantile, variation, weights

RULE = OutlierRules()
PRICES = st.lists(st.decimals("0.01", "9999", places=2), min_size=1, max_size=30)
SUPPLIERS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30)


def the_band(prices: Sequence[Decimal]) -> Band | None:
    return band(prices, [Fraction(1, len(prices))] * len(prices), RULE)


def kept(*prices: str) -> list[str]:
    limits = the_band([Decimal(price) for price in prices])
    return [p for p in prices if limits is None or limits.low <= Decimal(p) <= limits.high]


def equal(*prices: str) -> list[tuple[Decimal, Fraction]]:
    return [(Decimal(price), Fraction(1, len(prices))) for price in prices]


class TestOutliers:
    def test_three_prices_are_all_kept(self) -> None:
        assert kept("1", "2", "3500") == ["1", "2", "3500"]

    def test_from_four_to_seven_tukeys_fences_drop_a_pack_priced_as_a_tablet(self) -> None:
        assert kept("0.12", "0.143", "0.18", "11.96") == ["0.12", "0.143", "0.18"]
        assert kept("0.061", "2.88", "2.94", "3.2", "3.9", "4.38") == ["2.88", "2.94", "3.2", "3.9", "4.38"]

    def test_from_eight_the_modified_z_score_drops_what_is_too_cheap_and_too_dear(self) -> None:
        usual = ["9", "9.5", "9.8", "10", "10.2", "10.5", "11"]
        assert kept("0.1", *usual, "1000") == usual

    def test_the_modified_z_limit_is_three_and_a_half_deviations(self) -> None:
        # ln 1 … ln e^0.2 in steps of 0.1 around 0: median 0, MAD 0.1, so the band ends at exp(0.35 / 0.6745).
        prices = [Decimal(x).exp() for x in ("-0.2", "-0.1", "-0.1", "0", "0", "0.1", "0.1", "0.2")]
        limits = the_band(prices)
        assert limits and limits.rule == "modified-z"
        assert abs(limits.high.ln() - Decimal("0.35") / Decimal("0.6745")) < Decimal("1e-20")

    def test_without_a_median_deviation_the_quartiles_decide(self) -> None:
        prices = ["5", "5", "5", "5", "5", "6", "6", "6.5", "60"]
        limits = the_band([Decimal(price) for price in prices])
        assert limits and limits.rule == "tukey"
        assert kept(*prices) == prices[:-1]

    def test_where_nearly_all_are_equal_a_small_difference_is_no_outlier_but_a_large_one_is(self) -> None:
        assert kept("5", "5", "5", "5", "5", "5", "5", "5.01", "50") == ["5"] * 7 + ["5.01"]

    def test_a_flood_from_one_supplier_does_not_make_outliers_of_the_others(self) -> None:
        prices = [Decimal(price) for price in ["12"] * 9 + ["10", "10.4", "10.8"]]
        limits = band(prices, weights(["flood"] * 9 + ["b", "c", "d"], 3), RULE)
        assert limits and limits.low < 10 and limits.high > 12

    @given(PRICES)
    def test_the_median_is_never_an_outlier_and_order_does_not_matter(self, prices: list[Decimal]) -> None:
        limits = the_band(prices)
        assert limits == the_band(prices[::-1])
        if limits:
            middle = sorted(prices)[len(prices) // 2]
            assert len(prices) % 2 == 0 or limits.low <= middle <= limits.high


class TestWeights:
    def test_a_flood_from_one_supplier_weighs_a_third(self) -> None:
        assert weights(["flood"] * 10 + ["b", "c"], 3) == [Fraction(1, 30)] * 10 + [Fraction(1, 3)] * 2
        prices = [Decimal(1)] * 10 + [Decimal(2), Decimal(3)]
        weighted = list(zip(prices, weights(["flood"] * 10 + ["b", "c"], 3), strict=True))
        assert quantile(weighted, Fraction(1, 2)) == 2

    def test_two_suppliers_cannot_meet_the_cap_and_weigh_a_half_each(self) -> None:
        assert weights(["a", "a", "a", "b"], 3) == [Fraction(1, 6)] * 3 + [Fraction(1, 2)]

    def test_observations_weigh_the_same_while_no_supplier_is_over_the_cap(self) -> None:
        assert weights(list("aabbccdd"), 3) == [Fraction(1, 8)] * 8

    @given(SUPPLIERS)
    def test_no_supplier_weighs_more_than_a_third_if_there_are_three(self, suppliers: list[str]) -> None:
        shares: dict[str, Fraction] = defaultdict(Fraction)
        for supplier, share in zip(suppliers, weights(suppliers, 3), strict=True):
            shares[supplier] += share
        assert sum(shares.values()) == 1
        assert max(shares.values()) <= max(Fraction(1, 3), Fraction(1, len(shares)))


class TestFigures:
    def test_equal_weights_give_the_usual_median(self) -> None:
        assert quantile(equal("1", "2", "4"), Fraction(1, 2)) == 2
        assert quantile(equal("1", "2", "4", "9"), Fraction(1, 2)) == 3

    def test_variation_is_the_sample_deviation_over_the_mean(self) -> None:
        assert variation(equal("8", "10", "12")) == 20  # deviation √((4+0+4)/2) = 2 of 10
        assert variation(equal("7")) == 0

    @given(PRICES)
    def test_quantiles_are_ordered_and_lie_among_the_prices(self, prices: list[Decimal]) -> None:
        weighted = [(price, Fraction(1, len(prices))) for price in prices]
        found = [quantile(weighted, Fraction(quarter, 4)) for quarter in range(5)]
        assert found == sorted(found)
        assert min(prices) == found[0] and found[4] == max(prices)
