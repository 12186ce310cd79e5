import datetime as dt
import pickle
import zlib

import msgspec
import numpy as np
import pytest

from recommender import Award, Model, Opportunity, SupplierProfile, UnreadableModel, sentence, train
from recommender.history import COLUMNS, History
from recommender.ranking import RATE, Ranker, Scorer, _as_arrays
from tests.recommender.builders import NOW, TRADES, a_market, a_model, a_purchase, an_award


@pytest.fixture
def model() -> Model:
    return a_model()


class TestRankingSuppliers:
    def test_who_wins_such_purchases_comes_first(self, model: Model) -> None:
        ranked = model.rank_suppliers(a_purchase("44110000", "South"), k=3)
        assert ranked[0].supplier == "first 44110000 South"
        assert ranked[1].supplier == "second 44110000 South"
        assert 1 > ranked[0].score > ranked[1].score > ranked[2].score > 0

    def test_an_unseen_category_borrows_from_its_branch(self, model: Model) -> None:
        first, second = model.rank_suppliers(a_purchase("44115000", "South"), k=2)
        assert {first.supplier, second.supplier} == {"first 44110000 South", "second 44110000 South"}

    def test_more_may_be_asked_for_than_there_are(self, model: Model) -> None:
        assert len(model.rank_suppliers(a_purchase(), k=1000)) == len(model.history.suppliers)

    def test_a_purchase_about_which_nothing_is_known_gets_a_ranking(self, model: Model) -> None:
        assert len(model.rank_suppliers(Opportunity(), k=5)) == 5

    def test_an_empty_market_has_nobody_to_rank(self) -> None:
        assert train([], NOW).rank_suppliers(a_purchase()) == []

    def test_recent_awards_weigh_more(self) -> None:
        years_apart = [an_award("old", day=0), an_award("new", day=2000)]
        model = train(years_apart, dt.date(2031, 1, 1))
        assert [one.supplier for one in model.rank_suppliers(a_purchase())] == ["new", "old"]

    def test_the_order_of_the_awards_given_does_not_matter(self, model: Model) -> None:
        again = train(a_market()[::-1], NOW)
        assert again.rank_suppliers(a_purchase()) == model.rank_suppliers(a_purchase())


class TestRecommending:
    def test_a_known_supplier_gets_recommendations_from_its_trade_with_reasons(self, model: Model) -> None:
        market = [a_purchase(trade, id=trade) for trade in TRADES]
        best = model.recommend("first 44110000 North", market)[0]
        assert best.opportunity.id == "44110000"
        assert [reason.code for reason in best.reasons] == ["won_category", "won_for_buyer", "won_in_region"]
        assert sentence(best.reasons[1]) == "North hospital bought from you 14 times"

    def test_a_new_supplier_gets_its_declared_categories_before_nearby_purchases(self, model: Model) -> None:
        profile = SupplierProfile(supplier_id="new", region="north", declared=("44200000",))
        market = [a_purchase("55100000", "North", id="near"), a_purchase("44210000", "South", id="declared")]
        found = model.recommend(profile, market)
        assert [(one.opportunity.id, [reason.code for reason in one.reasons]) for one in found] == [
            ("declared", ["declared_category"]),
            ("near", ["in_your_region"]),
        ]
        assert found[0].score > 5 * found[1].score

    def test_an_offer_is_evidence_for_its_category(self, model: Model) -> None:
        profile = SupplierProfile(supplier_id="new", offered=("30200000",))
        found = model.recommend(profile, [a_purchase("30200000"), a_purchase("55100000")])
        assert [reason.code for one in found for reason in one.reasons] == ["offers_category"]

    def test_acts_of_a_supplier_count_in_a_category_without_other_evidence(self, model: Model) -> None:
        bidder = SupplierProfile(supplier_id="new", active=("30200000",))
        seller = SupplierProfile(supplier_id="new", active=("30200000",), offered=("30200000",))
        (fit,), (better,) = (
            model.recommend(one, [a_purchase("30200000"), a_purchase("55100000")]) for one in (bidder, seller)
        )
        assert [reason.code for reason in fit.reasons] == ["active_category"]
        assert [reason.code for reason in better.reasons] == ["offers_category"]
        assert better.score > fit.score

    def test_every_recommendation_has_a_reason(self, model: Model) -> None:
        assert model.recommend("nobody", [a_purchase()]) == []

    def test_purchases_that_similar_suppliers_win_are_recommended(self) -> None:
        paper, ink = a_purchase("30190000", buyer="A"), a_purchase("22600000", buyer="B", region="South")
        model = train([an_award("both", paper), an_award("both", ink), an_award("paper only", paper)], NOW)
        (found,) = model.recommend("paper only", [ink])
        assert [reason.code for reason in found.reasons] == ["similar_suppliers"]
        assert sentence(found.reasons[0]) == ("1 supplier that won in your categories also won in category 226")

    def test_at_most_the_requested_number_is_recommended(self, model: Model) -> None:
        assert len(model.recommend("first 44110000 North", [a_purchase("44110000")] * 5, k=2)) == 2


