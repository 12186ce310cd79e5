"""Events of one key that arrive together are handled in one statement, with the same result as one after the other."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.catalogue import SkuArchived, SkuPublished
from events.contracts import AwardMade, ContractConcluded
from events.imports import ImportedProcess, OrganisationImported, ProcessImported
from events.observatory import ReferencePricePublished, ReferencePriceWithdrawn
from events.values import Category, Place, Source
from infra.clock import system_clock
from infra.database import Transaction
from infra.ids import new_id
from infra.reactions import Reactions, calls, react
from services.accounts.handlers import reactions as accounts
from services.auctions.handlers import reactions as auctions
from services.auctions.store import replicas
from services.observatory.agents import reactions as rolling
from services.observatory.handlers import reactions as observatory
from services.portal.handlers import reactions as portal
from services.recommender.agents import interests
from services.recommender.handlers import reactions as recommender
from tests.infra.test_reactions import told
from tests.market import Market
from tests.services.observatory.builders import a_contract, its_award, its_end

PAPER = Category(code="30197630-1", title="Paper")
ELSEWHERE = Source(publisher="Elsewhere", document="file:1")


async def hear(tx: Transaction, reactions: Reactions, *events: Any) -> int:
    """Handle events like an inbox with one batch. Return the number of calls."""
    made = calls(reactions, [told(event) for event in events])
    for call in made:
        await react(reactions[type(call[0].event)], tx, call)
    return len(made)


def an_organisation(organisation_id: str, name: str, **changes: Any) -> OrganisationRegistered:
    return OrganisationRegistered(
        **{"organisation_id": organisation_id, "roles": ("supplier",), "name": name} | changes
    )


def a_sku(sku_id: str, version: int, name: str) -> SkuPublished:
    return SkuPublished(sku_id=sku_id, version=version, name=name, category=PAPER, attributes=(), base_unit="C62")


def a_reference(sku_id: str, version: int, median: str) -> ReferencePricePublished:
    return ReferencePricePublished(
        item_key=sku_id,
        reference_id=f"{sku_id}/{version}",
        version=version,
        sku_id=sku_id,
        title="Paper",
        category=PAPER,
        unit="C62",
        currency="RUB",
        level="country",
        place_code="RU",
        median=Decimal(median),
        p25=Decimal(median),
        p75=Decimal(median),
        observations=3,
        suppliers=3,
        variation=Decimal(1),
        grade="A",
        valued_at=system_clock(),
    )


async def test_an_organisation_has_its_last_published_data_and_state(market: Market) -> None:
    one, foreign = new_id(), new_id()
    async with market.resources.database.transaction("auctions") as tx:
        await hear(
            tx,
            auctions,
            an_organisation(one, "First", state="pending"),
            OrganisationStateChanged(organisation_id=one, state="active", reason=""),
            an_organisation(one, "Second", state="pending"),
            an_organisation(one, "Third", state="pending"),
            an_organisation(foreign, "Foreign", source=ELSEWHERE),
        )
        found = await replicas.organisations.get(await tx.raw(), one)
        assert found is not None and (found.name, found.state) == ("Third", "active")
        assert await replicas.organisations.get(await tx.raw(), foreign) is None


async def test_a_sku_has_its_newest_version_whatever_the_order(market: Market) -> None:
    one, two = new_id(), new_id()
    async with market.resources.database.transaction("auctions") as tx:
        batch = [a_sku(one, 2, "Newer"), a_sku(one, 1, "Older"), a_sku(two, 1, "Other"), a_sku(one, 2, "Again")]
        assert await hear(tx, auctions, *batch) == 1
        found = await replicas.skus.get(await tx.raw(), [one, two])
        assert {sku.name for sku in found.values()} == {"Newer", "Other"}
        await hear(
            tx,
            auctions,
            SkuArchived(sku_id=one, reason="r"),
            a_sku(one, 3, "Back"),
            SkuArchived(sku_id=two, reason="r"),
        )
        assert {sku.name for sku in (await replicas.skus.get(await tx.raw(), [one, two])).values()} == {"Back"}


async def test_a_reference_price_has_its_newest_version(market: Market) -> None:
    one, two = new_id(), new_id()
    async with market.resources.database.transaction("auctions") as tx:
        batch = [a_reference(one, 2, "20"), a_reference(one, 1, "10"), a_reference(two, 1, "5")]
        withdrawn = ReferencePriceWithdrawn(item_key=two, reference_id=f"{two}/1", reason="r")
        await hear(tx, auctions, *batch, withdrawn)
        found = await replicas.references.get(await tx.raw(), [one, two])
        assert [[each.median for each in found[sku]] for sku in (one, two)] == [[Decimal(20)], []]


async def test_an_imported_organisation_has_the_roles_of_all_and_the_last_name(market: Market) -> None:
    one = new_id()
    first = an_organisation(one, "First", source=ELSEWHERE, place=Place(country="CA"))
    second = msgspec.structs.replace(first, roles=("buyer",), name="Second")
    batch = [OrganisationImported(bucket="bucket", organisations=(each,)) for each in (first, second)]
    async with market.resources.database.transaction("accounts") as tx:
        await hear(tx, accounts, *batch)
        rows = await (await tx.raw()).fetch(
            "select name, roles, imported from accounts.organisations where organisation_id = $1", one
        )
        assert [tuple(row) for row in rows] == [("Second", ["buyer", "supplier"], True)]


async def test_an_import_never_replaces_what_a_supplier_of_this_market_says_of_itself(market: Market) -> None:
    one = new_id()
    ours, theirs = an_organisation(one, "Ours"), an_organisation(one, "Theirs", source=ELSEWHERE)
    async with market.resources.database.transaction("recommender") as tx:
        await hear(tx, recommender, theirs, ours, theirs)
        rows = await (await tx.raw()).fetch(
            "select name, native from recommender.suppliers where supplier_id = $1", one
        )
        assert [tuple(row) for row in rows] == [("Ours", True)]


def a_process(
    process_id: str, awards: tuple[AwardMade, ...], contracts: tuple[ContractConcluded, ...]
) -> ProcessImported:
    return ProcessImported(
        bucket="bucket", processes=(ImportedProcess(process_id=process_id, awards=awards, contracts=contracts),)
    )


@pytest.fixture
def doubled() -> tuple[ProcessImported, ...]:
    """A process whose award and contract come twice, the second time with another title, and the contract with another
    price."""
    day, process_id = system_clock().date() - timedelta(days=1), new_id()
    imported: dict[str, Any] = {"process_id": process_id, "source": ELSEWHERE, "origin": "import"}
    contract = a_contract(f"double entry {process_id}", "10", day, award_id=new_id(), amount=Decimal(100), **imported)
    award = msgspec.structs.replace(its_award(contract, "10"), source=ELSEWHERE)
    line = msgspec.structs.replace(contract.lines[0], unit_price=Decimal(11))
    return (
        a_process(process_id, (award,), (contract,)),
        a_process(
            process_id,
            (msgspec.structs.replace(award, title="Later"),),
            (msgspec.structs.replace(contract, lines=(line,), title="Later"),),
        ),
    )


async def test_the_later_of_two_prices_counts_and_a_contract_replaces_its_award(
    market: Market, doubled: tuple[ProcessImported, ...]
) -> None:
    async with market.resources.database.transaction("observatory") as tx:
        assert await hear(tx, observatory, *doubled) == 1
        rows = await (await tx.raw()).fetch(
            "select origin, body->>'unit_price' as price from observatory.observations where process_id = $1",
            doubled[0].processes[0].process_id,
        )
        assert [tuple(row) for row in rows] == [("contract", "11")]


async def test_a_stream_counts_what_came_together_as_it_counts_one_after_the_other(
    market: Market, doubled: tuple[ProcessImported, ...]
) -> None:
    key = "select count, low, high, total, last from observatory.rolling where item_key = $1 order by series"
    item = (await _items(market, doubled))[0]
    found = []
    for batches in ([doubled], [doubled[:1], doubled[1:]]):
        async with market.resources.database.transaction("observatory") as tx:
            db = await tx.raw()
            await db.execute("delete from observatory.rolling where item_key = $1", item)
            for batch in batches:
                await hear(tx, rolling, *batch)
            found.append([tuple(row) for row in await db.fetch(key, item)])
    assert found[0] == found[1]
    assert [row[:4] for row in found[0]] == [(2, 10, 10, 20), (2, 10, 11, 21)]


async def _items(market: Market, events: tuple[ProcessImported, ...]) -> list[str]:
    async with market.resources.database.transaction("observatory") as tx:
        await hear(tx, observatory, *events)
        rows = await (await tx.raw()).fetch(
            "select item_key from observatory.observations where process_id = $1", events[0].processes[0].process_id
        )
        return [row["item_key"] for row in rows]


async def test_a_contract_published_twice_counts_once_and_not_after_its_end(
    market: Market, doubled: tuple[ProcessImported, ...]
) -> None:
    contract = doubled[0].processes[0].contracts[0]
    ended = its_end(contract)
    total = "select coalesce(sum(contracts), 0), coalesce(sum(amount), 0) from portal.totals where currency = 'BRL'"
    async with market.resources.database.transaction("portal") as tx:
        db = await tx.raw()
        before = await db.fetchrow(total)
        await hear(tx, portal, *doubled)
        between = await db.fetchrow(total)
        assert (between[0] - before[0], between[1] - before[1]) == (1, 100)
        ending = ImportedProcess(process_id=contract.process_id, endings=(ended,))
        await hear(tx, portal, ProcessImported(bucket="bucket", processes=(ending,)))
        assert await db.fetchrow(total) == before


async def test_an_award_published_twice_is_one_award_and_two_marks_of_interest(
    market: Market, doubled: tuple[ProcessImported, ...]
) -> None:
    award = doubled[0].processes[0].awards[0]
    async with market.resources.database.transaction("recommender") as tx:
        db = await tx.raw()
        await hear(tx, recommender, *doubled)
        rows = await db.fetch("select title from recommender.awards where award_id = $1", award.award_id)
        assert [row["title"] for row in rows] == ["Later"]
        await hear(tx, interests, doubled[0])
        once = await _points(db, award.supplier_ids[0])
        await hear(tx, interests, *doubled)
        assert await _points(db, award.supplier_ids[0]) == once * 3


async def _points(db: Any, supplier_id: str) -> int:
    return int(await db.fetchval("select sum(points) from recommender.interest where supplier_id = $1", supplier_id))
