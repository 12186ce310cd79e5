"""The stored verdicts of each version: only changes are stored, and all verdicts can be restored, whichever release
made them."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest

from catalogue.policy import load
from events.contracts import ContractConcluded
from infra.ids import derive_id, new_id
from services.observatory import handlers, intake, store
from services.observatory.domain import ComputedReference, ObservationVerdict
from services.observatory.domain.snapshot import SHORTEST_REST
from services.observatory.store.packed import unpacked
from tests.market import Market
from tests.services.observatory.builders import a_contract, its_end
from tests.services.observatory.test_observatory_service import Observatory, observatory

__all__ = ["observatory"]
pytestmark = pytest.mark.servers
RULES = load("moscow").observatory
SIZE = """
select (select count(*) from observatory.verdicts where item_key = $1) as verdicts,
  (select count(*) from observatory.judged where item_key = $1) as judged,
  (select count(*) from observatory.snapshots where item_key = $1) as snapshots,
  (select coalesce(sum(pg_column_size(t.*)), 0) from observatory.verdicts t where item_key = $1)
  + (select coalesce(sum(pg_column_size(t.*)), 0) from observatory.judged t where item_key = $1)
  + (select coalesce(sum(pg_column_size(t.*)), 0) from observatory.snapshots t where item_key = $1) as bytes
"""
FORMER = """
insert into observatory.snapshots (reference_id, item_key, version, made_at, current, valued_on, kind, unit, currency, level,
  place_code, median, p25, p75, observations, suppliers, variation, grade, body)
values ($1, $2, $3, $4, true, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18::text::jsonb)
"""
"""A snapshot in the form of the former release, which knows no other columns."""


class Judged:
    """An item that the test judges itself; for the market's timer it is due in a year."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.key = new_id()
        self.found: dict[str, tuple[ObservationVerdict, ...]] = {}
        """The results of the pure rules, by the id of the snapshot that was made from them."""

    async def hears(self, *contracts: ContractConcluded) -> None:
        async with self.market.resources.database.transaction("observatory") as tx:
            far = tx.now + timedelta(days=366)
            await store.put_all(tx, [intake.of_contract(contract) for contract in contracts], far)

    async def loses(self, *contracts: ContractConcluded) -> None:
        async with self.market.resources.database.transaction("observatory") as tx:
            far = tx.now + timedelta(days=366)
            await store.withdraw(tx, [its_end(contract).contract_id for contract in contracts], far)

    async def is_judged(self) -> str | None:
        """Judge the item with this release. Return the current snapshot."""
        async with self.market.resources.database.transaction("observatory") as tx:
            card = await store.card(tx, self.key)
            assert card is not None
            answer = await self._pure(tx, card)
            await handlers.assess(tx, [card], RULES)
        await self.rests()
        return await self._standing(answer)

    async def is_judged_by_the_former_release(self) -> str:
        """Judge as the former release does: it compares with the verdicts in the body of the current snapshot, finds
        differences, and writes all into a new one."""
        async with self.market.resources.database.transaction("observatory") as tx:
            card = await store.card(tx, self.key)
            assert card is not None
            made = await self._pure(tx, card)
            assert isinstance(made, ComputedReference)
            version = (await store.last_versions(tx, [self.key])).get(self.key, 0) + 1
            figures = [getattr(made, name) for name in ("valued_on", "kind", "unit", "currency", "level", "place_code")]
            numbers = ("median", "p25", "p75", "observations", "suppliers", "variation", "grade")
            number, db = derive_id("reference", self.key, str(version)), await tx.raw()
            body = msgspec.json.encode(made).decode()
            await db.execute(
                FORMER, number, self.key, version, tx.now, *figures, *(getattr(made, name) for name in numbers), body
            )
            await db.execute(
                "update observatory.items set reference_id = $2, published = true, observations = $3 where item_key = $1",
                self.key,
                number,
                len(made.verdicts),
            )
        standing = await self._standing(made)
        assert standing == number
        return number

    async def _pure(self, tx: Any, card: store.ItemCard) -> Any:
        prices = (await store.observations(tx, [self.key]))[self.key]
        return handlers.judge(card.item, prices, tx.now.date(), RULES)[0]

    async def rests(self) -> None:
        await self.market.fetch("update observatory.items set due_at = null where item_key = $1", self.key)

    async def _standing(self, answer: Any) -> str | None:
        (row,) = await self.market.fetch("select reference_id from observatory.items where item_key = $1", self.key)
        if row["reference_id"]:
            self.found.setdefault(row["reference_id"], answer.verdicts)
        return None if row["reference_id"] is None else str(row["reference_id"])

    async def size(self) -> dict[str, int]:
        (row,) = await self.market.fetch(SIZE, self.key)
        return {name: int(value) for name, value in row.items()}

    async def read_back(self, reference_id: str) -> list[ObservationVerdict]:
        """Read a snapshot page by page, as readers do."""
        found: list[ObservationVerdict] = []
        async with self.market.resources.database.transaction("observatory") as tx:
            while page := await store.verdicts(tx, reference_id, offset=len(found), most=50):
                found += page
        return found