class TestKeeping:
    def test_a_model_that_is_read_back_ranks_as_before(self, model: Model) -> None:
        again = Model.from_bytes(model.to_bytes())
        assert again.rank_suppliers(a_purchase()) == model.rank_suppliers(a_purchase())
        assert again.ranker == model.ranker

    def test_bytes_that_are_no_model_are_refused(self) -> None:
        for data in (b"", b"junk", zlib.compress(b"\x80"), pickle.dumps([1])):
            with pytest.raises(UnreadableModel):
                Model.from_bytes(data)

    def test_another_format_is_refused_by_number(self, model: Model) -> None:
        stored = msgspec.msgpack.decode(zlib.decompress(model.to_bytes()))
        with pytest.raises(UnreadableModel, match="format 99"):
            Model.from_bytes(zlib.compress(msgspec.msgpack.encode(stored | {"format": 99})))

    def test_a_ranker_of_other_columns_is_refused(self, model: Model) -> None:
        stored = msgspec.msgpack.decode(zlib.decompress(model.to_bytes()))
        stored["ranker"]["columns"] = ["other"]
        with pytest.raises(UnreadableModel, match="columns"):
            Model.from_bytes(zlib.compress(msgspec.msgpack.encode(stored)))

    @pytest.mark.parametrize(("field", "value"), [("left", 0), ("right", 10**6), ("column", 99), ("roots", -1)])
    def test_trees_that_lead_nowhere_or_in_circles_are_refused(self, model: Model, field: str, value: int) -> None:
        stored = msgspec.msgpack.decode(zlib.decompress(model.to_bytes()))
        stored["ranker"][field][-1] = value
        with pytest.raises(UnreadableModel, match="contradicts itself"):
            Model.from_bytes(zlib.compress(msgspec.msgpack.encode(stored)))


def test_trees_as_arrays_predict_what_scikit_learn_predicts() -> None:
    rng = np.random.default_rng(1)
    evidence = rng.normal(size=(400, len(COLUMNS))).astype(np.float32)
    won = evidence[:, 0] + evidence[:, 3] * evidence[:, 5] > 1
    from sklearn.ensemble import GradientBoostingClassifier  # takes seconds, so only one process of the tests does it

    trees = GradientBoostingClassifier(n_estimators=10, max_depth=4, learning_rate=RATE, random_state=0)
    trees.fit(evidence, won)
    scores = Scorer(_as_arrays(trees, float(won.mean()))).scores(evidence.astype(np.float64))
    np.testing.assert_allclose(scores, trees.predict_proba(evidence)[:, 1])


def test_an_unlearned_ranker_gives_the_mean_of_the_evidence() -> None:
    history = History(a_market(24), NOW)
    evidence = history.evidence(history.descriptions[0])
    expected = np.exp(evidence[:, :9].mean(axis=1))
    np.testing.assert_allclose(Scorer(Ranker()).scores(evidence), expected)


def test_probabilities_sum_to_one_in_every_circle() -> None:
    history = History(a_market(60), NOW)
    even = np.full(len(history.suppliers), 1 / len(history.suppliers))
    description = history.descriptions[0]
    for context in description.contexts():
        assert history.narrowed(even, context, ("", *description.path)).sum() == pytest.approx(1)
    assert history.neighbours(description).sum() == pytest.approx(1)
    assert history.popularity().sum() == pytest.approx(1)


def test_an_undated_award_counts_as_one_of_the_oldest() -> None:
    undated = Award(supplier="undated", opportunity=a_purchase())
    history = History([an_award("old", day=0), an_award("new", day=100), undated], NOW)
    shares = dict(zip(history.suppliers, history.popularity(), strict=True))
    assert shares["undated"] == shares["old"] < shares["new"]
