"""Events of the market are published as open data: feed, bulk file, records, export, page."""

import asyncio
import gzip
import json
import os
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from official import faults, validators
from test_transparency_quotes import Quotes
from typer.testing import CliRunner

from catalogue.roles import ROLES
from events.auctions import AuctionExtended
from events.transparency import ReleasePublished
from infra.ids import new_id
from infra.tokens import Principal
from services.transparency import store, views
from services.transparency.cli import export_app
from services.transparency.ocds.history import AskedContract, ReleaseHistory
from services.transparency.ocds.outgoing import ocid_of
from services.transparency.ocds.parts import date
from services.transparency.ocds.publication import record_package
from services.transparency.store import published
from tests.market import Market
from tests.services.transparency.builders import Story


async def history(market: Market, story: Story, tags: int) -> list[dict[str, Any]]:
    """The releases of the process, when there are this many."""

    async def check() -> list[dict[str, Any]]:
        async with market.client() as client:
            answer = await client.get(f"/ocds/records/{ocid_of(story.process_id)}")
        found = answer.json()["records"][0]["releases"] if answer.status_code == 200 else []
        return found if len(found) >= tags else []

    return await market.eventually(check)


async def everything(market: Market, limit: int = 1000) -> list[dict[str, Any]]:
    """All releases, collected as by a reader of the feed."""
    found: list[dict[str, Any]] = []
    path = f"/ocds/releases?since=0&limit={limit}"
    async with market.client() as client:
        while True:
            package = (await client.get(path)).json()
            if not package["releases"]:
                return found
            found += package["releases"]
            path = package["links"]["next"].partition(market.resources.config.public_url)[2]


async def concluded(market: Market, story: Story) -> list[dict[str, Any]]:
    await market.publish(*story.organisations())

    async def parties_known() -> bool:
        rows = await market.fetch("select 1 from transparency.parties where organisation_id = $1", story.loser)
        return bool(rows)

    await market.eventually(parties_known)
    await market.publish(story.opened(), story.bid_accepted(), *story.disclosed(), story.closed())
    await history(market, story, 2)
    await market.publish(story.awarded(), story.drafted(), story.concluded())
    return await history(market, story, 5)


async def test_the_record_of_an_auction_that_runs_has_its_effective_end(market: Market) -> None:
    """The record has it after a bid and after an outage, for the auction of a pool too, but not after the close."""
    for story in (Story(), Story("pool")):
        opened = story.opened()
        auction_id, ends = opened.auction_id, opened.closes_at

        async def told(process_id: str = story.process_id) -> str:
            async with market.client() as client:
                answer = await client.get(f"/ocds/records/{ocid_of(process_id)}")
            return str(answer.json()["records"][0]["compiledRelease"]["tender"]["tenderPeriod"]["endDate"])

        async def until(end: datetime, told: Any = told) -> None:
            async def there() -> bool:
                return bool(await told() == date(end))

            await market.eventually(there)

        bid = msgspec.structs.replace(story.bid_accepted(), auction_id=auction_id, extended=True)
        await market.publish(opened, msgspec.structs.replace(bid, closes_at=ends + timedelta(minutes=5)))
        await until(ends + timedelta(minutes=5))
        later = ends + timedelta(minutes=20)
        await market.publish(
            AuctionExtended(auction_id=auction_id, reason="outage", since=ends, until=ends, closes_at=later)
        )
        await until(later)
        await market.publish(story.closed())
        await until(story.closed().closed_at)
        assert not await market.fetch("select 1 from transparency.sessions where auction_id = $1", auction_id)


async def test_a_process_is_published_step_by_step(market: Market, data: Path) -> None:
    story = Story()
    found = await concluded(market, story)
    tags = [release["tag"] for release in found]
    assert tags == [["tender"], ["tenderUpdate"], ["award"], ["contract"], ["contractUpdate"]]
    release_schema, package_schema, record_schema = validators(data)
    async with market.client() as client:
        record = (await client.get(f"/ocds/records/{ocid_of(story.process_id)}")).json()
        one = (await client.get(f"/ocds/releases/{found[0]['id']}")).json()
        feed = (await client.get("/ocds/releases", params={"since": 0, "limit": 3})).json()
    assert [fault for release in found for fault in faults(release_schema, release)] == []
    assert faults(record_schema, record) == []
    assert faults(package_schema, one) == []
    assert faults(package_schema, feed) == []
    told = [
        event for event in await market.published("transparency", ReleasePublished) if event.ocid == found[0]["ocid"]
    ]
    assert [event.release_id for event in told] == [release["id"] for release in found]
    assert record["records"][0]["compiledRelease"]["contracts"][0]["status"] == "active"


