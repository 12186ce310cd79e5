"""One buyer does not fill a list, and nothing that fits is lost."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from recommender.turns import MOST, OF, in_turns

Item = tuple[str, int]
ITEMS = st.lists(st.sampled_from("abcdef"), max_size=60).map(lambda buyers: [(b, n) for n, b in enumerate(buyers)])


def whose(item: Item) -> str:
    return item[0]


def all_of(items: list[Item]) -> list[Item]:
    return in_turns(items, whose, len(items))


@given(ITEMS)
def test_all_stay_each_once_and_those_of_a_buyer_in_their_order(items: list[Item]) -> None:
    listed = all_of(items)
    assert sorted(listed) == sorted(items)
    for buyer in "abcdef":
        assert [one for one in listed if whose(one) == buyer] == [one for one in items if whose(one) == buyer]


@given(ITEMS)
def test_one_buyer_alone_is_listed_as_it_came(items: list[Item]) -> None:
    alone = [("a", number) for _, number in items]
    assert all_of(alone) == alone


@given(ITEMS, st.integers(0, 60))
def test_a_short_list_is_the_beginning_of_the_long_one_however_often_it_is_made(items: list[Item], count: int) -> None:
    assert in_turns(items, whose, count) == all_of(items)[:count] == in_turns(tuple(items), whose, count)


@given(ITEMS)
def test_no_buyer_has_a_further_place_of_the_first_ten_while_another_waits_for_its_first_ones(
    items: list[Item],
) -> None:
    listed = all_of(items)
    first = Counter(whose(one) for one in listed[:OF])
    if max(first.values(), default=0) > MOST:
        had = Counter(whose(one) for one in items)
        assert all(first[buyer] >= min(MOST, count) for buyer, count in had.items())


@given(ITEMS)
def test_lists_in_which_no_buyer_has_much_stay_as_they_were(items: list[Item]) -> None:
    few = [item for at, item in enumerate(items) if sum(whose(one) == whose(item) for one in items[:at]) < MOST]
    assert all_of(few[:OF]) == few[:OF]


def test_who_opened_seven_hundred_has_three_places_of_ten_and_six_of_twenty() -> None:
    items = [("crowd", number) for number in range(700)] + [(f"other{number % 9}", number) for number in range(45)]
    for count, most in ((10, 3), (20, 6)):
        assert Counter(whose(one) for one in in_turns(items, whose, count))["crowd"] == most
