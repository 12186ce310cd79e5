"""The stores of auctions on PostgreSQL and on the simulated database: the same functions, one suite for both.

Known differences on which nothing here depends: the simulated database stores a state unchanged, while PostgreSQL has
its columns; it has no deadlock detection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import asyncpg
import msgspec
import pytest

from catalogue.policy import load
from events.accounts import OrganisationRegistered
from infra.causality import Cause
from infra.clock import system_clock
from infra.database import Database
from infra.outgoing import OF_A_REQUEST
from infra.running import Outdated
from services.auctions import journal
from services.auctions.domain.auction import begin
from services.auctions.domain.chain import GENESIS
from services.auctions.judging import WaitingBid, judge
from services.auctions.store import auctions, bids, blocked, pulse, replicas
from services.auctions.store.auctions import StoredAuction, Unchanged
from services.auctions.store.bids import StoredVerdict
from tests.services.auctions.builders import NOON_UTC, an_auction
from tests.simulation.alike import alike, connected
from tests.simulation.broker import Kafka
from tests.simulation.database import PlayedTransaction, Postgres
from tests.simulation.faults import Address, Faults, Process, SeededChoices
from tests.simulation.loop import play
from tests.simulation.played import played

AT = NOON_UTC + timedelta(hours=1)
CAUSE = Cause("request", "request")


class Here(Protocol):
    url: str

    async def organisation(self, organisation_id: str, state: str) -> None: ...


Scenario = Callable[[Here], Coroutine[Any, Any, None]]


class PlayedHere:
    def __init__(self) -> None:
        seeded = SeededChoices(0, Faults(latency_seconds=0.002))
        self._postgres, self._kafka = Postgres(seeded), Kafka(seeded)
        self.url: str = Address(Process("here", seeded))

    def run(self, scenario: Scenario) -> None:
        with played(self._postgres, self._kafka):
            play(scenario(self))

    async def organisation(self, organisation_id: str, state: str) -> None:
        self._postgres.tables["organisations"][organisation_id] = state


class RealHere:
    """The tables are made once, and emptied for each scenario."""

    ready = False

    def __init__(self, servers: Any) -> None:
        self._servers = servers
        self.url = servers.database_url.rpartition("/")[0] + "/lonja_alike_stores"

    def run(self, scenario: Scenario) -> None:
        asyncio.run(self._run(scenario))

    async def _run(self, scenario: Scenario) -> None:
        if not RealHere.ready:
            await self._make()
        async with connected(self) as db:
            await db.execute(
                "truncate auctions.auctions, auctions.bids, auctions.facts, auctions.outbox, auctions.pulse, auctions.beats,"
                " auctions.blocked, auctions.organisations cascade"
            )
        await scenario(self)

    async def _make(self) -> None:
        from infra import migrations
        from services.auctions.store import Row
        from tests.market import empty_database

        await empty_database(self._servers, "lonja_alike_stores")
        database = await Database.connect(self.url, system_clock)
        await migrations.upgrade(database.engine, "auctions", Row.metadata)
        await database.close()
        RealHere.ready = True

    async def organisation(self, organisation_id: str, state: str) -> None:
        known = OrganisationRegistered(organisation_id=organisation_id, roles=("supplier",), name="", state=state)
        database = await Database.connect(self.url, system_clock)
        async with database.transaction("auctions") as tx:
            await replicas.organisations.put_all(tx, [known])
        await database.close()


@pytest.fixture(params=["played", pytest.param("real", marks=pytest.mark.servers)])
def setting(request: pytest.FixtureRequest) -> PlayedHere | RealHere:
    return PlayedHere() if request.param == "played" else RealHere(request.getfixturevalue("servers"))


@asynccontextmanager
async def transaction(here: Here) -> AsyncIterator[Any]:
    async with connected(here) as db, db.transaction():
        yield db


def within(db: Any) -> PlayedTransaction:
    """Return the transaction of this connection, which is played or real."""
    return PlayedTransaction("auctions", db, AT, OF_A_REQUEST)


async def opened(here: Here, auction_id: str = "one", policy: str = "moscow") -> StoredAuction:
    """Open an auction with that id and the first line of its log."""
    rules = load(policy)
    event = msgspec.structs.replace(an_auction(policy=rules).opened, auction_id=auction_id)
    state = begin(event)
    async with transaction(here) as db:
        assert await auctions.insert(within(db), state, rules)
        fresh = StoredAuction(state=state, policy=rules, lines=0, head=GENESIS, result=None, version=-1)
        written = journal.chained(fresh, [journal.JournalFact(event, CAUSE)], state, AT)
        await journal.write(db, [written], AT)
    return written.after


def asked(auction_id: str, supplier_id: str, amount: str, key: str = "") -> WaitingBid:
    return WaitingBid(auction_id, supplier_id, key or f"{supplier_id} {amount}", Decimal(amount), AT, cause=CAUSE)


async def bid(
    here: Here, *wanted: WaitingBid, known: dict[Any, StoredVerdict] | None = None
) -> dict[str, StoredVerdict]:
    """Decide bids as the lane does, and return the verdicts by request key."""
    async with transaction(here) as db:
        current = await auctions.load(
            db, sorted(await auctions.lock_versions(db, [each.auction_id for each in wanted]))
        )
        found, standings = await bids.asked(db, {each.key for each in wanted})
        outcome = judge(wanted, current, found if known is None else known, standings, AT)
        if outcome.written:
            await journal.write(db, outcome.written, AT)
    return {each.request_key: outcome.answers[each.bid_id] for each in wanted}


@alike
async def test_an_auction_is_stored_once_and_read_back_as_it_is(here: Here) -> None:
    stored = await opened(here)
    async with transaction(here) as db:
        assert not await auctions.insert(within(db), stored.state, stored.policy)
        assert await auctions.load(db, ["one", "none"]) == {"one": stored}
        assert await auctions.lock_versions(db, ["one", "none"]) == {"one": 0}
        assert await auctions.lock(within(db), "one") == stored
        assert await auctions.lock(within(db), "none") is None


@alike
async def test_a_verdict_is_found_by_its_request_and_so_is_the_bidders_standing(here: Here) -> None:
    await opened(here)
    await here.organisation("a", "active")
    await here.organisation("b", "suspended")
    first = await bid(here, asked("one", "a", "990"), asked("one", "b", "980"))
    async with transaction(here) as db:
        known, standings = await bids.asked(db, {("one", "a", "a 990"), ("one", "b", "other"), ("one", "x", "y")})
    assert known == {("one", "a", "a 990"): first["a 990"]}
    assert standings == {"a": "active", "b": "suspended"}
    async with transaction(here) as db:
        assert await replicas.organisations.states(db, ["b", "x"]) == {"b": "suspended"}


@alike
async def test_a_second_verdict_on_a_request_cannot_be_stored_and_leaves_nothing(here: Here) -> None:
    await opened(here)
    await here.organisation("a", "active")
    await bid(here, asked("one", "a", "990", "key"))
    async with transaction(here) as db:
        before = await auctions.load(db, ["one"])
    with pytest.raises(asyncpg.UniqueViolationError):
        await bid(here, asked("one", "a", "1", "key"), known={})
    async with transaction(here) as db:
        assert await auctions.load(db, ["one"]) == before
        standing = await bids.standing(db, {"one": [1, 2]})
    assert [verdict.bid.request_key for verdict in standing["one"]] == ["key"]


@alike
async def test_what_rests_on_a_version_or_a_standing_that_is_no_more_is_not_written(here: Here) -> None:
    stored = await opened(here)
    await here.organisation("a", "active")
    judged = judge([asked("one", "a", "990")], {"one": stored}, {}, {"a": "active"}, AT)

    async def write(version: int, state: str) -> None:
        async with connected(here) as db:
            await journal.write(db, judged.written, AT, only_if=Unchanged({"one": version}, {"a": state}))

    for version, state in ((1, "active"), (0, "suspended")):
        with pytest.raises(Outdated):
            await write(version, state)
    async with transaction(here) as db:
        assert (await auctions.load(db, ["one"]))["one"] == stored
    await write(0, "active")
    with pytest.raises(Outdated):
        await write(0, "active")
    async with transaction(here) as db:
        assert (await auctions.load(db, ["one"]))["one"] == judged.written[0].after
        standing = await bids.standing(db, {"one": [1, 2]})
    assert [verdict.bid.request_key for verdict in standing["one"]] == ["a 990"]


@alike
async def test_a_write_of_an_old_version_waits_for_the_lock_and_is_refused(here: Here) -> None:
    stored = await opened(here)
    await here.organisation("a", "active")
    judged = judge([asked("one", "a", "990")], {"one": stored}, {}, {"a": "active"}, AT)
    locked = asyncio.Event()

    async def first() -> None:
        async with transaction(here) as db:
            held = await auctions.lock(within(db), "one")
            assert held is not None
            locked.set()
            await asyncio.sleep(0.3)
            await auctions.save(db, [msgspec.structs.replace(held, version=held.version + 1)])

    async def second() -> None:
        await locked.wait()
        async with connected(here) as db:
            with pytest.raises(Outdated):
                await journal.write(db, judged.written, AT, only_if=Unchanged({"one": 0}, {"a": "active"}))

    await asyncio.gather(first(), second())
    async with transaction(here) as db:
        assert await bids.standing(db, {"one": [1]}) == {"one": []}


@alike
async def test_a_second_lock_of_an_auction_waits_and_then_reads_the_latest_state(here: Here) -> None:
    await opened(here)
    await here.organisation("a", "active")
    await here.organisation("b", "active")
    locked, seen = asyncio.Event(), []

    async def first() -> None:
        async with transaction(here) as db:
            stored = await auctions.lock(within(db), "one")
            assert stored is not None
            locked.set()
            await asyncio.sleep(0.3)
            assert seen == []
            await auctions.save(db, [msgspec.structs.replace(stored, version=stored.version + 1)])

    async def second() -> None:
        await locked.wait()
        async with transaction(here) as db:
            seen.append(await auctions.lock_versions(db, ["one"]))

    await asyncio.gather(first(), second())
    assert seen == [{"one": 1}]


@alike
async def test_what_is_due_comes_in_its_order_without_what_is_locked(here: Here) -> None:
    ends: dict[str, datetime] = {}
    for number, auction_id in enumerate(("late", "soon", "held")):
        stored = await opened(here, auction_id)
        ends[auction_id] = AT + timedelta(minutes=10 - 3 * number)
        moved = msgspec.structs.replace(stored, state=msgspec.structs.replace(stored.state, closes_at=ends[auction_id]))
        async with transaction(here) as db:
            await auctions.save(db, [moved])
    async with transaction(here) as other:
        await auctions.lock_versions(other, ["held"])
        async with transaction(here) as db:
            due = await auctions.lock_due(within(db), AT + timedelta(hours=1), 10)
            none = await auctions.lock_due(within(db), AT, 10)
    assert [each.opened.auction_id for each in due] == ["soon", "late"] and none == []
    async with transaction(here) as db:
        assert [each.opened.auction_id for each in await auctions.lock_due(within(db), AT + timedelta(hours=1), 1)] == [
            "held"
        ]


@alike
async def test_rows_that_another_transaction_locked_are_reported_without_a_wait(here: Here) -> None:
    await opened(here, "free")
    await opened(here, "held")
    async with transaction(here) as other:
        await auctions.lock_versions(other, ["held"])
        async with transaction(here) as db:
            assert await auctions.lock_free(db, ["free", "held", "none"]) == ({"free": 0}, {"held"})
    async with transaction(here) as db:
        assert await auctions.lock_free(db, ["free", "held"]) == ({"free": 0, "held": 0}, set())


@alike
async def test_a_lock_is_waited_for_as_long_as_the_connection_says(here: Here) -> None:
    await opened(here)
    async with transaction(here) as other:
        await auctions.lock_versions(other, ["one"])
        impatient = await asyncpg.connect(here.url, server_settings={"lock_timeout": "50ms"})
        with pytest.raises(asyncpg.LockNotAvailableError):
            async with impatient.transaction():
                await auctions.lock_versions(impatient, ["one"])
        async with impatient.transaction():
            assert await auctions.lock_free(impatient, ["one"]) == ({}, {"one"})
        impatient.terminate()


@alike
async def test_a_blocked_auction_is_left_alone_by_the_clock_until_the_block_ends(here: Here) -> None:
    stored = await opened(here)
    late = stored.state.closes_at + timedelta(hours=1)
    async with connected(here) as db:
        await blocked.block(db, {"one": AT}, AT + timedelta(seconds=5))
        await blocked.block(db, {"one": AT + timedelta(seconds=1)}, AT + timedelta(seconds=6))
        await blocked.block(db, {"one": AT + timedelta(seconds=1)}, AT)
        assert await blocked.count(db) == (1, 0)
    async with transaction(here) as db:
        assert await blocked.lock_due(db, AT + timedelta(seconds=5), 10) == []
        assert await blocked.lock_due(db, AT + timedelta(seconds=6), 10) == ["one"]
    async with transaction(here) as db:
        assert await auctions.lock_due(within(db), late, 10) == []
        assert await blocked.unblock(db, ["one", "none"]) == {"one": (AT, None)}
    async with transaction(here) as db:
        assert await blocked.count(db) == (0, 0)
        assert await blocked.unblock(db, ["one"]) == {}
        assert [each.opened.auction_id for each in await auctions.lock_due(within(db), late, 10)] == ["one"]


@alike
async def test_what_is_withheld_comes_out_once_in_the_order_of_the_log(here: Here) -> None:
    await opened(here, "sealed", "prozorro")
    await opened(here)
    for name in "ab":
        await here.organisation(name, "active")
    kept = await bid(here, asked("sealed", "b", "990"), asked("sealed", "a", "980"), asked("one", "a", "990"))
    assert [each.withheld for each in kept.values()] == [True, True, False]
    async with transaction(here) as db:
        out = await bids.publish_withheld(db, ["sealed", "one"])
        assert [(each.line, each.verdict.bid.supplier_id, each.data) for each in out] == [
            (1, "b", kept["b 990"].data),
            (2, "a", kept["a 980"].data),
        ]
    async with transaction(here) as db:
        assert await bids.publish_withheld(db, ["sealed", "one"]) == []


@alike
async def test_auctions_wait_for_the_time_of_an_outage_in_the_order_of_their_ends(here: Here) -> None:
    for number, auction_id in enumerate(("last", "second", "first", "over")):
        stored = await opened(here, auction_id)
        ends = AT + timedelta(minutes=30 - 10 * number)
        moved = msgspec.structs.replace(stored, state=msgspec.structs.replace(stored.state, closes_at=ends))
        async with transaction(here) as db:
            await auctions.save(db, [moved])
    since, until = AT + timedelta(minutes=1), AT + timedelta(minutes=2)
    async with transaction(here) as db:
        await blocked.lose(db, since, since + timedelta(seconds=3))
    async with transaction(here) as db:
        assert await blocked.count(db) == (0, 0), "so short a silence is none"
        await blocked.lose(db, since, until)
    async with transaction(here) as db:
        assert await blocked.count(db) == (0, 3)
        assert await blocked.lock_due(db, until, 2) == ["first", "second"]
        async with transaction(here) as other:
            assert await blocked.lock_due(other, until, 2) == [], "one at a time"
        assert await blocked.put_off(db, ["first", "none"], until + timedelta(seconds=1)) == 1
    async with transaction(here) as db:
        assert await blocked.lock_due(db, until, 9) == ["second", "last"]
        assert await blocked.unblock(db, ["second"]) == {"second": (since, until)}
    async with transaction(here) as db:
        await blocked.block(db, {"first": until}, until)
    async with transaction(here) as db:
        assert await blocked.count(db) == (1, 1), "nobody could decide the first: it loses time until somebody can"
        await blocked.lose(db, until + timedelta(minutes=1), until + timedelta(minutes=2))
    async with transaction(here) as db:
        assert await blocked.unblock(db, ["first", "second", "last"]) == {
            "first": (since, None),
            "second": (until + timedelta(minutes=1), until + timedelta(minutes=2)),
            "last": (since, until + timedelta(minutes=2)),
        }


@alike
async def test_the_pulse_says_the_last_beat_and_never_goes_back(here: Here) -> None:
    async with transaction(here) as db:
        assert await pulse.last(db) is None
        assert await pulse.beat(db, AT, alone=True) is None
    async with transaction(here) as db:
        assert await pulse.beat(db, AT - timedelta(seconds=59), alone=True) == AT
    async with transaction(here) as db:
        assert await pulse.last(db) == AT
        assert await pulse.beat(db, AT + timedelta(seconds=1), alone=True) == AT


@alike
async def test_the_second_of_two_lanes_that_were_away_finds_the_beat_of_the_first(here: Here) -> None:
    async def second() -> datetime | None:
        async with transaction(here) as db:
            return await pulse.beat(db, AT + timedelta(seconds=9), alone=True)

    async with transaction(here) as db:
        assert await pulse.beat(db, AT, alone=True) is None
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.5)
        assert not waiting.done()
    assert await waiting == AT


@alike
async def test_a_lane_that_is_there_beats_beside_one_that_was_away(here: Here) -> None:
    async with transaction(here) as db:
        await pulse.beat(db, AT, alone=True)
    async with transaction(here) as db:
        assert await pulse.beat(db, AT + timedelta(seconds=2), alone=True) == AT
        async with transaction(here) as other:
            assert await pulse.beat(other, AT + timedelta(seconds=3), alone=False) == AT
    async with transaction(here) as db:
        assert await pulse.last(db) == AT + timedelta(seconds=3)


@alike
async def test_after_a_clock_that_was_ahead_the_pulse_is_what_the_right_clock_says(here: Here) -> None:
    async with transaction(here) as db:
        await pulse.beat(db, AT + timedelta(hours=13), alone=True)
    async with transaction(here) as db:
        assert await pulse.beat(db, AT, alone=True) is None
        assert await pulse.last(db) == AT
        assert await pulse.beat(db, AT + timedelta(seconds=9), alone=True) == AT


@alike
async def test_a_transaction_that_is_rolled_back_leaves_nothing(here: Here) -> None:
    await opened(here)
    await here.organisation("a", "active")
    with pytest.raises(RuntimeError):
        async with transaction(here) as db:
            current = await auctions.load(db, ["one"])
            wanted = asked("one", "a", "990")
            outcome = judge([wanted], current, {}, {"a": "active"}, AT)
            await journal.write(db, outcome.written, AT)
            raise RuntimeError
    async with transaction(here) as db:
        assert await auctions.load(db, ["one"]) == current
        assert await bids.standing(db, {"one": [1]}) == {"one": []}
    assert (await bid(here, wanted))["a 990"].line == 1
