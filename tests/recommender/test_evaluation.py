import datetime as dt

import msgspec
import pytest

from recommender import (
    Award,
    DifferentSplit,
    HitRate,
    ModelFigures,
    Split,
    evaluate,
    evaluate_new_suppliers,
    promote,
    retrain,
    split_by_time,
    train,
)
from tests.recommender.builders import NOW, a_market, a_model, a_purchase, an_award


def figures(hr: float, mrr: float = 0.1, *, baseline: float = 0.0, fingerprint: str = "same") -> ModelFigures:
    rate = HitRate(100, hr, mrr)
    baselines = {"popularity": HitRate(100, baseline, 0.0)}
    return ModelFigures(Split(10, 100, fingerprint), rate, rate, rate, rate, 0.0, 0.0, baselines)


class TestFigures:
    def test_each_award_is_a_test_and_each_tender_weighs_the_same(self) -> None:
        model = train([an_award("known")], NOW)
        tests = [an_award("known", tender="big")] * 3 + [an_award("stranger", tender="small")]
        found = evaluate(model, tests, k=1)
        assert found.all == HitRate(4, 0.75, 0.75)
        assert found.known == HitRate(3, 1.0, 1.0)
        assert found.per_tender == HitRate(2, 0.5, 0.5)
        assert found.coverage == 1.0

    def test_awards_without_a_tender_stand_for_themselves(self) -> None:
        found = evaluate(train([an_award("known")], NOW), [an_award("known"), an_award("stranger")])
        assert found.per_tender == HitRate(2, 0.5, 0.5)

    def test_the_second_place_counts_half(self) -> None:
        model = train([an_award("often"), an_award("often"), an_award("once")], NOW)
        assert evaluate(model, [an_award("once")], k=2).all == HitRate(1, 1.0, 0.5)
        assert evaluate(model, [an_award("once")], k=1).all == HitRate(1, 0.0, 0.0)

    def test_baselines_take_the_most_frequent_of_their_circle(self) -> None:
        paper, ink = a_purchase("30190000"), a_purchase("22600000")
        past = [an_award("paper", paper)] * 3 + [an_award("ink", ink)]
        found = evaluate(train(past, NOW), [an_award("ink", ink)], k=1)
        assert {name: rate.hr for name, rate in found.baselines.items()} == {
            "popularity": 0.0,
            "category": 1.0,
            "category_in_region": 1.0,
        }

    def test_an_evaluation_without_awards_reports_zero_tests(self) -> None:
        assert evaluate(train(a_market(24), NOW), []).all == HitRate(0, 0.0, 0.0)

    def test_the_answer_is_not_looked_at(self) -> None:
        """If every winner, id and date of the test awards is replaced, the rankings stay the same."""
        past, tests = split_by_time(a_market())
        disguised = [Award(supplier="x", opportunity=one.opportunity) for one in tests]
        model = train(past, NOW)
        one, other = evaluate(model, tests), evaluate(model, disguised)
        assert (one.coverage, one.long_tail_share) == (other.coverage, other.long_tail_share)
        assert one.all.hr == 1.0 and other.all.hr == 0.0

    def test_earlier_tests_do_not_help_later_ones(self) -> None:
        model = train([an_award("known")], NOW)
        assert evaluate(model, [an_award("newcomer", day=300 + day) for day in range(5)]).all.hr == 0.0


def test_new_suppliers_are_found_by_what_they_declare() -> None:
    paper, ink = a_purchase("30190000", buyer="A"), a_purchase("30190000", buyer="B")
    others = [an_award(f"other {n}", a_purchase(f"4{n}000000", "North")) for n in range(10, 30)]
    tests = [an_award("newcomer", paper, day=1), *others, an_award("newcomer", ink, day=2)]
    found = evaluate_new_suppliers(train([an_award("known")], NOW), tests, k=1)
    assert found.by_category == HitRate(1, 1.0, 1.0)
    assert found.by_region == HitRate(1, 0.0, 0.0)


class TestPromotion:
    def test_a_better_model_is_promoted(self) -> None:
        decision = promote(figures(0.4), figures(0.3))
        assert decision.promoted and decision.candidate.hr == 0.4 and decision.compared_with.hr == 0.3

    def test_a_worse_model_is_not(self) -> None:
        decision = promote(figures(0.3), figures(0.4))
        assert (decision.promoted, decision.code) == (False, "worse_than_incumbent")
        assert "0.300 against 0.400" in decision.sentence

    def test_the_mean_reciprocal_rank_decides_between_equal_hit_rates(self) -> None:
        worse = promote(figures(0.3, 0.1), figures(0.3, 0.2))
        assert worse.promoted is False
        assert "the same hit rate 0.300, mean 1/rank 0.100 against 0.200" in worse.sentence
        assert promote(figures(0.3, 0.2), figures(0.3, 0.2)).promoted is True

    def test_a_model_worse_than_a_baseline_is_not_promoted(self) -> None:
        assert promote(figures(0.3, baseline=0.35), figures(0.2)).code == "worse_than_baseline"

    def test_figures_of_different_splits_do_not_compare(self) -> None:
        with pytest.raises(DifferentSplit):
            promote(figures(0.4), figures(0.3, fingerprint="other"))


class TestRetraining:
    def test_the_model_covers_the_whole_history_and_carries_its_figures(self) -> None:
        result = retrain(a_market(), NOW, k=3)
        assert len(result.model.history.awards) == 240
        assert result.model.figures is not None and result.model.figures.split.awards == 48
        again = type(result.model).from_bytes(result.model.to_bytes())
        assert again.figures == result.model.figures and again.new_suppliers == result.model.new_suppliers

    def test_a_worse_candidate_leaves_the_incumbents_ranker_in_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        incumbent = a_model()
        backwards = msgspec.structs.replace(incumbent.ranker, value=tuple(-value for value in incumbent.ranker.value))
        assert incumbent.ranker.learned
        monkeypatch.setattr("recommender.evaluation.learn", lambda awards: backwards)
        result = retrain(a_market(), NOW, incumbent, k=2)
        assert result.decision.code == "worse_than_incumbent"
        assert result.model.ranker == incumbent.ranker


def test_the_split_is_by_time_and_the_undated_are_past() -> None:
    awards = [an_award(str(day), day=day) for day in (5, 1, 4, 2)] + [Award(supplier="?", opportunity=a_purchase())]
    earlier, later = split_by_time(awards)
    assert [one.supplier for one in earlier] == ["?", "1", "2", "4"]
    assert [one.date for one in later] == [dt.date(2025, 1, 6)]