@pytest.fixture
async def item(observatory: Observatory) -> AsyncIterator[Judged]:
    judged = Judged(observatory.market)
    yield judged
    for table in ("observations", "snapshots", "verdicts", "judged", "items"):
        await observatory.market.fetch(f"delete from observatory.{table} where item_key = $1", judged.key)


def contracts(item: Judged, number: int) -> list[ContractConcluded]:
    """Contracts, some with prices far from the others, or with old dates."""
    random, today = Random(7), item.market.clock().date()
    return [
        a_contract(
            item.key,
            str(round(random.gauss(10, 1) if n % 20 else 500 + n, 2)),
            today - timedelta(days=500 if n % 10 == 3 else n % 90),
            supplier_id=f"supplier {n % 7}",
        )
        for n in range(number)
    ]


def in_order(verdicts: Sequence[ObservationVerdict]) -> list[ObservationVerdict]:
    """The verdicts that count first, then the others, each part newest first."""
    newest = sorted(verdicts, key=lambda one: (one.observation.date, one.observation.observation_id), reverse=True)
    return sorted(newest, key=lambda one: one.dropped is not None)


async def all_is_read_back(item: Judged) -> None:
    for number, verdicts in item.found.items():
        assert await item.read_back(number) == in_order(verdicts), number
        async with item.market.resources.database.transaction("observatory") as tx:
            tally = await store.tally(tx, number)
        assert sum(tally.values()) == len(verdicts) and tally[""] == sum(one.dropped is None for one in verdicts)


async def test_prices_one_by_one_leave_a_version_each_that_reads_back_and_rows_for_what_changed(item: Judged) -> None:
    sizes = []
    for number, contract in enumerate(contracts(item, 120), 1):
        await item.hears(contract)
        await item.is_judged()
        if number % 60 == 0:
            sizes.append(await item.size())
    half, whole = sizes
    assert len(item.found) == whole["snapshots"] >= 100
    assert whole["judged"] == 120 and whole["verdicts"] < 3 * 120
    for what in ("verdicts", "judged", "snapshots", "bytes"):
        assert whole[what] < 2.5 * half[what], what
    print(half, whole)
    await all_is_read_back(item)


async def test_corrections_and_ends_change_their_own_rows_and_former_versions_show_what_was(item: Judged) -> None:
    some = contracts(item, 30)
    await item.hears(*some)
    await item.is_judged()
    before = await item.size()
    (line,) = some[1].lines
    corrected = msgspec.structs.replace(
        some[1], lines=(msgspec.structs.replace(line, unit_price=Decimal("10.2"), quantity=Decimal(3)),)
    )
    await item.hears(corrected)
    await item.is_judged()
    await item.loses(some[2])
    await item.is_judged()
    gone = msgspec.structs.replace(some[4], lines=())
    await item.hears(gone)
    await item.is_judged()
    after = await item.size()
    assert len(item.found) == 4
    assert after["judged"] == before["judged"] + 2 and after["verdicts"] <= before["verdicts"] + 6
    await all_is_read_back(item)


async def test_what_is_judged_again_and_found_the_same_writes_nothing(item: Judged) -> None:
    await item.hears(*contracts(item, 30))
    standing, before = await item.is_judged(), await item.size()
    assert await item.is_judged() == standing and await item.size() == before


async def test_both_releases_judge_one_item_in_turn_and_each_version_reads_back(item: Judged) -> None:
    some = contracts(item, 24)
    for number in range(4, 24, 4):
        await item.hears(*some[number - 4 : number])
        mine = await item.is_judged()
        former = await item.is_judged_by_the_former_release()
        assert await item.is_judged() == former != mine  # its verdicts are in its body and are the same
        await item.hears(some[number])
        assert await item.is_judged_by_the_former_release() != former
    await item.hears(*some)
    await item.is_judged()
    rows = await item.market.fetch(
        "select terms is null as former from observatory.snapshots where item_key = $1", item.key
    )
    assert {row["former"] for row in rows} == {True, False} and len(rows) == len(item.found)
    await all_is_read_back(item)


async def test_a_reference_that_goes_and_comes_again_goes_on_from_its_last_version(item: Judged) -> None:
    some = contracts(item, 8)
    await item.hears(*some)
    first = await item.is_judged()
    await item.loses(*some[2:])
    assert await item.is_judged() is None
    await item.hears(*contracts(item, 5))
    second = await item.is_judged()
    assert second and second != first
    await all_is_read_back(item)


