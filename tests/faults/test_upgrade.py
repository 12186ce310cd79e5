"""An upgrade without a stop: two releases on one database, one Kafka and in the same consumer groups, while market days play.

The processes of the former release run, and people bid. Then the newer release, which has a new event type, new
versions of two events and a new column, migrates, starts its processes beside them and takes over; the former processes
end. The rule for this, and the instructions for operators, are in docs/operating.md.
"""

import asyncio
import csv
import json
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from events.topics import topic as topic_of
from infra.broker import access
from infra.config import Config
from infra.consumer import group_of
from infra.embedded import Servers
from infra.embedded.process import Child
from infra.health import PartState
from infra.migrations import AHEAD
from infra.operations import processes
from infra.runtime import load, standing
from infra.service import Service
from services.demonstration.cast import cast
from services.demonstration.client import Client
from services.demonstration.seed import RUNNING_TITLE, demo_password, offer_terms
from tests.faults.door import Door
from tests.faults.living import POLICY, MarketReader, until
from tests.faults.releases import MOTTO, Release, brought_further, plant_newer, unpack_former
from tests.servers import home_of_tests, started

pytestmark = pytest.mark.servers

PARTS = ("web", "worker", "streams")
PATIENCE = 120
"""Seconds for each step."""
BIDS = 40
"""Verdicts that must be acknowledged before each step, so that people bid all the time."""
NEW_KINDS = {
    ("quotes", ""): "lonja.auctions.AuctionOpened",
    ("pools", ""): "lonja.quotes.AuctionNoticed",
    ("recommender", "recommender.interest/"): "lonja.pools.PoolOpened",
}
"""Event types to which the newer release reacts and this tree does not: by service and prefix of the claims."""
GIVEN_AWAY = {"contracts": {"lonja.catalogue.OfferPublished", "lonja.catalogue.OfferArchived"}}
"""Event types to which the former release reacts and this tree does not, because purchases now does: by service."""
NOTICED = NEW_KINDS["pools", ""]
AWARD = (
    *(
        "ocid",
        "award_date",
        "amount",
        "buyer",
        "buyer_city",
        "buyer_region",
        "supplier",
        "supplier_city",
        "supplier_region",
    ),
    *("category", "category_title", "method"),
)
"""The columns of a source for which a mapping is shipped."""
PAGES = ("/", "/auctions", "/catalogue", "/pools", "/contracts", "/api/auctions", "/api/catalogue/skus")


@dataclass(frozen=True)
class Upgraded(MarketReader):
    """What happened, and the state of the market afterwards."""

    days: list[dict[str, Any]] = field(default_factory=list)
    """The summaries of the market days, in the order in which they began."""
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    """The verdicts that were answered."""
    seen: Counter[int] = field(default_factory=Counter)
    """The status codes of visited pages."""
    errors: dict[str, int] = field(default_factory=dict)
    """Requests that a release's web process answered with 500."""
    bids: dict[str, int] = field(default_factory=dict)
    """Bids that a release's web process decided."""
    waited: dict[str, set[str]] = field(default_factory=dict)
    """Why partitions waited, by kind of process."""
    through_both: list[int] = field(default_factory=list)
    """The sequence numbers of an auction's bids that came alternately through the web processes of both releases, while
    partitions waited."""
    ended: dict[str, int | None] = field(default_factory=dict)
    """Exit codes of the former release's processes."""
    ahead: list[str] = field(default_factory=list)
    """The services whose tables have newer revisions than the former release knows."""
    said: list[str] = field(default_factory=list)
    """The output of the former release's ``migrate`` on tables of the newer one."""
    imported: set[str] = field(default_factory=set)

    def kinds_of(self, service: Service) -> dict[str, set[str]]:
        known = super().kinds_of(service)
        for (name, prefix), kind in NEW_KINDS.items():
            if name == service.name:
                known[prefix].add(kind)
        return known

    async def _claimed(self, service: str) -> set[str]:
        """The claims of a service; of event types that another service took over the former release has those that it
        got."""
        told, _ = await self._published()
        return (await super()._claimed(service)).difference(
            *(told.get(kind, ()) for kind in GIVEN_AWAY.get(service, ()))
        )

    async def told_types(self) -> list[tuple[str, str]]:
        """(type, subject) of all events, in every version."""
        found = []
        for name in self.services_with_tables:
            envelopes = [
                msgspec.json.decode(row["envelope"]) for row in await self.rows(f"select envelope from {name}.outbox")
            ]
            found += [(envelope["type"], envelope["subject"]) for envelope in envelopes]
        return found


