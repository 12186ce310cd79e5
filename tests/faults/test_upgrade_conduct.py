"""The upgrade by which conduct takes over breaches, sanctions and public records from contracts, purchases takes over
requests, and fulfilment the carrying out of contracts: contracts and requests of the former release continue, both
releases write the same rows while they run side by side, and each breach and each deadline counts once, whichever
release handles it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from events.contracts import (
    ContractClosed,
    ExecutionOverdue,
    OrderPlaced,
    OrganisationSanctioned,
    SanctionAppealDecided,
    SanctionAppealed,
)
from infra.clock import ShiftedClock
from infra.config import Config
from infra.embedded.process import Child
from infra.producer import Producer
from infra.runtime import load, standing
from infra.tokens import Principal
from services.conduct.store.performed import PerformedRow
from services.conduct.store.record import FactRow
from services.conduct.store.sanctions import BreachRow, SanctionRow
from services.fulfilment.store import ExecutionRow, HappenedRow
from services.purchases.store import OfferRow, PurchaseRow
from tests.faults.living import MarketReader
from tests.faults.releases import Release, unpack_former
from tests.market import Market
from tests.rooms import PROJECT
from tests.servers import home_of_tests, started
from tests.services.contracts.market_builders import Town, a_member, a_town, a_won_auction, an_offer
from tests.services.contracts.test_contracts_signed import signed
from tests.services.fulfilment.test_contracts_carried_out import ALL, Work

pytestmark = pytest.mark.servers

UNDIVIDED = "5bdadd5bb2a4293b4a0f294c28515a0f3230dd99"
"""The commit of the last release whose contracts did all of it."""
PATIENCE = 120
PARTS = ("worker", "web")
TABLES = {
    "conduct": [row.__tablename__ for row in (FactRow, BreachRow, SanctionRow, PerformedRow)],
    "purchases": [row.__tablename__ for row in (PurchaseRow, OfferRow)],
    "fulfilment": [row.__tablename__ for row in (ExecutionRow, HappenedRow)],
}
PURCHASES = "/api/contracts/purchases"
MODERATOR = a_member("Operator", "moderator")


class Patient(Market):
    """A town with longer waits, because processes that start beside others answer later than a market in the test's own
    process."""

    async def eventually(self, check: Callable[[], Awaitable[Any]], within: float = PATIENCE) -> Any:
        return await super().eventually(check, within)


@dataclass
class Beside:
    """A town seen through each release. ``old`` and ``new`` are the same organisations."""

    old: Town
    new: Town

    @property
    def supplier(self) -> Principal:
        return self.old.suppliers[0]

    async def evades(self, *towns: Town) -> list[str]:
        """The first supplier wins and refuses once through the web process of each release."""
        refused = []
        for town in towns:
            _, contract_id = await a_won_auction(town)
            assert (await town.refuse(self.supplier, contract_id))[0] == 201
            refused.append(contract_id)
        return refused

    async def works(self) -> list[Work]:
        """A contract that was signed in the former release, and one that was signed in the newer, when both releases
        show that they are to be carried out."""
        works = []
        for town in (self.old, self.new):
            process_id, contract_id = await a_won_auction(town)
            await signed(town, contract_id)
            works.append(Work(town, process_id, contract_id))
        for work in works:
            for work.town in (self.old, self.new):
                await work.town.market.eventually(work.begun)
        return works

    async def record(self, **counts: int) -> Any:
        """Wait until the supplier's record in both releases is the expected one."""
        path = f"/api/organisations/{self.supplier.organisation_id}/record"

        async def alike() -> Any:
            found = [await town.read(None, path) for town in (self.old, self.new)]
            if isinstance(found[0], int) or isinstance(found[1], int):
                return None
            assert found[0] == found[1]
            side = found[0]["sides"][0]
            return found[0] if (side["counts"] | side["performed"]).items() >= counts.items() else None

        return await self.old.market.eventually(alike)

    async def sanctions(self, town: Town, count: int) -> list[Any]:
        async def there() -> list[Any]:
            found: list[Any] = await town.read(self.supplier, "/api/contracts/sanctions")
            return found if len(found) == count and all(len(each["contracts"]) == 3 for each in found) else []

        found: list[Any] = await town.market.eventually(there)
        return found


