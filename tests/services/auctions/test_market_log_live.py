"""The market's log with many leaves: signing and proving read a few rows, and a log of a former release gets its
subtrees in portions."""

from typing import Any

import asyncpg
import pytest
from pymerkle import InmemoryTree

from infra.database import Database
from infra.embedded import Servers
from infra.signing import Signer
from services.auctions.domain import chain, merkle
from services.auctions.market_log import BLOCKS, LogChanged, MarketLog, SubtreesMissing
from services.auctions.store import market_log as store
from services.auctions.store.market_log import Checkpoint
from tests.explained import recording_queries
from tests.services.auctions.test_known_defects_live import a_service

SIZE = (BLOCKS + 4) * merkle.BLOCK + 5


async def leaves_of_a_former_release(db: asyncpg.Connection, database: Database) -> InmemoryTree:
    """Insert signed leaves without subtrees."""
    tree = InmemoryTree(algorithm="sha256")
    texts = [f"leaf {number}" for number in range(1, SIZE + 1)]
    for text in texts:
        tree.append_entry(text.encode())
    await db.execute(
        "insert into auctions.leaves (leaf, auction_id, text)"
        " select number, text, text from unnest($1::text[]) with ordinality t (text, number)",
        texts,
    )
    async with database.transaction("auctions") as tx:
        await store.sign(tx, Checkpoint(SIZE, tree.get_root().hex(), database.clock(), "key", "signature"))
    await db.execute("analyze auctions.leaves")
    return tree


async def test_a_log_without_subtrees_gets_them_in_portions_and_then_proves(servers: Servers, tmp_path: Any) -> None:
    log = MarketLog(Signer.load(tmp_path))

    async def tick() -> int:
        async with database.transaction("auctions") as tx:
            return await log.anchor(tx)

    async with a_service(servers) as database, database.pool.acquire() as db:
        tree = await leaves_of_a_former_release(db, database)
        signed = await store.checkpoint(db)
        assert signed is not None
        with pytest.raises(SubtreesMissing):
            await log.path(db, 700, signed)
        assert [await tick(), await tick(), await tick()] == [BLOCKS, 4, 0]
        for leaf in (1, 700, SIZE - 5, SIZE):
            proof = tree.prove_inclusion(leaf, SIZE)
            steps = zip(proof.rule, proof.path[1:], strict=False)
            assert await log.path(db, leaf, signed) == [("left" if bit else "right", each.hex()) for bit, each in steps]
        async with recording_queries(db) as reading:
            await log.path(db, 700, signed)
        assert await reading.rows_of(db, "leaves") <= merkle.BLOCK
        await db.execute("update auctions.leaves set text = 'another' where leaf = $1", SIZE)
        with pytest.raises(LogChanged):
            await log.path(db, 700, signed)


async def test_the_signed_root_is_the_one_that_pymerkle_computes(servers: Servers, tmp_path: Any) -> None:
    signer = Signer.load(tmp_path)
    async with a_service(servers) as database, database.pool.acquire() as db:
        tree = await leaves_of_a_former_release(db, database)
        log = MarketLog(signer)
        waiting = [(f"auction {number}", 3, bytes([number] * 32)) for number in range(255)]

        async def closed(*_: object) -> list[tuple[str, int, bytes]]:
            return waiting

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "lock_missing", closed)
            while True:
                async with database.transaction("auctions") as tx:
                    if await log.anchor(tx) == len(waiting):
                        break
        for auction_id, lines, root in waiting:
            tree.append_entry(chain.leaf(auction_id, lines - 1, root))
        signed = await store.checkpoint(db)
        assert signed is not None and (signed.size, signed.root) == (SIZE + 255, tree.get_root().hex())
        assert await store.blocks(db) == signed.size // merkle.BLOCK