@pytest.fixture(scope="module")
async def upgraded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Upgraded]:
    folder = tmp_path_factory.mktemp("releases")
    home = home_of_tests() / "upgrade"
    shutil.rmtree(home, ignore_errors=True)
    unpack_former(folder / "former")
    plant_newer(folder / "newer")
    (folder / "policies").mkdir()
    (folder / "policies" / "demo.toml").write_text(POLICY)
    servers = started(home)
    async with AsyncExitStack() as stack:
        stack.callback(servers.stop)
        door = await stack.enter_async_context(Door())
        settings = {
            "LONJA_POLICY": "demo",
            "LONJA_POLICIES": str(folder / "policies"),
            "LONJA_PUBLIC_URL": door.url,
            "LONJA_RATE_LIMIT": "1000000",
        }
        former, newer = (Release(name, folder / name, servers.home, settings) for name in ("former", "newer"))
        await former.lonja("migrate")
        resources = await stack.enter_async_context(standing(Config.load({**os.environ, **former.environment})))
        books = Upgraded(resources, load(resources))
        await Upgrade(books, servers, door, former, newer, stack, folder).play()
        yield books


@dataclass
class Upgrade:
    """`play` it once."""

    books: Upgraded
    servers: Servers
    door: Door
    former: Release
    newer: Release
    stack: AsyncExitStack
    folder: Path

    async def play(self) -> None:
        former, newer, books = self.former, self.newer, self.books
        old = await self._start(former)
        self.door.open_to([former.port])
        await former.lonja("demo", "--json")
        first = asyncio.create_task(self._day("--seconds", "60"))
        visiting = asyncio.create_task(self._visit())
        self.stack.callback(visiting.cancel)
        await self._bids_go_on("the former release runs alone", first)
        await self._import(former, range(300))
        await newer.lonja("migrate")
        books.ahead.extend(brought_further(former.tree, newer.tree))
        books.said.append(await former.lonja("migrate"))
        new = await self._start(newer)
        self.door.open_to([former.port, newer.port])
        over = asyncio.Event()
        others = asyncio.create_task(self._days_until(over))
        await self._publish_offers()
        await self._import(newer, range(200, 600))
        await _eventually(self._former_waits, "the former release lets partitions wait")
        await _eventually(self._what_is_new_is_passed_over, "both releases pass over the new type")
        await self._bid_through_both()
        self.door.open_to([newer.port])
        await self._count(former)
        await asyncio.gather(*(self._end(name, child) for name, child in old.items()))
        await self._bids_go_on("the newer release runs alone", others)
        over.set()
        await asyncio.gather(first, others)
        await books.wait_until_handled(PATIENCE)
        visiting.cancel()
        with suppress(asyncio.CancelledError):
            await visiting
        await self._count(newer)
        books.acknowledged.extend(self._verdicts())
        await asyncio.gather(*(asyncio.to_thread(child.stop) for child in new.values()))

    async def _start(self, release: Release) -> dict[str, Child]:
        children = {name: release.child(name) for name in PARTS}
        for child in children.values():
            child.start()
            self.stack.push_async_callback(asyncio.to_thread, child.stop)
        await asyncio.gather(*(child.wait_ready() for child in children.values()))
        return children

    async def _end(self, name: str, child: Child) -> None:
        assert await asyncio.to_thread(child.stop), f"the former {name} did not end by itself"
        self.books.ended[name] = child.exit_code

    async def _day(self, *arguments: str) -> None:
        """A market day, which the former release's `lonja simulate` plays. It waits long, because a pool's auction may
        be delayed by the upgrade."""
        which = ("--seed", str(len(self.books.days) + 1), "--url", self.door.url, "--record", str(self._record))
        self.books.days.append({})
        said = await self.former.lonja("simulate", "--json", "--patience", "300", *which, *arguments)
        self.books.days[int(which[1]) - 1] = json.loads(said)

    async def _days_until(self, over: asyncio.Event) -> None:
        """Play days one after the other in the background."""
        while not over.is_set():
            await self._day("--seconds", "15", "--agencies", "8", "--no-finish")

    @property
    def _record(self) -> Path:
        return self.folder / "acknowledged.jsonl"

    def _verdicts(self) -> list[dict[str, Any]]:
        """The verdicts that were answered so far."""
        text = self._record.read_text() if self._record.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    async def _bids_go_on(self, while_: str, days: asyncio.Task[None]) -> None:
        """Wait until bids continue. Raise the error that ended the market days."""
        seen = len(self._verdicts())

        def enough() -> bool:
            if days.done():
                days.result()
            return len(self._verdicts()) >= seen + BIDS

        await until(enough, PATIENCE, f"bids are answered while {while_}")

    async def _visit(self) -> None:
        """Load pages all the time, with a new connection for each."""
        while True:
            for page in PAGES:
                async with httpx.AsyncClient(base_url=self.door.url, timeout=30, follow_redirects=True) as visitor:
                    self.books.seen[(await visitor.get(page)).status_code] += 1
                await asyncio.sleep(0.1)

    async def _publish_offers(self) -> None:
        """Publish an offer of a supplier on every good, through the newer release."""
        players = cast()
        supplier = players.suppliers[0]
        async with Client.visiting(self.newer.url) as visitor:
            member = await visitor.login(supplier.email, demo_password(self.books.resources.config))
            ids = {card["name"]: card["sku_id"] for card in (await visitor.get("/api/catalogue/skus"))["results"]}
            assert ids
            for good in players.skus:
                if good.name in ids:
                    terms = offer_terms(good, supplier, players.regions)
                    await member.post("/api/catalogue/offers", terms | {"sku_id": ids[good.name]})

    async def _import(self, release: Release, numbers: range) -> None:
        """Import awards of another market, one award per process. Known ones cause no events."""
        file = self.folder / f"awards of the {release.name} release.csv"
        with file.open("w", newline="") as opened:
            rows = csv.writer(opened)
            rows.writerow(AWARD)
            for number in numbers:
                parties = (f"Buyer {number % 7}", "Ottawa", "ON", f"Supplier {number % 31}", "Toronto", "ON")
                rows.writerow(
                    (f"award-{number}", "2012-05-02", "1200.50", *parties, "N7510", "Office supplies", "open")
                )
        await release.lonja("import", "awards", str(file))
        self.books.imported.update(f"award-{number}" for number in numbers)

    async def _bid_through_both(self) -> None:
        """Two suppliers outbid each other on one auction; each uses the web process of one release."""
        password, (one, other) = demo_password(self.books.resources.config), cast().suppliers[:2]
        async with Client.visiting(self.former.url, PATIENCE) as old, Client.visiting(self.newer.url, PATIENCE) as new:
            bidders = [await old.login(one.email, password), await new.login(other.email, password)]
            found = (await old.get("/api/auctions", q=RUNNING_TITLE))["auctions"]
            path = next(f"/api/auctions/{each['auction_id']}" for each in found if each["title"] == RUNNING_TITLE)
            for bidder in bidders * 5:
                wanted = (await bidder.get(path))["next_bid"]
                verdict = await bidder.post(f"{path}/bids", {"amount": wanted})
                assert verdict["verdict"] == "accepted", verdict
                self.books.through_both.append(verdict["sequence"])

    async def _former_waits(self) -> bool:
        """Whether partitions of the former worker and of the former streams wait for a version that they do not know."""
        for process in await processes.read(self.books.resources.database.pool):
            for condition in process.conditions:
                if condition.state is PartState.degraded and "this is version 2" in condition.detail:
                    self.books.waited.setdefault(process.kind, set()).add(condition.detail)
        return self.books.waited.keys() >= {"worker", "streams"}

    async def _what_is_new_is_passed_over(self) -> bool:
        """Whether every group has read the whole topic with the new type, while both releases are members of it."""
        noticed = await self.books.rows("select published_at from quotes.outbox where envelope like $1", f"%{NOTICED}%")
        services = [service.name for service in self.books.services if "lonja.quotes" in service.reactions.topics]
        left = await unread(self.servers.kafka_bootstrap, "lonja.quotes", services)
        return left == 0 and len(noticed) > 4 and all(row["published_at"] for row in noticed)

    async def _count(self, release: Release) -> None:
        async with httpx.AsyncClient(base_url=release.url) as http:
            metrics = (await http.get("/metrics")).text
        samples = [sample for family in text_string_to_metric_families(metrics) for sample in family.samples]
        self.books.errors[release.name] = int(
            sum(
                each.value
                for each in samples
                if each.name == "lonja_http_request_duration_seconds_count" and each.labels["status"] == "500"
            )
        )
        self.books.bids[release.name] = int(sum(each.value for each in samples if each.name == "lonja_bids_total"))


