"""The lane without a database."""

from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.clock import ShiftedClock
from infra.signing import Signer
from services.auctions.judging import WaitingBid
from services.auctions.lane import Lane, LaneBlocked


async def test_a_database_that_is_away_blocks_the_bid_and_leaves_nobody_waiting() -> None:
    lane = Lane("postgresql://nobody@127.0.0.1:1/none", ShiftedClock(), Signer(Ed25519PrivateKey.generate()))
    async with lane.running():
        with pytest.raises(LaneBlocked):
            await lane.place(WaitingBid("x", "s", "k", Decimal(1), ShiftedClock()()))