async def test_a_quick_quote_is_published_without_its_quotes_until_the_choice(market: Market, data: Path) -> None:
    quotes = Quotes()
    story = quotes.story
    await market.publish(quotes.opened(), quotes.ended(), *quotes.disclosed())
    sealed = await history(market, story, 2)
    assert [secret for secret in (story.winner, story.loser, "1100", "quote-of") if secret in str(sealed)] == []
    await market.publish(quotes.closed(), quotes.closed())
    found = await history(market, story, 3)
    assert [release["tag"] for release in found] == [["tender"], ["tenderUpdate"], ["tenderUpdate"]]
    assert [bid["value"]["amount"] for bid in found[2]["bids"]["details"]] == [1100, 1000]
    assert story.loser not in str(found)
    release_schema, _, record_schema = validators(data)
    assert [fault for release in found for fault in faults(release_schema, release)] == []
    async with market.client() as client:
        record = (await client.get(f"/ocds/records/{ocid_of(story.process_id)}")).json()
    assert faults(record_schema, record) == []


async def test_how_a_contract_is_carried_out_is_published_step_by_step(market: Market, data: Path) -> None:
    story = Story()
    await concluded(market, story)
    await market.publish(*story.carried_out())
    found = (await history(market, story, 14))[5:]
    assert [tag for release in found for tag in release["tag"]] == [
        "implementation",
        *["implementationUpdate"] * 7,
        "contractTermination",
    ]
    release_schema, _, record_schema = validators(data)
    assert [fault for release in found for fault in faults(release_schema, release)] == []
    async with market.client() as client:
        record = (await client.get(f"/ocds/records/{ocid_of(story.process_id)}")).json()
    assert faults(record_schema, record) == []
    (contract,) = record["records"][0]["compiledRelease"]["contracts"]
    assert (contract["status"], len(contract["implementation"]["milestones"])) == ("terminated", 3)
    (transaction,) = contract["implementation"]["transactions"]
    assert transaction["payer"] == {"id": story.buyer, "name": f"School of {story.buyer}"}
    roles = {party["id"]: party["roles"] for party in record["records"][0]["compiledRelease"]["parties"]}
    assert {"buyer", "payer"} <= set(roles[story.buyer]) and {"payee", "supplier", "tenderer"} <= set(
        roles[story.winner]
    )


async def test_a_release_of_a_contract_reads_only_the_releases_of_its_own_milestone(market: Market) -> None:
    story = Story()
    await concluded(market, story)
    ordered, *_ = story.carried_out()
    orders = [msgspec.structs.replace(ordered, order=number) for number in range(1, 6)]
    await market.publish(*orders)
    await history(market, story, 10)
    async with market.resources.database.transaction(store.NAME) as tx:
        asked = AskedContract(ocid_of(story.process_id), story.contract_id, "order-5")
        said = ReleaseHistory(await store.earlier_releases(tx, [asked])).of(asked)
        others = await store.earlier_releases(tx, [AskedContract(ocid_of(story.process_id), story.award_id)])
    milestones = [
        milestone["id"]
        for release in said
        for contract in release["contracts"]
        for milestone in contract.get("implementation", {}).get("milestones", ())
    ]
    assert milestones == ["order-1", "order-5"] and others == {}
    assert not any("items" in contract for release in said for contract in release["contracts"])


