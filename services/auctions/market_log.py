"""The market's Merkle log: closed auctions become leaves, checkpoints are signed, inclusion is proved.

Root and path come from the hashes of complete subtrees, which are stored beside the leaves
(:mod:`services.auctions.domain.merkle`). Each needs a few reads by key, however long the log is. If subtrees are
missing, the timer makes them from the leaves, in portions.
"""

from collections.abc import AsyncIterator

import asyncpg

from events.auctions import MarketLogSigned
from infra.database import Reader, Transaction
from infra.signing import Signer
from services.auctions import proof
from services.auctions.domain import chain, merkle
from services.auctions.store import facts
from services.auctions.store import market_log as store
from services.auctions.store.market_log import Checkpoint

AT_ONCE = 1000
"""How many closed auctions become leaves in one transaction."""
BLOCKS = 16
"""How many blocks of leaves get their subtrees in one transaction. More would block the event loop for too long."""


class NotProvable(Exception):
    """There is no such auction, or it is not closed, or it was opened before logs were chained."""

    code = "not-provable"


class SubtreesMissing(Exception):
    """The timer has not made the subtrees yet. The client should try again later."""


class LogChanged(Exception):
    """Somebody changed what was signed. Nothing more is appended until this is corrected."""


class MarketLog:
    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def anchor(self, tx: Transaction) -> int:
        """Append the auctions that were closed since the last time, and sign. The advisory lock of
        :func:`store.lock_missing` lets only one process do this at a time. A log without all its subtrees, as a former
        release left it, gets them first. Return how much was done."""
        db = await tx.raw()
        waiting = await store.lock_missing(tx, AT_ONCE)
        latest = await store.checkpoint(db)
        before = latest.size if latest else 0
        if made := await self._make_subtrees(tx, before):
            return made
        if not waiting:
            return 0
        if latest:
            await self._check(db, latest)
        new = [(auction_id, chain.leaf(auction_id, lines - 1, root).decode()) for auction_id, lines, root in waiting]
        await store.append(tx, before + 1, new)
        size = before + len(new)
        await self._make_subtrees(tx, size)
        root = merkle.root(size, await self._known(db, size))
        text = chain.checkpoint_text(size, root, tx.now)
        signed = Checkpoint(size, root.hex(), tx.now, self._signer.key, self._signer.sign(text))
        await store.sign(tx, signed)
        tx.emit(
            MarketLogSigned(
                auction_id=waiting[-1][0],
                size=size,
                root=signed.root,
                key=signed.key,
                signature=signed.signature,
                signed_at=signed.signed_at,
            )
        )
        return len(new)

    async def proof(self, db: Reader, auction_id: str) -> AsyncIterator[bytes]:
        """Return the auction's proof (:mod:`services.auctions.proof`) in parts, because a log may be long. Raise
        NotProvable, SubtreesMissing or LogChanged before the first part."""
        leaf = await store.leaf_of(db, auction_id)
        signed = await store.checkpoint(db, holding=leaf) if leaf else None
        number = await facts.length(db, auction_id)
        if leaf is None or signed is None or not number:
            raise NotProvable(
                f"Auction {auction_id} is not in the market's log: it is added some seconds after its close."
            )
        path = await self.path(db, leaf, signed)

        async def parts() -> AsyncIterator[bytes]:
            root = chain.GENESIS
            async for lines in facts.lines(db, auction_id, number):
                root = chain.root(lines, root)
                yield proof.part(lines)
            yield proof.end(
                proof.Trailer(
                    root=root.hex(),
                    path=path,
                    size=signed.size,
                    log_root=signed.root,
                    signed_at=signed.signed_at,
                    key=signed.key,
                    signature=signed.signature,
                )
            )

        return parts()

    async def path(self, db: Reader, leaf: int, signed: Checkpoint) -> chain.Path:
        """Return the path from leaf number ``leaf``, counted from 1, to the signed root. Raise SubtreesMissing or
        LogChanged."""
        known = await self._known(db, signed.size, leaf - 1)
        _agree(known, signed)
        return merkle.path(signed.size, leaf - 1, known)

    async def _check(self, db: asyncpg.Connection, signed: Checkpoint) -> None:
        _agree(await self._known(db, signed.size), signed)

    async def _known(self, db: Reader, size: int, leaf: int | None = None) -> dict[merkle.Place, bytes]:
        """Return the hashes from which the root of the first ``size`` leaves is made, and with a leaf also its path."""
        places = merkle.needed(size, leaf)
        high = {place for place in places if place[0] >= merkle.LEVEL}
        known = await store.subtrees(db, high)
        if not high <= known.keys():
            raise SubtreesMissing(f"the market's log of {size} leaves still lacks {len(high - known.keys())} subtrees")
        for block in sorted({number >> (merkle.LEVEL - level) for level, number in places - high}):
            first = block * merkle.BLOCK
            known |= merkle.subtrees(block, await store.leaves(db, after=first, limit=min(merkle.BLOCK, size - first)))
        if not places <= known.keys():
            raise LogChanged(f"the market's log lacks some of its {size} leaves")
        return known

    async def _make_subtrees(self, tx: Transaction, size: int) -> int:
        """Make the missing subtrees for whole blocks of the first ``size`` leaves, at most :data:`BLOCKS` blocks.
        Return how many blocks were made."""
        db = await tx.raw()
        made = await store.blocks(db)
        some = min(size // merkle.BLOCK - made, BLOCKS)
        if some <= 0:
            return 0
        texts = await store.leaves(db, after=made * merkle.BLOCK, limit=some * merkle.BLOCK)
        if len(texts) < some * merkle.BLOCK:
            raise LogChanged(f"the market's log lacks some of its {size} leaves")
        known = await store.subtrees(db, merkle.peaks_of_blocks(made))
        await store.put_subtrees(tx, merkle.grown(made, texts, known))
        return some


def _agree(known: merkle.Hashes, signed: Checkpoint) -> None:
    if merkle.root(signed.size, known).hex() != signed.root:
        raise LogChanged(f"the leaves of the market's log do not make the root signed for {signed.size} of them")