@dataclass(frozen=True)
class Upgraded(MarketReader):
    """``suspended`` was suspended by the former release; ``warned`` had two evasions by then, and a running
    contract."""

    suspended: Beside
    warned: Beside
    work: Work
    former: dict[str, Child]
    evaded: list[str]
    wanted: dict[str, str]
    """The body of a request for a purchase."""
    asked: str
    """A purchase that was requested before the upgrade."""

    async def told_of(self, beside: Beside, kind: Any) -> list[Any]:
        return [each for each in await self.events_of(kind) if each.organisation_id == beside.supplier.organisation_id]


@pytest.fixture(scope="module")
async def upgraded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Upgraded]:
    """Both releases run, the newer one since a moment ago."""
    folder = tmp_path_factory.mktemp("releases")
    home = home_of_tests() / "upgrade-conduct"
    shutil.rmtree(home, ignore_errors=True)
    unpack_former(folder / "former", UNDIVIDED)
    servers = started(home)
    async with AsyncExitStack() as stack:
        stack.callback(servers.stop)
        settings = {"LONJA_POLICY": "demo", "LONJA_RATE_LIMIT": "1000000"}
        former = Release("former", folder / "former", servers.home, settings)
        newer = Release("newer", PROJECT, servers.home, settings)
        await former.lonja("migrate")
        clock = ShiftedClock()
        resources = await stack.enter_async_context(standing(Config.load({**os.environ, **former.environment}), clock))
        old = await _start(former, stack)
        kafka = Producer(servers.kafka_bootstrap)
        await kafka.start()
        stack.push_async_callback(kafka.stop)

        def through(release: Release) -> Market:
            return Patient(resources, clock, release.url, kafka)

        towns = [await a_town(through(former)) for _ in range(2)]
        suspended, warned = (
            Beside(town, Town(through(newer), town.school, town.clinic, town.suppliers)) for town in towns
        )
        await suspended.evades(*[suspended.old] * 3)
        await suspended.sanctions(suspended.old, 1)
        evaded = await warned.evades(*[warned.old] * 2)
        process_id, contract_id = await a_won_auction(warned.old)
        await signed(warned.old, contract_id)
        work = Work(warned.old, process_id, contract_id)
        assert (await work.order())[0] == (await work.deliver())[0] == 201
        wanted = {"offer_id": (await an_offer(warned.old)).offer_id, "quantity": "10"}
        status, asked = await warned.old.post(warned.old.clinic, PURCHASES, wanted)
        assert status == 201, asked
        await newer.lonja("migrate")
        await former.lonja("migrate")
        await _start(newer, stack)
        yield Upgraded(resources, load(resources), suspended, warned, work, old, evaded, wanted, asked["purchase_id"])


async def _start(release: Release, stack: AsyncExitStack) -> dict[str, Child]:
    children = {name: release.child(name) for name in PARTS}
    for child in children.values():
        child.start()
        stack.push_async_callback(asyncio.to_thread, child.stop)
    await asyncio.gather(*(child.wait_ready() for child in children.values()))
    return children


async def test_the_rows_are_the_same_and_the_former_role_has_them_only_by_views(upgraded: Upgraded) -> None:
    for schema, names in TABLES.items():
        kinds = await upgraded.rows(
            "select relnamespace::regnamespace::text as schema, relname, relkind::text as kind from pg_class"
            " where relname = any($1::text[]) and relnamespace::regnamespace::text in ('contracts', $2)",
            names,
            schema,
        )
        found = {(row["schema"], row["relname"]): row["kind"] for row in kinds}
        assert found == {("contracts", name): "v" for name in names} | {(schema, name): "r" for name in names}
        async with upgraded.resources.database.of("contracts").pool.acquire() as db:
            for name in names:
                await db.fetch(f"select from contracts.{name} for update")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await db.fetch(f"select from {schema}.{name}")


