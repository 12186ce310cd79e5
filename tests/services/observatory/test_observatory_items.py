"""A thing has one item, no matter how its category is written."""

from datetime import date

import pytest

from events.values import Category
from services.observatory.intake import item_key, of_contract
from tests.services.observatory.builders import a_contract, a_line

JUNE = date(2026, 6, 1)
PAPER = a_line("Paper A4", "10")


@pytest.mark.parametrize("written", ["30197642-8", "30197642", " 30197642 "])
def test_a_cpv_code_is_one_however_it_is_written(written: str) -> None:
    plain = Category(code="30197642", scheme="CPV")
    assert item_key(PAPER, Category(code=written, scheme="CPV"), "EUR") == item_key(PAPER, plain, "EUR")
    seen = of_contract(a_contract("Paper A4", "10", JUNE, category=Category(code=written, scheme="CPV")))
    assert {each.category.code for each in (*seen.items, *seen.observations) if each.category} == {"30197642"}


def test_the_beginning_of_a_code_is_the_code_that_the_catalogue_has() -> None:
    short, whole = (Category(code=code, scheme="CPV") for code in ("30", "30000000"))
    assert item_key(PAPER, short, "EUR") == item_key(PAPER, whole, "EUR")


@pytest.mark.parametrize(("code", "scheme"), [("30197642-8", "GSIN"), ("30197642-1", "CPV"), ("banana", "CPV")])
def test_a_code_of_another_scheme_or_one_that_a_former_release_took_in_stays_as_it_is(code: str, scheme: str) -> None:
    seen = of_contract(a_contract("Paper A4", "10", JUNE, category=Category(code=code, scheme=scheme)))
    assert {each.category.code for each in (*seen.items, *seen.observations) if each.category} == {code}