async def unread(bootstrap: str, topic: str, services: list[str]) -> int:
    """Messages of the topic that the services' groups have not read yet."""
    admin = AIOKafkaAdminClient(**access(bootstrap))
    kafka = AIOKafkaConsumer(**access(bootstrap), enable_auto_commit=False)
    await asyncio.gather(admin.start(), kafka.start())
    try:
        partitions = [TopicPartition(topic, number) for number in range(topic_of(topic).partitions)]
        ends = await kafka.end_offsets(partitions)
        left = 0
        for service in services:
            read = await admin.list_consumer_group_offsets(group_of(service), partitions=partitions)
            left += sum(ends[each] - max(0, read[each].offset) for each in partitions)
        return left
    finally:
        await asyncio.gather(admin.close(), kafka.stop())


async def _eventually(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {PATIENCE} s: {what}"
        await asyncio.sleep(0.5)


async def test_people_bid_all_the_while_and_every_auction_ends_in_contracts(upgraded: Upgraded) -> None:
    assert all(upgraded.bids[release] > BIDS for release in ("former", "newer")), upgraded.bids
    assert len(upgraded.through_both) == 10
    first = upgraded.through_both[0]
    assert upgraded.through_both == list(range(first, first + 10))
    for day in upgraded.days:
        assert day["bids_unanswered"] == 0
        assert day["bids_accepted"] > 0 and day["auctions_opened"] > 4
    finished = upgraded.days[0]
    assert finished["auctions_closed"] == finished["auctions_opened"]
    assert finished["contracts_concluded"] >= finished["auctions_won"] > 0


async def test_every_acknowledged_bid_is_there_once(upgraded: Upgraded) -> None:
    rows = await upgraded.rows("select auction_id, supplier_id, request_key, sequence, amount from auctions.bids")
    kept = Counter((row["auction_id"], row["supplier_id"], row["request_key"]) for row in rows)
    assert set(kept.values()) == {1}
    accepted = Counter((row["auction_id"], row["sequence"], row["amount"]) for row in rows if row["sequence"])
    assert len(upgraded.acknowledged) > 4 * BIDS
    for line in upgraded.acknowledged:
        assert (line["auction_id"], line["supplier_id"], line["request_key"]) in kept, line
        if line["verdict"] == "accepted":
            assert accepted[line["auction_id"], line["sequence"], Decimal(line["amount"])] == 1, line


async def test_nobody_meets_an_error(upgraded: Upgraded) -> None:
    assert upgraded.seen.keys() == {200}
    assert upgraded.errors == {"former": 0, "newer": 0}


async def test_the_former_release_works_beside_newer_tables(upgraded: Upgraded) -> None:
    assert {"contracts", "pools"} <= set(upgraded.ahead), "the column and the table that are planted"
    assert [said.strip() for said in upgraded.said] == [AHEAD.format(", ".join(upgraded.ahead))]


async def test_partitions_with_a_newer_version_wait_while_the_former_release_has_them(upgraded: Upgraded) -> None:
    assert upgraded.waited.keys() == {"worker", "streams"}, upgraded.waited


async def test_every_award_that_either_release_imported_is_there_once(upgraded: Upgraded) -> None:
    rows = await upgraded.rows("select process_id, award_id from recommender.awards where buyer_name like 'Buyer %'")
    assert len({row["process_id"] for row in rows}) == len(rows) == len(upgraded.imported) == 600


async def test_the_former_processes_end_in_order(upgraded: Upgraded) -> None:
    assert upgraded.ended == dict.fromkeys(PARTS, 0)


async def test_nothing_becomes_a_dead_letter_and_every_event_is_heard_once(upgraded: Upgraded) -> None:
    """Each event was handled while the processes ran, for which :meth:`Upgrade.play` waits. Events that timers emitted
    while the processes ended are handled when processes start again."""
    assert await upgraded.dead_letters() == []
    assert await upgraded.claims_without_event() == {}


async def test_the_newer_release_is_in_effect(upgraded: Upgraded) -> None:
    subjects: dict[str, set[str]] = {}
    for type_, subject in await upgraded.told_types():
        subjects.setdefault(type_, set()).add(subject)
    before, after = (subjects[f"lonja.auctions.AuctionOpened.v{version}"] for version in (1, 2))
    mottos = {
        row["auction_id"]: row["motto"]
        for row in await upgraded.rows("select auction_id, motto from contracts.auctions")
    }
    assert mottos == dict.fromkeys(before) | dict.fromkeys(after, MOTTO)
    notices = {row["auction_id"]: row["times"] for row in await upgraded.rows("select * from pools.notices")}
    assert notices == dict.fromkeys(before | after, 1)
    assert len(subjects["lonja.catalogue.OfferPublished.v2"]) > 10
