"""Each field of an auction's state is stored in one place."""

from services.auctions.domain.auction import AuctionState
from services.auctions.store.auctions import COLUMNS_OF_STATE, Course

FROM_ELSEWHERE = ("opened", "rules", "closed", "stopped")
"""Fields that are read from the opening and the result."""


def test_each_field_of_a_state_is_stored_in_one_place() -> None:
    stored = [*COLUMNS_OF_STATE, *Course.__struct_fields__, *FROM_ELSEWHERE]
    assert sorted(stored) == sorted(AuctionState.__struct_fields__)