async def test_the_rows_of_versions_that_were_not_published_are_deleted(item: Judged) -> None:
    """An import of old prices leaves one version: rows that belonged only to earlier ones are deleted with them."""
    old = [
        msgspec.structs.replace(contract, signed_at=contract.signed_at - timedelta(days=3000))
        for contract in contracts(item, 40)
    ]
    for start in range(0, 40, 4):
        await item.hears(*old[start : start + 4])
        standing = await item.is_judged()
    (line,) = old[0].lines
    await item.hears(msgspec.structs.replace(old[0], lines=(msgspec.structs.replace(line, quantity=Decimal(3)),)))
    last = await item.is_judged()
    assert last and last != standing
    size = await item.size()
    assert (size["snapshots"], size["verdicts"], size["judged"]) == (1, 40, 40)
    assert await item.read_back(last) == in_order(item.found[last])


async def test_what_was_judged_before_bodies_were_packed_is_read_as_it_is(item: Judged) -> None:
    await item.hears(*contracts(item, 20))
    standing = await item.is_judged()
    assert standing is not None
    for row in await item.market.fetch(
        "select observation_id, packed from observatory.judged where item_key = $1", item.key
    ):
        await item.market.fetch(
            "update observatory.judged set body = $3, packed = null where item_key = $1 and observation_id = $2",
            item.key,
            row["observation_id"],
            unpacked(row["packed"]),
        )
    assert await item.read_back(standing) == in_order(item.found[standing])


async def test_a_burst_makes_few_versions_with_a_rest_between_them(observatory: Observatory) -> None:
    market, sku, number = observatory.market, new_id(), 400
    await observatory.hears(
        *(a_contract(sku, str(Decimal(900 + n % 200) / 100), observatory.today) for n in range(number))
    )
    await observatory.settled(sku, number)
    rows = await market.fetch(
        "select made_at, observations from observatory.snapshots where item_key = $1 order by version", sku
    )
    assert rows[-1]["observations"] == number and len(rows) < number / 10
    gaps = [later["made_at"] - sooner["made_at"] for sooner, later in pairwise(rows)]
    assert all(gap >= SHORTEST_REST for gap in gaps), gaps
    sent = await market.fetch(
        "select length(data) as bytes from observatory.outbox where convert_from(data, 'utf8') like '%' || $1 || '%'",
        sku,
    )
    assert len(sent) <= len(rows) and all(row["bytes"] < 1_000 for row in sent)


class TestShown:
    @pytest.fixture
    async def forms(self, item: Judged) -> dict[str, str]:
        """The ids of one snapshot in each form, from the same prices."""
        await item.hears(*contracts(item, 230))
        this = await item.is_judged()
        assert this is not None
        return {"this": this, "former": await item.is_judged_by_the_former_release()}

    async def test_the_api_pages_and_files_of_both_forms_say_the_same(
        self, item: Judged, forms: dict[str, str]
    ) -> None:
        told = {}
        async with item.market.browser() as browser:
            for form, number in forms.items():
                address, pages = f"/api/observatory/references/{number}", []
                while address:
                    answer = (await browser.client.get(address)).json()
                    pages.append(answer["verdicts"])
                    address = answer["next"]
                page = (await browser.get(f"/observatory/references/{number}", page="5")).text
                file = (await browser.get(f"/observatory/references/{number}/observations.csv")).text
                rows = list(csv.DictReader(io.StringIO(file, newline="")))
                assert [len(each) for each in pages] == [200, 30] and len(rows) == 230
                assert "usual range of 207 prices" in page and "contract prices count from" in page
                assert "Prices: 230" in page and "Page 5 of 5" in page
                told[form] = ([one for each in pages for one in each], rows, answer["judged"], answer["dropped"])
                assert (answer["digest"] in page) if answer["digest"] else form == "former"
        assert told["this"] == told["former"]

    async def test_anybody_works_out_the_digest_from_the_api(self, item: Judged, forms: dict[str, str]) -> None:
        async with item.market.client() as client:
            first = (await client.get(f"/api/observatory/references/{forms['this']}")).json()
            second = (await client.get(first["next"])).json()
        told = sha256()
        for one in sorted(first["verdicts"] + second["verdicts"], key=lambda one: one["observation"]["observation_id"]):
            seen, dropped = one["observation"], one["dropped"] or {"rule": None, "message": None}
            line = [seen[name] for name in ("observation_id", "unit_price", "currency", "date")]
            line += [one["price"], one["weight"], dropped["rule"], dropped["message"]]
            told.update(msgspec.json.encode(line) + b"\n")
        assert first["digest"] == second["digest"] == told.hexdigest()
