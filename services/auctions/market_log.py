"""The market's Merkle log at work: closed auctions become leaves, checkpoints are signed, inclusion is proved.

The tree is in memory (RFC 9162 by pymerkle) and read from the leaves where this process has fewer of them.
"""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
from pymerkle import InmemoryTree

from events.auctions import MarketLogSigned
from infra.database import Transaction
from infra.signing import Signer
from services.auctions import proof
from services.auctions.domain import chain
from services.auctions.store import facts
from services.auctions.store import market_log as store
from services.auctions.store.market_log import Checkpoint

AT_ONCE = 1000


class NotProvable(Exception):
    """No such auction, or it is not closed, or was opened before logs were chained."""

    code = "not-provable"


class LogChanged(Exception):
    """Somebody changed what was signed: nothing more is appended until it is set right."""


class MarketLog:
    """One process's copy of the tree."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._tree = InmemoryTree(algorithm="sha256")
        self._reading = asyncio.Lock()

    async def anchor(self, tx: Transaction) -> int:
        """Append what was closed since, and sign. The advisory lock of :func:`store.waiting` makes it one after the other."""
        db = await tx.raw()
        waiting = await store.waiting(db, AT_ONCE)
        if not waiting:
            return 0
        before = await self._read(db)
        new = [(auction_id, chain.leaf(auction_id, lines - 1, root).decode()) for auction_id, lines, root in waiting]
        for _, leaf in new:  # where the commit fails, the next reading sees that the tree is not what was signed
            self._tree.append_entry(leaf.encode())
        size, root = before + len(new), self._tree.get_root()
        text = chain.checkpoint_text(size, root, tx.now)
        signed = Checkpoint(size, root.hex(), tx.now, self._signer.key, self._signer.sign(text))
        await store.append(db, before + 1, new, signed)
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

    async def proof(self, db: asyncpg.Connection | asyncpg.Pool, auction_id: str) -> AsyncIterator[bytes]:
        """The auction's proof (:mod:`services.auctions.proof`), in parts: a log may be long. Raises NotProvable, before the first."""
        leaf = await store.leaf_of(db, auction_id)
        signed = await store.checkpoint(db, holding=leaf) if leaf else None
        number = await facts.length(db, auction_id)
        if leaf is None or signed is None or not number:
            raise NotProvable(
                f"Auction {auction_id} is not in the market's log: it gets there seconds after its close."
            )
        path = await self.path(db, leaf, signed.size)

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

    async def path(self, db: asyncpg.Connection | asyncpg.Pool, leaf: int, size: int) -> chain.Path:
        """From leaf number ``leaf`` to the root of the first ``size``."""
        await self._read(db)
        proof = self._tree.prove_inclusion(leaf, size)
        steps = zip(proof.rule, proof.path[1:], strict=False)
        return [("left" if bit else "right", other.hex()) for bit, other in steps]

    async def _read(self, db: asyncpg.Connection) -> int:
        """Bring the tree to what the database has, and hold it against the latest checkpoint; its size. Raises LogChanged."""
        async with self._reading:
            latest = await store.checkpoint(db)
            size, root = (latest.size, latest.root) if latest else (0, "")
            await self._grow(db, size)
            if size and not self._agrees(size, root):
                self._tree = InmemoryTree(algorithm="sha256")
                await self._grow(db, size)
                if not self._agrees(size, root):
                    raise LogChanged(f"the leaves of the market's log do not make the root signed for {size} of them")
            return size

    async def _grow(self, db: asyncpg.Connection, size: int) -> None:
        if self._tree.get_size() > size:
            self._tree = InmemoryTree(algorithm="sha256")
        known = self._tree.get_size()
        for text in await store.leaves(db, after=known, limit=size - known):
            self._tree.append_entry(text.encode())

    def _agrees(self, size: int, root: str) -> bool:
        return bool(self._tree.get_size() == size and self._tree.get_root().hex() == root)
