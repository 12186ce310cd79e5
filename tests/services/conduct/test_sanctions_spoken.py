"""Suspensions on the real servers: imposed after the third evasion, appealed against, decided, and shown in the public
record."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from events.contracts import ContractEnded, OrganisationSanctioned, SanctionAppealDecided, SanctionAppealed
from infra import deadletters
from infra.embedded import addresses
from infra.ids import new_id
from infra.tokens import Principal
from services.conduct.store import record
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_member, a_town, a_won_auction, in_time
from tests.services.contracts.test_contracts_signed import signed
from tests.unreadable import lists, only_a_newer_release_reads

MODERATOR = a_member("Operator", "moderator")


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def sanctions(town: Town, principal: Principal, *, count: int = 1) -> list[Any]:
    async def there() -> list[Any]:
        found: list[Any] = await town.read(principal, "/api/contracts/sanctions")
        return found if len(found) == count else []

    return await town.market.eventually(there)


async def evaded(town: Town, times: int) -> list[str]:
    """Let the first supplier win and refuse so often, and return the contracts."""
    refused = []
    for _ in range(times):
        _, contract_id = await a_won_auction(town)
        assert (await town.refuse(town.suppliers[0], contract_id))[0] == 201
        refused.append(contract_id)
    return refused


async def settled(town: Town, principal: Principal, **counts: int) -> Any:
    """Return the principal's record, once it has these counts."""

    async def there() -> Any:
        found = await town.read(None, f"/api/organisations/{principal.organisation_id}/record")
        return found if found != 404 and found["sides"][0]["counts"].items() >= counts.items() else None

    return await town.market.eventually(there)


async def told(town: Town, kind: Any, principal: Principal) -> list[Any]:
    found = await town.market.published("conduct", kind)
    return [event for event in found if event.organisation_id == principal.organisation_id]


async def test_the_third_evasion_suspends_once_however_often_its_event_arrives(town: Town) -> None:
    supplier = town.suppliers[0]
    contracts = await evaded(town, 2)
    await settled(town, supplier, evaded=2)
    assert await told(town, OrganisationSanctioned, supplier) == []
    contracts += await evaded(town, 1)
    (one,) = await sanctions(town, supplier)
    assert (one["side"], one["level"], one["state"], one["may_appeal"]) == ("supplier", 1, "in-force", True)
    assert {each["contract_id"] for each in one["contracts"]} == set(contracts)
    ended = [
        event for event in await town.market.published("contracts", ContractEnded) if event.contract_id in contracts
    ]
    await town.tell(*ended, *ended)
    await evaded(town, 2)
    await settled(town, supplier, evaded=5)
    assert len(await told(town, OrganisationSanctioned, supplier)) == 1
    await evaded(town, 1)
    second, first = await sanctions(town, supplier, count=2)
    assert (second["level"], first["level"]) == (2, 1)


