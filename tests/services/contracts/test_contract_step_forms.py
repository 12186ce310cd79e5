"""How a typed form of a step is read, before any rule checks it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from infra.web.exact import arriving
from infra.web.languages import speaking
from services.contracts.domain.deals import SUPPLIER_OFFER, SUPPLIER_SIGNATURE
from services.contracts.pages.signing import brought

SECURITY = {"security-kind": "deposit", "security-reference": "7", "security-valid-until": "2027-01-31"}
BOMBS = ("-1e400000000", "1e999999", "1e30", "NaN", "Infinity", "٣", "1_0", "abc", "1,200")


@pytest.mark.parametrize("typed", BOMBS)
def test_an_amount_that_is_no_amount_has_its_error_beside_its_field_in_each_language(typed: str) -> None:
    said = set()
    for language in ("en", "es", "ru"):
        with speaking(language):
            step, errors = brought(SUPPLIER_SIGNATURE, SECURITY | {"security-amount": typed})
        assert step.security is None and list(errors) == ["security-amount"]
        said.add(errors["security-amount"])
    assert len(said) == 3


@pytest.mark.parametrize("typed", BOMBS)
def test_a_quantity_that_is_no_quantity_has_its_error_beside_its_line(typed: str) -> None:
    step, errors = brought(SUPPLIER_OFFER, {"equivalent-1": "2", "equivalent-2": typed, "stand-in-2": "Grey"})
    assert list(errors) == ["equivalent-2"] and [each.line_id for each in step.equivalents] == ["1"]


@pytest.mark.parametrize("typed", ["1\u202f234,56", "1\u00a0234.56", "1 234,56", "1234.56"])
def test_an_amount_is_read_as_the_market_writes_it(typed: str) -> None:
    step, errors = brought(SUPPLIER_SIGNATURE, SECURITY | {"security-amount": typed})
    assert errors == {} and step.security is not None and step.security.amount == Decimal("1234.56")
    assert step.security.valid_until == date(2027, 1, 31)


@pytest.mark.parametrize("typed", ["", "soon", "9999-12-31", "20271-01-31"])
def test_a_date_that_is_not_valid_is_refused_beside_its_field(typed: str) -> None:
    with arriving(datetime(2026, 11, 29, tzinfo=UTC)):
        _, errors = brought(SUPPLIER_SIGNATURE, SECURITY | {"security-amount": "5", "security-valid-until": typed})
    assert list(errors) == ["security-valid-until"]
