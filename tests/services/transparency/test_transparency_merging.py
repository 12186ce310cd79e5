"""Merging releases: the result is as the standard defines it, the releases that are merged do not change, and the work
for many changes of one list is proportional to the number of changes."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.transparency.ocds.merging import merge
from tests.work import calls_of

scalars = st.sampled_from([None, "", "a", "b", 0, 1, [], {}])
things = st.deferred(
    lambda: st.lists(
        st.fixed_dictionaries({"id": st.sampled_from([1, "1", 2, "3", "", None])}, optional={"q": values}), max_size=3
    )
)
values = st.deferred(
    lambda: scalars | things | st.dictionaries(st.sampled_from("xyz"), values, max_size=3) | st.lists(scalars)
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), values), max_size=5))
def test_merging_gives_what_the_standard_defines_and_does_not_change_the_releases(
    releases: list[dict[str, Any]],
) -> None:
    before = deepcopy(releases)
    expected: dict[str, Any] = {}
    for release in releases:
        expected = merged_by_definition(expected, release)
    found = merge(releases)
    assert (found, [type(value) for value in found.values()]) == (expected, [type(each) for each in expected.values()])
    assert list(found) == list(expected) and releases == before


def merged_by_definition(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the merged releases ``old`` with the release ``new`` merged in, as the standard defines it."""
    result = dict(old)
    for key, value in new.items():
        was = result.get(key)
        if value is None:
            result.pop(key, None)
        elif value in ("", [], {}) and key in result:
            continue
        elif isinstance(value, Mapping):
            result[key] = merged_by_definition(was if isinstance(was, Mapping) else {}, value)
        elif isinstance(value, list) and isinstance(was, list) and have_ids(was) and have_ids(value):
            listed = {str(one["id"]): one for one in was}
            for one in value:
                listed[str(one["id"])] = merged_by_definition(listed.get(str(one["id"]), {}), one)
            result[key] = list(listed.values())
        else:
            result[key] = value
    return result


def have_ids(values: Sequence[Any]) -> bool:
    """Return whether all values are objects and each has an id of its own."""
    numbers = [str(one["id"]) for one in values if isinstance(one, Mapping) and one.get("id") not in (None, "")]
    return len(numbers) == len(values) > 0 and len(set(numbers)) == len(numbers)


def test_the_work_for_orders_that_are_placed_and_withdrawn_is_proportional_to_their_number() -> None:
    few, many = [calls_of(partial(merge, withdrawn_orders(number))) for number in (100, 400)]
    assert many < 4.5 * few


def withdrawn_orders(number: int) -> list[dict[str, Any]]:
    return [
        {
            "date": f"2026-11-29T{order // 60 % 24:02}:{order % 60:02}:{second:02}Z",
            "contracts": [{"id": "c1", "implementation": {"milestones": [{"id": f"order-{order}", "status": status}]}}],
        }
        for order in range(number)
        for second, status in enumerate(("scheduled", "notMet"))
    ]
