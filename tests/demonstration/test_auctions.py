import pytest

from catalogue.policy import load
from services.demonstration.auctions import NoAuctions, lengths


@pytest.mark.parametrize(
    ("policy", "shortest", "longest"),
    [
        ("demo", 3, 24),
        ("moscow", 24 * 60, 24 * 60),  # three and six hours keep office hours
        ("pregao", 10, 10),
        ("prozorro", 7 * 24 * 60, 7 * 24 * 60),
    ],
)
def test_auctions_that_may_begin_at_any_hour_are_played(policy: str, shortest: int, longest: int) -> None:
    assert lengths(load(policy)) == (shortest, longest)


def test_a_policy_without_live_auctions_says_so() -> None:
    with pytest.raises(NoAuctions, match="no live auction"):
        lengths(load("acordar"))
