import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.interest import UnknownAct, add, co_purchase, interest, strongest

ACTS = st.lists(st.tuples(st.sampled_from(["viewed", "bid", "won"]), st.sampled_from(["33100000", "33200000"])))


def summed(acts: list[tuple[str, str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for act, category in acts:
        counts = add(counts, interest(act, category))
    return counts


@given(ACTS)
def test_the_order_of_events_does_not_matter(acts: list[tuple[str, str]]) -> None:
    assert summed(acts) == summed(acts[::-1])


def test_an_act_speaks_for_the_branch_as_well() -> None:
    assert interest("bid", "33100000") == {"3": 5, "33": 5, "331": 5}


def test_the_more_precise_comes_first_among_equals() -> None:
    assert strongest(summed([("bid", "33100000"), ("viewed", "33200000")]), 3) == ["33", "3", "331"]


def test_an_act_without_a_weight_is_refused_by_name() -> None:
    with pytest.raises(UnknownAct, match="'slept'"):
        interest("slept", "33")


def test_each_item_was_bought_with_each_other_once() -> None:
    assert co_purchase(["b", "a", "b", "c"]) == {
        "a": {"b": 1, "c": 1},
        "b": {"a": 1, "c": 1},
        "c": {"a": 1, "b": 1},
    }