async def test_a_suspension_of_the_former_release_is_appealed_in_the_newer_and_decided_in_the_former(
    upgraded: Upgraded,
) -> None:
    beside = upgraded.suspended
    (one,) = await beside.sanctions(beside.new, 1)
    assert (one["level"], one["state"]) == (1, "in-force")
    path, body = f"/api/contracts/sanctions/{one['sanction_id']}/appeal", {"reasons": "Our mill burnt down"}
    status, filed = await beside.new.post(beside.supplier, path, body)
    assert (status, filed["reasons"]) == (201, "Our mill burnt down")
    (seen,) = await beside.sanctions(beside.old, 1)
    assert (seen["reasons"], seen["may_appeal"]) == ("Our mill burnt down", False)
    decision = f"/api/contracts/appeals/{one['sanction_id']}/decision"
    status, decided = await beside.old.post(MODERATOR, decision, {"decision": "lifted", "explanation": "It did"})
    assert (status, decided["state"]) == (201, "lifted")
    assert (await beside.record(evaded=3))["sanctions"][0]["appeal"] == "lifted"
    for kind in (SanctionAppealed, SanctionAppealDecided):
        assert len(await upgraded.told_of(beside, kind)) == 1


async def test_breaches_of_both_releases_are_counted_together_and_each_once(upgraded: Upgraded) -> None:
    beside = upgraded.warned
    third = await beside.evades(beside.old)
    (one,) = await beside.sanctions(beside.new, 1)
    assert {each["contract_id"] for each in one["contracts"]} == {*upgraded.evaded, *third}
    more = await beside.evades(beside.new, beside.old, beside.new)
    second, _ = await beside.sanctions(beside.old, 2)
    assert (second["level"], {each["contract_id"] for each in second["contracts"]}) == (2, set(more))
    await beside.record(evaded=6)
    assert sorted(each.level for each in await upgraded.told_of(beside, OrganisationSanctioned)) == [1, 2]


async def test_a_contract_in_hand_is_carried_out_through_both_and_counts_once_in_both_records(
    upgraded: Upgraded,
) -> None:
    work, beside = upgraded.work, upgraded.warned
    async with beside.new.market.browser(work.buyer) as browser:
        page = (await browser.get(f"/contracts/{work.contract_id}/execution")).text
    assert "Paper for the term" in page and "reported delivery 1 on order 1" in page and 'id="assess-1"' in page
    assert (await work.assess({"1": "60", "2": "3"}, reasons="Wet"))[0] == 201
    await beside.record(**{"concluded": 1, "deliveries-partly": 1, "orders-on-time": 0})
    work.town = beside.new
    assert (await work.deliver({"1": "40"}))[0] == 201
    assert (await work.assess({"1": "40"}, delivery=2))[0] == 201
    await beside.record(**{"deliveries-accepted": 1, "orders-on-time": 1})
    work.town = beside.old
    assert (await work.invoice(1, 2))[0] == 201
    work.town = beside.new
    assert (await work.pay(1))[0] == (await work.confirm(1))[0] == 201
    record = await beside.record(closed=1)
    buyer = await beside.new.read(None, f"/api/organisations/{work.buyer.organisation_id}/record")
    (side,) = buyer["sides"]
    assert (side["performed"]["answers-on-time"], side["performed"]["payments-on-time"]) == (2, 1)
    assert record["sides"][0]["contracts"]["concluded"][0]["link"] == f"/contracts/{work.contract_id}"


async def test_what_is_signed_in_either_is_carried_out_by_both_and_listed_as_closed_in_both(upgraded: Upgraded) -> None:
    beside = upgraded.warned
    for work, first, second in zip(
        await beside.works(), (beside.new, beside.old), (beside.old, beside.new), strict=True
    ):
        work.town = first
        _, ordered = await work.order(key="order")
        work.town = second
        assert (await work.order(key="order"))[0] == 201, "the same request, to the other release"
        shown = await work.shown()
        assert len(shown["orders"]) == 1 and shown == ordered
        assert (await work.deliver())[0] == 201
        assert (await work.assess({}, reasons="Wet"))[0] == 201
        work.town = first
        body = {"about": "delivery", "number": 1, "asks": "set-aside", "reasons": "It was dry"}
        assert (await work.tell(work.supplier, "disputes", body))[0] == 201
        work.town = second
        assert (await work.tell(work.buyer, "disputes/1/answer", {"asks": "set-aside", "words": "So it was"}))[0] == 201
        assert (await work.assess(ALL))[0] == (await work.invoice(1))[0] == 201
        work.town = first
        assert (await work.pay())[0] == (await work.confirm())[0] == 201
        for town in (beside.old, beside.new):
            work.town = town
            assert (await work.shown())["status"] == "closed"

            async def listed(
                market: Market = town.market, who: Principal = work.buyer, of: str = work.contract_id
            ) -> bool:
                async with market.browser(who) as browser:
                    row = (await browser.get("/contracts")).text.partition(
                        f'<th scope="row"><a href="/contracts/{of}">'
                    )[2]
                return '<span class="badge ok">closed</span>' in row.partition("</tr>")[0]

            await town.market.eventually(listed)
        for kind in (OrderPlaced, ContractClosed):
            assert len([each for each in await upgraded.events_of(kind) if each.contract_id == work.contract_id]) == 1


