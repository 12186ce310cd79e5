"""While an item is judged, new prices of it and of others can be stored: judging locks nothing that they need."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.database import Transaction
from infra.ids import new_id
from infra.reading import UnreadableKey
from services.observatory import handlers, intake, store
from services.observatory.handlers import JudgedItem, judge_all, keep_judged
from services.observatory.intake import Item
from services.observatory.store import ItemCard
from tests.services.observatory import test_observatory_growth as growth
from tests.services.observatory.builders import a_contract, its_end
from tests.services.observatory.test_observatory_growth import RULES, contracts, item
from tests.services.observatory.test_observatory_service import Observatory, observatory, three

__all__ = ["item", "observatory"]
pytestmark = pytest.mark.servers


class Killed(Exception):
    """Raised to end the judging process."""


class Held:
    """Holds the judgement of this item, in its thread, until it is released."""

    def __init__(self, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.goes_on = threading.Event(), threading.Event()
        judge = handlers.judge

        def waits(of: Item, *rest: Any) -> Any:
            if of.item_key == key:
                self.begun.set()
                self.goes_on.wait(60)
            return judge(of, *rest)

        monkeypatch.setattr(handlers, "judge", waits)

    async def is_reached(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Held]]:
    """Held judgements, which are released however the test ends."""
    found: list[Held] = []
    yield found
    for each in found:
        each.goes_on.set()


async def test_prices_are_kept_while_their_item_is_judged_and_the_next_version_knows_them(
    observatory: Observatory, held: list[Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    market, mine, other = observatory.market, new_id(), new_id()
    first = await three(observatory, mine)
    holding = Held(mine, monkeypatch)
    held.append(holding)
    await observatory.hears(a_contract(mine, "12", observatory.today))

    async def begun() -> bool:
        market.clock.advance(timedelta(seconds=1))
        return holding.begun.is_set()

    await market.eventually(begun)
    await observatory.hears(
        a_contract(mine, "13", observatory.today), its_end(first[0]), a_contract(other, "7", observatory.today)
    )

    async def kept() -> bool:
        rows = await market.fetch(
            "select item_key, cancelled from observatory.observations where item_key = any($1::text[])", [mine, other]
        )
        return sorted((row["item_key"] == mine, row["cancelled"]) for row in rows) == sorted(
            [(True, False)] * 4 + [(True, True), (False, False)]
        )

    await market.eventually(kept)
    (row,) = await market.fetch("select observations from observatory.items where item_key = $1", mine)
    assert row["observations"] == 3 and not holding.goes_on.is_set()
    holding.goes_on.set()
    found = await observatory.settled(mine, 5)

    async def counted() -> bool:
        market.clock.advance(timedelta(minutes=1))
        found = await observatory.item(mine)
        return {one["observation"]["unit_price"] for one in found["answer"]["verdicts"] if not one.get("dropped")} == {
            "10",
            "11",
            "12",
            "13",
        }

    await market.eventually(counted)
    found = await observatory.item(mine)
    assert Decimal(found["answer"]["reference"]["median"]) == Decimal("11.5")
    assert (await observatory.settled(other, 1))["answer"]["judged"] == 1


class TestOneJudgesAnItem:
    @pytest.fixture(autouse=True)
    def _the_timer_finds_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.claim_due = store.claim_due

        async def nothing(*_: Any) -> list[ItemCard]:
            return []

        monkeypatch.setattr(store, "claim_due", nothing)

    @asynccontextmanager
    async def claiming(self, item: growth.Judged) -> AsyncIterator[tuple[Transaction, list[ItemCard]]]:
        """(the transaction, the item's card if it is claimed)."""
        async with item.market.resources.database.transaction("observatory") as tx:
            claimed = await self.claim_due(tx, 1000, 10**9)
            cards = [each for each in claimed if not isinstance(each, UnreadableKey) and each.item.item_key == item.key]
            yield tx, cards

    async def hears(self, item: growth.Judged, *some: Any) -> None:
        """Store a new price, so that the item is due."""
        async with item.market.resources.database.transaction("observatory") as tx:
            await (await tx.raw()).execute("set local lock_timeout = '1s'")
            await store.put_all(tx, [intake.of_contract(one) for one in some], tx.now - timedelta(hours=1))

    async def row(self, item: growth.Judged) -> Any:
        rows = await item.market.fetch(
            "select i.*, due_at <= $2 as due, (select count(*) from observatory.snapshots s where s.item_key = i.item_key) as versions"
            " from observatory.items i where item_key = $1",
            item.key,
            item.market.clock() + timedelta(hours=1),
        )
        return rows[0]

    async def test_an_item_that_one_process_judges_is_skipped_by_others_until_the_result_is_stored(
        self, item: growth.Judged
    ) -> None:
        some = contracts(item, 8)
        await self.hears(item, *some[:4])
        async with self.claiming(item) as (tx, mine):
            judged = await judge_all(tx, mine, RULES)
            async with self.claiming(item) as (_, others):
                assert len(mine) == 1 and others == []
            await self.hears(item, *some[4:])  # it waits for no other transaction
            await keep_judged(tx, judged)
        row = await self.row(item)
        assert (row["observations"], row["versions"], row["due"]) == (4, 1, True)
        await item.market.fetch(
            "update observatory.items set due_at = now() - interval '1 day' where item_key = $1", item.key
        )
        async with self.claiming(item) as (tx, mine):
            await keep_judged(tx, await judge_all(tx, mine, RULES))
        row = await self.row(item)
        assert (row["observations"], row["versions"], bool(row["due"])) == (8, 2, False)

    async def test_an_item_whose_process_dies_is_due_at_once_for_another(self, item: growth.Judged) -> None:
        await self.hears(item, *contracts(item, 4))
        for _ in range(2):
            with suppress(Killed):
                async with self.claiming(item) as (tx, mine):
                    await keep_judged(tx, await judge_all(tx, mine, RULES))
                    raise Killed
            row = await self.row(item)
            assert (row["observations"], row["versions"], row["due"]) == (0, 0, True)
        async with self.claiming(item) as (tx, mine):
            await keep_judged(tx, await judge_all(tx, mine, RULES))
        assert (await self.row(item))["versions"] == 1

    async def test_a_result_of_the_former_release_that_came_meanwhile_stays(self, item: growth.Judged) -> None:
        """The former release may have known more prices."""
        some = contracts(item, 8)
        await self.hears(item, *some[:4])
        async with self.claiming(item) as (tx, mine):
            judged = await judge_all(tx, mine, RULES)
            await self.hears(item, *some[4:])
            former = await item.is_judged_by_the_former_release()
            await keep_judged(tx, judged)
        row = await self.row(item)
        assert (row["reference_id"], row["observations"], row["versions"]) == (former, 8, 1)

    async def test_the_former_release_may_write_the_same_version_at_the_same_time(
        self, item: growth.Judged, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await self.hears(item, *contracts(item, 4))
        looked, calls = store.overtaken, []

        async def at_the_end(tx: Transaction, cards: Any, **lock: Any) -> set[str]:
            found = await looked(tx, cards, **lock)
            if not calls:
                calls.append(found)
                await item.market.fetch("update observatory.items set due_at = null where item_key = $1", item.key)
            return found

        monkeypatch.setattr(store, "overtaken", at_the_end)
        async with self.claiming(item) as (tx, mine):
            await keep_judged(tx, await judge_all(tx, mine, RULES))
        row = await self.row(item)
        assert calls == [set()] and (row["reference_id"], row["versions"], row["observations"]) == (None, 0, 0)

    async def test_an_item_whose_row_cannot_be_judged_is_due_at_once_by_new_prices(self, item: growth.Judged) -> None:
        some = contracts(item, 8)
        for meanwhile, due in ((some[4:], True), ([], False)):
            await self.hears(item, *some[:4])
            async with self.claiming(item) as (tx, (card,)):
                if meanwhile:
                    await self.hears(item, *meanwhile)
                await store.set_aside(tx, item.key, "no", tx.now + timedelta(days=1), card.written)
            row = await self.row(item)
            assert row["trouble"] == "no" and row["due"] is due


async def test_an_item_that_fails_does_not_block_the_others(
    item: growth.Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only that item is reported; the others are judged with the next claim."""
    await item.hears(*contracts(item, 4))
    judge = handlers.judge

    def fails(of: Item, *rest: Any) -> Any:
        if of.item_key == "broken":
            raise ArithmeticError
        return judge(of, *rest)

    monkeypatch.setattr(handlers, "judge", fails)
    async with item.market.resources.database.transaction("observatory") as tx:
        card = await store.card(tx, item.key)
        assert card is not None
        broken = ItemCard(
            item=Item(item_key="broken", title="", currency=""),
            observations=0,
            reference_id=None,
            published=False,
            written=card.written,
        )
        both = await handlers.judge_due(tx, [card, broken], RULES)
        alone = await handlers.judge_due(tx, [card], RULES)
    assert [each.key for each in both if isinstance(each, UnreadableKey)] == ["broken"] and len(both) == 1
    assert [each.item_key for each in alone if isinstance(each, JudgedItem)] == [item.key]