async def test_a_record_is_built_beside_the_event_loop(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    story, threads = Story(), set()
    await concluded(market, story)

    def built(*arguments: Any, **options: Any) -> Any:
        threads.add(threading.current_thread())
        return record_package(*arguments, **options)

    monkeypatch.setattr(views, "record_package", built)
    async with market.client() as client:
        assert (await client.get(f"/ocds/records/{ocid_of(story.process_id)}")).status_code == 200
    assert len(threads) == 1 and threading.current_thread() not in threads


async def test_no_bidder_is_named_before_the_close_and_only_the_winner_after_it(market: Market) -> None:
    story = Story()
    await market.publish(*story.organisations(), story.opened(), story.bid_accepted(), *story.disclosed())
    await history(market, story, 1)

    async def bids_are_heard() -> bool:
        return (
            len(await market.fetch("select 1 from transparency.disclosed_bids where auction_id = $1", story.process_id))
            == 2
        )

    await market.eventually(bids_are_heard)
    secrets = (story.winner, story.loser, f"Shop of {story.winner}")
    running = await public_words(market, story)
    assert [secret for secret in secrets if secret in running] == []
    await market.publish(story.closed(), story.awarded(), story.concluded())
    await history(market, story, 4)
    over = await public_words(market, story)
    assert story.winner in over
    assert story.loser not in over
    assert "participant 1" in over


async def public_words(market: Market, story: Story) -> str:
    """All texts in the open data."""
    async with market.client() as client:
        record = await client.get(f"/ocds/records/{ocid_of(story.process_id)}")
        bulk = await client.get("/ocds/releases.jsonl")
        page = await client.get("/transparency", headers={"accept": "text/html"})
    return record.text + bulk.text + page.text + json.dumps(await everything(market))


async def test_a_repeated_event_is_published_once(market: Market) -> None:
    story = Story()
    await market.publish(story.opened(), story.opened(), story.opened(title="Another title"))
    found = await history(market, story, 2)
    assert [release["tender"]["title"] for release in found] == ["Paper", "Another title"]


async def test_a_contract_that_was_never_signed_is_cancelled_with_its_award(market: Market) -> None:
    story = Story("purchase")
    await market.publish(story.awarded(), story.drafted(), story.ended())
    last = (await history(market, story, 3))[-1]
    assert last["tag"] == ["awardCancellation", "contractUpdate"]
    assert (last["awards"][0]["status"], last["contracts"][0]["status"]) == ("cancelled", "cancelled")


async def test_what_was_imported_is_not_published_as_ours(market: Market) -> None:
    imported, ours = Story("import"), Story()
    await market.publish(imported.awarded(), imported.concluded(), imported.ended(), ours.awarded())
    await history(market, ours, 1)
    async with market.client() as client:
        assert (await client.get(f"/ocds/records/{ocid_of(imported.process_id)}")).status_code == 404


async def test_the_feed_loses_nothing_when_transactions_commit_out_of_order(market: Market) -> None:
    """The first transaction that gets a position commits last: the second one waits, so that no lower position appears
    after a higher one was read."""
    names = [f"ocds-zz-{new_id()}" for _ in range(2)]
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def publish(name: str, *, slowly: bool) -> None:
        async with market.resources.database.transaction("transparency") as tx:
            release = {"ocid": name, "id": name, "tag": ["tender"], "date": "2026-11-18T09:00:00Z"}
            await store.lock_feed(tx)
            await store.publish(tx, [store.New(name, release, tx.now)])
            if slowly:
                asked.set()
                await go_on.wait()

    slow = asyncio.create_task(publish(names[0], slowly=True))
    await asked.wait()
    quick = asyncio.create_task(publish(names[1], slowly=False))
    await asyncio.sleep(0.2)
    assert not [release for release in await everything(market) if release["ocid"] in names]
    go_on.set()
    await asyncio.gather(slow, quick)
    assert [release["ocid"] for release in await everything(market, limit=2) if release["ocid"] in names] == names
    await market.fetch("delete from transparency.releases where ocid = any($1::text[])", names)


async def test_feed_bulk_and_export_say_the_same(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await concluded(market, Story())
    monkeypatch.setattr(published, "AT_ONCE", 2)  # of the releases that are in memory at once
    monkeypatch.setenv("LONJA_DATABASE_URL", market.resources.config.database_url or "")
    file, zipped = tmp_path / "all.jsonl", tmp_path / "all.jsonl.gz"
    for path in (file, zipped):
        result = await asyncio.to_thread(CliRunner().invoke, export_app, ["ocds", str(path)])
        assert result.exit_code == 0, result.output
    async with market.client() as client:
        bulk = (await client.get("/ocds/releases.jsonl")).text
    feed = await everything(market, limit=3)
    assert [json.loads(line) for line in bulk.splitlines()] == feed
    assert file.read_text() == gzip.decompress(zipped.read_bytes()).decode() == bulk
    assert sorted(os.listdir(tmp_path)) == ["all.jsonl", "all.jsonl.gz"]
    nowhere = await asyncio.to_thread(CliRunner().invoke, export_app, ["ocds", str(tmp_path / "no" / "x.jsonl")])
    assert "No such file or directory" in str(nowhere.exception)


async def test_an_answer_ends_after_some_megabytes_and_the_next_goes_on(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story()
    await concluded(market, story)
    whole = await everything(market, limit=50)
    largest = max(len(json.dumps(release)) for release in whole)
    monkeypatch.setattr(published, "LARGEST_ANSWER", largest)
    monkeypatch.setattr(published, "AT_ONCE", 3)
    assert await everything(market, limit=50) == whole
    async with market.client() as client:
        first = (await client.get("/ocds/releases")).json()
    assert 1 <= len(first["releases"]) < len(whole)


async def test_a_record_that_would_be_too_large_says_where_its_releases_are(
    market: Market, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    story = Story()
    await concluded(market, story)
    path = f"/ocds/records/{ocid_of(story.process_id)}"
    async with market.client() as client:
        (embedded,) = (await client.get(path)).json()["records"]
        monkeypatch.setattr(store, "LARGEST_ANSWER", 2_000)
        answer = (await client.get(path)).json()
        (linked,) = answer["records"]
        assert linked["compiledRelease"] == embedded["compiledRelease"]
        for link, release in zip(linked["releases"], embedded["releases"], strict=True):
            assert (link["date"], link["tag"]) == (release["date"], release["tag"])
            found = (await client.get(link["url"].removeprefix(market.resources.config.public_url))).json()
            assert found["releases"] == [release]
    assert faults(validators(data)[2], answer) == []


async def test_records_are_made_one_after_the_other(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """This holds however many are requested at once: each uses the interpreter while it is made."""
    story = Story()
    await concluded(market, story)
    make, under_way, most = views.record, 0, 0

    def watched(public_url: str, history: Any) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        time.sleep(0.02)  # lets other threads run
        made = make(public_url, history)
        under_way -= 1
        return made

    monkeypatch.setattr(views, "record", watched)
    async with market.client() as client:
        asked = [client.get(f"/ocds/records/{ocid_of(story.process_id)}") for _ in range(6)]
        answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200} and most == 1


@pytest.mark.parametrize("path", ["/ocds/releases/none", "/ocds/records/none"])
async def test_an_address_that_does_not_exist_is_answered_404(market: Market, path: str) -> None:
    async with market.client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("since=-1", "too-low"),
        ("since=x", "wrong-type"),
        ("limit=0", "too-low"),
        ("limit=1001", "too-high"),
        (f"since={2**63}", "too-high"),
    ],
)
async def test_a_feed_position_that_is_not_valid_is_refused(market: Market, query: str, rule: str) -> None:
    async with market.client() as client:
        answer = await client.get(f"/ocds/releases?{query}")
    assert (answer.status_code, answer.json()["rule"]) == (400 if rule == "wrong-type" else 422, rule)


async def test_without_new_releases_the_next_address_of_the_feed_stays_the_same(market: Market) -> None:
    async with market.client() as client:
        answer = (await client.get("/ocds/releases", params={"since": 2**62})).json()
    assert (answer["releases"], answer["lonja:position"]) == ([], 2**62)
    assert f"since={2**62}" in answer["links"]["next"]


@pytest.mark.parametrize("role", [None, *ROLES])
async def test_the_page_is_open_to_everyone(market: Market, role: str | None) -> None:
    principal = role and Principal(
        member_id=new_id(), name="Ada", organisation_id=new_id(), organisation_name="City", roles=(role,)
    )
    async with market.browser(principal or None) as browser:
        answer = await browser.get("/transparency")
    assert answer.status_code == 200
    assert "/ocds/releases.jsonl" in answer.text
    assert "Creative Commons" in answer.text