async def test_a_deadline_that_passes_is_published_once_by_either_release(upgraded: Upgraded) -> None:
    beside = upgraded.warned
    ids = []
    for work in await beside.works():
        assert (await work.order())[0] == 201
        await upgraded.resources.database.pool.execute(
            "update fulfilment.executions set due_at = now(), state = jsonb_set(state, '{orders,0,due_at}', to_jsonb(now()))"
            " where contract_id = $1",
            work.contract_id,
        )
        ids.append(work.contract_id)

    async def told() -> list[str]:
        return sorted(
            each.contract_id for each in await upgraded.events_of(ExecutionOverdue) if each.contract_id in ids
        )

    async def all_told() -> bool:
        return len(await told()) >= len(ids)

    await beside.new.market.eventually(all_told)
    await beside.record(**{"orders-late": 2})
    assert await told() == sorted(ids)


async def test_a_request_of_either_release_is_listed_answered_and_drafted_by_the_other(upgraded: Upgraded) -> None:
    beside, market = upgraded.warned, upgraded.warned.new.market
    buyer = beside.old.clinic
    status, later = await beside.old.post(buyer, PURCHASES, upgraded.wanted)
    assert status == 201

    async def listed(*expected: str) -> bool:
        async with market.browser(buyer) as browser:
            text = (await browser.get("/contracts")).text
        return {each for each in (upgraded.asked, later["purchase_id"]) if each in text} == set(expected)

    await market.eventually(lambda: listed(upgraded.asked, later["purchase_id"]))
    for purchase_id, town, other in (
        (upgraded.asked, beside.new, beside.old),
        (later["purchase_id"], beside.old, beside.new),
    ):
        status, answered = await town.post(beside.supplier, f"{PURCHASES}/{purchase_id}/answer", {"accept": True})
        assert (status, answered["answer"]) == (201, "accepted")

        async def drafted(of: str = answered["contract_id"], by: Town = other) -> bool:
            return bool((await by.step(buyer, of, "buyer-draft"))[0] == 201)

        await market.eventually(drafted)
        seen = await other.read(buyer, f"{PURCHASES}/{purchase_id}")
        assert (seen["answer"], seen["contract_id"]) == ("accepted", answered["contract_id"])
    await market.eventually(listed)


async def test_a_request_that_is_sent_again_to_the_other_release_asks_once(upgraded: Upgraded) -> None:
    beside = upgraded.warned
    for number, towns in enumerate(((beside.old, beside.new), (beside.new, beside.old))):
        answers = [
            await town.post(beside.old.clinic, PURCHASES, upgraded.wanted, key=f"once more {number}") for town in towns
        ]
        assert answers[0] == answers[1] and answers[0][0] == 201


async def test_without_the_former_release_it_goes_on_and_everything_was_heard(upgraded: Upgraded) -> None:
    for name, child in upgraded.former.items():
        assert await asyncio.to_thread(child.stop), f"the former {name} did not end by itself"
    beside = upgraded.warned
    await beside.evades(*[beside.new] * 3)
    newest, *_ = await beside.sanctions(beside.new, 3)
    assert newest["level"] == 3
    told = "select (envelope::jsonb)->>'id' as id from contracts.outbox where envelope like '%ContractBreached%'"

    async def judged() -> bool:
        heard = {row["event_id"] for row in await upgraded.rows("select event_id from conduct.inbox")}
        return {row["id"] for row in await upgraded.rows(told)} <= heard

    await beside.new.market.eventually(judged)
    same = "select contract_id, state, over_at, supplier_id from {}.contracts order by contract_id"

    async def alike() -> bool:
        return bool(await upgraded.rows(same.format("contracts")) == await upgraded.rows(same.format("conduct")))

    await beside.new.market.eventually(alike)
    assert await upgraded.dead_letters() == []
