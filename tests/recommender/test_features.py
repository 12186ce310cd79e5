import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender import Opportunity, supplier_key
from recommender.features import category_path, describe, shared_depth


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("N7030", ("N", "N7", "N70", "N703", "N7030")),
        ("33190000-8", ("3", "33", "331", "3319")),
        ("30000000", ("3", "30")),
        ("26.20.1", ("2", "26", "262", "2620", "26201")),
        ("cpv:33100000", ("CPV:3", "CPV:33", "CPV:331")),
        ("", ()),
    ],
)
def test_a_category_hangs_on_its_branches(code: str, path: tuple[str, ...]) -> None:
    assert category_path(code) == path


def test_a_declared_branch_fits_its_leaves_fully_and_another_branch_in_part() -> None:
    assert shared_depth(category_path("33000000"), category_path("33190000")) == 1.0
    assert shared_depth(category_path("33100000"), category_path("33200000")) == pytest.approx(2 / 3)
    assert shared_depth(category_path("44100000"), category_path("33200000")) == 0.0
    assert shared_depth((), category_path("33200000")) == 0.0


def test_codes_of_two_schemes_never_meet() -> None:
    assert shared_depth(category_path("cpv:33100000"), category_path("unspsc:33100000")) == 0.0


def test_the_id_is_not_seen() -> None:
    one = Opportunity(buyer="Bäckerei  Müller", category="n7030", id="1")
    other = Opportunity(buyer="backerei muller", category="N7030", id="2")
    assert describe(one) == describe(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bristol Aerospace Limited", "BRISTOL AEROSPACE LTD."),
        ("Société Générale S.A.", "societe generale"),
        ("H.Q. Fine Foods", "HQ Fine Foods Inc"),
        ("The Math Works, Inc.", "MathWorks"),
        ("Smith & Sons", "Smith and Sons Co."),
        ("ООО", "ооо"),
    ],
)
def test_one_supplier_however_typed(one: str, other: str) -> None:
    assert supplier_key(one) == supplier_key(other) != ""


@pytest.mark.parametrize(("one", "other"), [("Alpha Inc", "Beta Inc"), ("Ltd", "Inc"), ("Unit 1 Ltd", "Unit 2 Ltd")])
def test_different_suppliers_stay_apart(one: str, other: str) -> None:
    assert supplier_key(one) != supplier_key(other)


@given(st.text())
@example("E:T")
def test_a_key_of_a_key_is_that_key_unless_it_is_a_legal_form(name: str) -> None:
    key = supplier_key(name)
    assert supplier_key(key) == key
