"""JSON of the market's log of closed auctions."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter

from infra.web import PUBLIC, FromResources
from services.auctions.store import market_log as log_store


class CheckpointOut(msgspec.Struct, kw_only=True):
    """The market's latest signature under its log. ``size`` 0 means that nothing was closed yet, and nothing is signed."""

    key: str
    size: int = 0
    root: str = ""
    signed_at: datetime | None = None
    signature: str = ""


class MarketLogApi(Controller):
    """The market's Merkle log. With its checkpoints and its leaves anybody can check that nothing signed was changed."""

    path = "/api/log"
    tags = ["auctions"]

    @get(opt=PUBLIC)
    async def read_checkpoint(self, resources: FromResources) -> CheckpointOut:
        """Return the latest checkpoint, and the market's public key (Ed25519, hexadecimal)."""
        latest = await log_store.checkpoint(resources.database.pool)
        if latest is None:
            return CheckpointOut(key=resources.signer.key)
        return CheckpointOut(**msgspec.structs.asdict(latest))

    @get("/leaves", opt=PUBLIC)
    async def read_leaves(
        self, resources: FromResources, after: Annotated[int, QueryParameter(ge=0, le=2**62)] = 0
    ) -> list[str]:
        """Return 1,000 leaves in order, beginning after number ``after``."""
        return await log_store.leaves(resources.database.pool, after=after, limit=1000)
