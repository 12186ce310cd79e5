"""Suppliers that can fit an opening are found by the first characters of codes."""

from itertools import product

import pytest

from recommender.features import category_path, shared_depth
from recommender.reasons import CLOSE
from recommender.trades import concerned, trades

CODES = (
    "",
    "CPV:3",
    "CPV:30000000",
    "CPV:30100000",
    "CPV:30197630-1",
    "CPV:31000000",
    "CPV:31712000",
    "CPV:45000000-7",
)
CODES += ("OKPD2:1", "OKPD2:17", "OKPD2:17.1", "OKPD2:17.12.14", "OKPD2:18.12", "TEST:AB12", "N7030", "N")


@pytest.mark.parametrize(("mine", "opened"), list(product(CODES, CODES)))
def test_every_category_that_is_close_enough_is_found(mine: str, opened: str) -> None:
    if shared_depth(category_path(mine), category_path(opened)) >= CLOSE:
        assert set(trades(mine)) & set(concerned(opened))


def test_other_divisions_are_not_found() -> None:
    assert not set(trades("CPV:45000000")) & set(concerned("CPV:30197630"))
    assert not set(trades("CPV:31712000")) & set(concerned("CPV:30197630"))
    assert trades("") == concerned("") == ()