async def test_a_buyer_that_does_not_sign_is_suspended_at_once(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    await town.step(town.suppliers[0], contract_id, "supplier-offer")
    in_time(town, 31)
    (one,) = await sanctions(town, town.school)
    assert (one["side"], one["level"]) == ("buyer", 1)
    record = await settled(town, town.school, refused=1)
    assert record["sanctions"][0]["contracts"][0]["partner_name"] == "Supplier 1"


async def test_a_granted_appeal_lifts_it_and_a_repeat_changes_nothing(town: Town) -> None:
    supplier = town.suppliers[0]
    await evaded(town, 3)
    (one,) = await sanctions(town, supplier)
    path, body = f"/api/contracts/sanctions/{one['sanction_id']}/appeal", {"reasons": "Our mill burnt down"}
    status, refused = await town.post(supplier, path, {"reasons": " "})
    assert (status, refused["rule"]) == (422, "appeal-unexplained")
    assert (await town.post(town.suppliers[1], path, body))[0] == 404
    for _ in range(2):
        status, filed = await town.post(supplier, path, body)
        assert (status, filed["reasons"], filed["may_appeal"]) == (201, "Our mill burnt down", False)
    queue = await town.read(MODERATOR, "/api/contracts/appeals")
    (mine,) = [each for each in queue if each["sanction_id"] == one["sanction_id"]]
    assert mine["overdue"] is False and mine["organisation_name"] == "Supplier 1"
    in_time(town, 301)
    queue = await town.read(MODERATOR, "/api/contracts/appeals")
    assert [each["overdue"] for each in queue if each["sanction_id"] == one["sanction_id"]] == [True]
    decision = f"/api/contracts/appeals/{one['sanction_id']}/decision"
    assert (await town.post(supplier, decision, {"decision": "lifted", "explanation": "It did"}))[0] == 403
    for _ in range(2):
        status, decided = await town.post(MODERATOR, decision, {"decision": "lifted", "explanation": "It did"})
        assert (status, decided["state"], decided["decision"]) == (201, "lifted", "lifted")
    status, refused = await town.post(MODERATOR, decision, {"decision": "upheld", "explanation": "No"})
    assert (status, refused["rule"]) == (422, "decided-otherwise")
    assert (
        len(await told(town, SanctionAppealed, supplier)) == len(await told(town, SanctionAppealDecided, supplier)) == 1
    )


async def test_a_sanction_that_cannot_be_read_does_not_hide_the_others_in_lists(town: Town) -> None:
    supplier = town.suppliers[0]
    await evaded(town, 3)
    (strange,) = await sanctions(town, supplier)
    _, contract_id = await a_won_auction(town)
    await town.step(town.suppliers[0], contract_id, "supplier-offer")
    in_time(town, 31)  # the buyer does not sign
    (whole,) = await sanctions(town, town.school)
    for who, each in ((supplier, strange), (town.school, whole)):
        path = f"/api/contracts/sanctions/{each['sanction_id']}/appeal"
        assert (await town.post(who, path, {"reasons": "A flood"}))[0] == 201
    key = ("sanction_id", strange["sanction_id"])
    async with only_a_newer_release_reads(town.market, "conduct.sanctions", key, "state.sanctioned"):
        async with town.market.client(MODERATOR) as client:
            for path in ("/api/contracts/appeals", "/contracts/appeals"):
                said = await lists(client, path)
                assert whole["sanction_id"] in said and strange["sanction_id"] not in said
        async with town.market.client(supplier) as client:
            record = f"/organisations/{supplier.organisation_id}/record"
            for path in ("/api/contracts/sanctions", "/contracts/sanctions", record, f"/api{record}"):
                assert strange["sanction_id"] not in await lists(client, path)


async def test_no_sanction_is_imposed_while_an_earlier_one_cannot_be_read(town: Town) -> None:
    """The event waits among the dead letters, and is judged when it is replayed."""
    supplier = town.suppliers[0]
    await evaded(town, 5)
    # otherwise those of the five that are still on their way would wait as well
    await settled(town, supplier, evaded=5)
    (first,) = await sanctions(town, supplier)
    key = ("sanction_id", first["sanction_id"])
    async with only_a_newer_release_reads(town.market, "conduct.sanctions", key, "state.sanctioned"):
        (contract_id,) = await evaded(town, 1)
        await town.market.eventually(lambda: _is_dead_letter(town, contract_id))
        assert len(await told(town, OrganisationSanctioned, supplier)) == 1
    (ended,) = [
        each for each in await town.market.published("contracts", ContractEnded) if each.contract_id == contract_id
    ]
    await town.tell(ended)
    second, _ = await sanctions(town, supplier, count=2)
    assert second["level"] == 2


async def _is_dead_letter(town: Town, contract_id: str) -> bool:
    bootstrap = addresses(town.market.resources.config)[1]
    dead_letters = [str(each.value) async for each in deadletters.read(bootstrap) if each.consumer == "conduct"]
    return any(contract_id in value for value in dead_letters)


async def test_the_record_counts_what_both_sides_kept_and_names_no_one_who_lost(town: Town) -> None:
    supplier = town.suppliers[0]
    _, kept = await a_won_auction(town)
    await signed(town, kept)
    auction_id, broken = await a_won_auction(town)
    await town.refuse(supplier, broken)
    record = await settled(town, supplier, concluded=1, evaded=1)
    (side,) = record["sides"]
    assert [each["link"] for each in side["contracts"]["concluded"]] == [f"/contracts/{kept}"]
    assert [each["link"] for each in side["contracts"]["evaded"]] == [f"/auctions/{auction_id}"]
    own = await town.read(supplier, f"/api/organisations/{supplier.organisation_id}/record")
    assert own["sides"][0]["contracts"]["evaded"][0]["link"] == f"/contracts/{broken}"
    assert (await settled(town, town.school, concluded=1))["sides"][0]["counts"]["refused"] == 0
    for loser in town.suppliers[1:]:
        assert loser.organisation_id not in str(record)
    untouched = await settled(town, town.suppliers[3], concluded=0)
    assert untouched["sides"][0]["contracts"] == {"concluded": [], "terminated": [], "evaded": []}
    assert await town.read(None, f"/api/organisations/{new_id()}/record") == 404


async def test_pages_tell_why_and_take_appeal_and_decision(town: Town) -> None:
    supplier = town.suppliers[0]
    async with town.market.browser(supplier) as browser:
        assert "was never suspended" in (await browser.get("/contracts/sanctions")).text
        nothing = (await browser.get(f"/organisations/{supplier.organisation_id}/record")).text
        assert "will appear here" in nothing and "None." in nothing
    await evaded(town, 3)
    (one,) = await sanctions(town, supplier)
    appeal = f"/contracts/sanctions/{one['sanction_id']}/appeal"
    async with town.market.browser(supplier) as browser:
        text = (await browser.get("/contracts/sanctions")).text
        assert "3 contracts won and not signed" in text and appeal in text
        assert (await browser.get("/contracts/appeals")).status_code == 403
        empty = await browser.post(appeal, {"reasons": ""})
        assert (empty.status_code, "Say why you appeal." in empty.text) == (422, True)
        assert "Your appeal was filed" in (await browser.post(appeal, {"reasons": "Our mill burnt down"})).text
        assert "was filed already" in (await browser.post(appeal, {"reasons": "And it rained"})).text
    async with town.market.browser(MODERATOR) as browser:
        assert "Our mill burnt down" in (await browser.get("/contracts/appeals")).text
        decision = f"/contracts/appeals/{one['sanction_id']}/decision"
        unsure = await browser.post(decision, {"explanation": "why"})
        assert (unsure.status_code, "Choose one of the two" in unsure.text) == (422, True)
        unsaid = await browser.post(decision, {"decision": "upheld", "explanation": ""})
        assert (unsaid.status_code, "Say why you decide so." in unsaid.text) == (422, True)
        done = await browser.post(decision, {"decision": "upheld", "explanation": "No fire was seen"})
        assert "The suspension was upheld" in done.text and one["sanction_id"] not in done.text
        again = await browser.post(decision, {"decision": "lifted", "explanation": "It was seen"})
        assert (again.status_code, "The appeal was decided already: the suspension was upheld." in again.text) == (
            422,
            True,
        )
    administrator = structs.replace(MODERATOR, roles=("administrator",))
    async with town.market.browser(administrator) as browser:
        assert (await browser.get("/contracts/appeals")).status_code == 200
        assert (await browser.post(decision, {"decision": "lifted", "explanation": "x"})).status_code == 403
    async with town.market.browser(None) as browser:
        text = (await browser.get(f"/organisations/{supplier.organisation_id}/record")).text
        assert "Suspended until" in text and "There was an appeal, and the suspension was upheld" in text
    async with town.market.browser(supplier) as browser:
        assert "No fire was seen" in (await browser.get("/contracts/sanctions")).text


async def test_a_record_counts_all_and_reads_only_the_latest(market: Market) -> None:
    supplier_id, at = new_id(), market.clock()
    rows = [
        (f"{supplier_id}/{number}/{kind}", supplier_id, kind, "supplier", at + timedelta(seconds=number))
        for number in range(30)
        for kind in ("concluded", "evaded")
    ]
    pool = market.resources.database.pool
    async with pool.acquire() as db:
        await db.executemany(
            "insert into conduct.facts (contract_id, organisation_id, kind, side, at) values ($1, $2, $3, $4, $5)",
            rows,
        )
    assert await record.counts(pool, supplier_id) == {("supplier", "concluded"): 30, ("supplier", "evaded"): 30}
    found = await record.latest(pool, supplier_id, 3)
    assert [fact.at - at for fact in found if fact.kind == "evaded"] == [
        timedelta(seconds=each) for each in (29, 28, 27)
    ]
    assert len(found) == 6
