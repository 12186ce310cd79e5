"""Bids over HTTP on the real servers: accepted, refused, repeated, in conflict; the close; and that nobody is named
before it."""

import asyncio
import json
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest

from catalogue.policy import keep_own_in, load
from catalogue.roles import OBSERVER
from events.accounts import OrganisationStateChanged
from events.auctions import AuctionClosed, AuctionExtended, BidAccepted, BidDisclosed, BidRefused
from infra.health import PartState
from infra.ids import new_id
from services.auctions.domain import chain
from services.auctions.handlers import FORMER_VAT, NewAuction, open_for_buyer
from services.auctions.judging import WaitingBid
from services.auctions.lane import LOCKED_PATIENCE, Lane, LaneBlocked
from services.auctions.outages import lose_time
from services.auctions.proof import verify, verify_receipt
from services.auctions.receipts import Receipt
from services.auctions.store import facts
from services.auctions.timers import clock
from tests.market import Market
from tests.policies import SHIPPED, in_force
from tests.services.auctions.market_builders import a_scene, an_organisation, on_a_working_day, paper
from tests.unreadable import in_health, lists, only_a_newer_release_reads, says_so


async def test_an_opening_without_a_vat_rate_is_the_same_request_after_the_usual_rate_changed(
    market: Market, tmp_path: Path
) -> None:
    on_a_working_day(market)
    buyer = await an_organisation(market, "buyer")
    wanted = paper()
    wanted.pop("vat_rate", None)
    policy = market.resources.config.policy

    async def opened(vat: str) -> dict[str, str]:
        text = (SHIPPED / f"{policy}.toml").read_text(encoding="utf-8")
        (tmp_path / f"{policy}.toml").write_text(f"vat_percent = {vat}\n{text}", encoding="utf-8")
        async with market.client(buyer) as client:
            answer = await client.post("/api/auctions", json=wanted, headers={"idempotency-key": "same"})
        assert answer.status_code == 201, answer.text
        found: dict[str, str] = answer.json()
        return found

    keep_own_in(tmp_path)
    try:
        assert await opened("7") == await opened("8")
    finally:
        keep_own_in(None)


@pytest.mark.parametrize("rate", [FORMER_VAT, Decimal(18)])
async def test_an_opening_without_a_vat_rate_that_the_former_release_answered_is_not_opened_twice(
    market: Market, tmp_path: Path, rate: Decimal
) -> None:
    """The former release knew the request by the rate of its own file: 20 in the shipped ones."""
    on_a_working_day(market)
    buyer = await an_organisation(market, "buyer")
    policy = market.resources.config.policy
    wanted = paper()
    wanted.pop("vat_rate", None)
    formerly = msgspec.convert(wanted | {"vat_rate": str(rate)}, NewAuction, strict=False)
    async with (
        market.resources.database.transaction("auctions") as tx,
        tx.once("open", "same", caller=buyer.organisation_id, body=formerly, answer=str) as once,
    ):
        once.answer = "opened by the former release"
    keep_own_in(tmp_path)
    try:
        if rate != FORMER_VAT:
            text = (SHIPPED / f"{policy}.toml").read_text(encoding="utf-8")
            (tmp_path / f"{policy}.toml").write_text(f"vat_percent = {rate}\n{text}", encoding="utf-8")
        asked = msgspec.convert(wanted, NewAuction, strict=False)
        async with market.resources.database.transaction("auctions") as tx:
            opened = await open_for_buyer(tx, asked, buyer, load(policy), "same")
    finally:
        keep_own_in(None)
    assert opened == "opened by the former release"


@pytest.mark.parametrize("own_rate", [None, Decimal(18)])
async def test_the_former_release_knows_an_opening_without_a_vat_rate_that_this_one_answered(
    market: Market, tmp_path: Path, own_rate: Decimal | None
) -> None:
    """It compares by 20 percent in the shipped presets, and by the rate of a file of the market's own."""
    on_a_working_day(market)
    buyer = await an_organisation(market, "buyer")
    wanted = paper()
    wanted.pop("vat_rate", None)
    policy = market.resources.config.policy
    if own_rate is not None:
        text = (SHIPPED / f"{policy}.toml").read_text(encoding="utf-8")
        (tmp_path / f"{policy}.toml").write_text(f"vat_percent = {own_rate}\n{text}", encoding="utf-8")
    keep_own_in(tmp_path)
    try:
        async with market.client(buyer) as client:
            answer = await client.post("/api/auctions", json=wanted, headers={"idempotency-key": "same"})
    finally:
        keep_own_in(None)
    formerly = msgspec.convert(wanted | {"vat_rate": str(own_rate or FORMER_VAT)}, NewAuction, strict=False)
    async with (
        market.resources.database.transaction("auctions") as tx,
        tx.once("open", "same", caller=buyer.organisation_id, body=formerly, answer=str) as once,
    ):
        assert once.answer == answer.json()["auction_id"]


async def test_an_opening_with_and_one_without_a_vat_rate_are_different_requests_under_a_key(market: Market) -> None:
    on_a_working_day(market)
    buyer = await an_organisation(market, "buyer")
    usual, formerly = (
        paper() | {"vat_rate": str(rate)} for rate in (load(market.resources.config.policy).vat_percent, FORMER_VAT)
    )
    unstated = {name: value for name, value in usual.items() if name != "vat_rate"}
    pairs = ((usual, unstated), (unstated, usual), (formerly, unstated), (unstated, formerly))
    async with market.client(buyer) as client:
        for key, (first, other) in enumerate(pairs):
            header = {"idempotency-key": str(key)}
            opened = [(await client.post("/api/auctions", json=first, headers=header)).json() for _ in range(2)]
            assert opened[0]["auction_id"] == opened[1]["auction_id"]
            refused = await client.post("/api/auctions", json=other, headers=header)
            assert (refused.status_code, refused.json()["rule"]) == (422, "idempotency-key-reused")


async def test_a_bid_lower_by_whole_steps_leads_and_is_published_without_a_name(market: Market) -> None:
    scene = await a_scene(market)
    answer = await scene.bid("a", "990")
    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in ("verdict", "sequence", "participant", "amount", "extended")} == {
        "verdict": "accepted",
        "sequence": 1,
        "participant": 1,
        "amount": "990.00",
        "extended": False,
    }
    view = await scene.view()
    assert (view["price"], view["bids"], view["participants"], view["next_bid"]) == ("990.00", 1, 1, "980.00")
    assert [event.amount for event in await scene.events(BidAccepted)] == [Decimal("990.00")]


async def test_a_bid_that_breaks_a_rule_is_refused_with_the_rule_and_stays_in_the_log(market: Market) -> None:
    scene = await a_scene(market)
    answer = await scene.bid("a", "995")
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert (problem["rule"], problem["field"]) == ("cut-below-step", "amount")
    assert problem["numbers"] == {"amount": "995", "price": "1000.00", "step": "10.00", "cut": "5.00"}
    assert [entry["verdict"] for entry in await scene.log()] == ["refused"]
    assert len(await scene.events(BidRefused)) == 1


async def test_the_same_request_sent_again_gets_the_first_answer_and_counts_once(market: Market) -> None:
    scene = await a_scene(market)
    first = await scene.bid("a", "990", key="k1")
    again = await scene.bid("a", "990.00", key="k1")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    refused = await scene.bid("b", "995", key="k1")  # another supplier's k1 is another request
    assert refused.status_code == 422
    assert (await scene.bid("b", "995", key="k1")).json() == refused.json()
    assert len(await scene.log()) == 2


async def test_another_amount_under_a_used_key_is_no_bid_and_is_refused(market: Market) -> None:
    scene = await a_scene(market)
    first = await scene.bid("a", "990", key="k1")
    for amount in ("950", "1"):
        other = await scene.bid("a", amount, key="k1")
        assert (other.status_code, other.json()["rule"]) == (422, "idempotency-key-reused")
        assert "receipt" not in other.json()
    assert (await scene.bid("a", "990", key="k1")).json() == first.json()
    assert len(await scene.log()) == 1


async def test_one_of_several_simultaneous_bids_at_the_same_price_leads(market: Market) -> None:
    scene = await a_scene(market)
    answers = await asyncio.gather(*(scene.bid(who, "990") for who in "abc"))
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422]
    assert {answer.json().get("rule") for answer in answers} == {None, "not-lower"}


async def test_the_leader_the_suspended_and_the_unknown_are_refused(market: Market) -> None:
    scene = await a_scene(market)
    await scene.bid("a", "990")
    assert (await scene.bid("a", "980")).json()["rule"] == "leader-cannot-underbid-itself"
    scene.suppliers["s"] = await an_organisation(market, "supplier", state="suspended")
    assert (await scene.bid("s", "980")).json()["rule"] == "supplier-not-active"
    b = scene.suppliers["b"].organisation_id
    await market.publish(OrganisationStateChanged(organisation_id=b, state="suspended", reason="evasion"))

    async def suspended() -> bool:
        found = await market.fetch("select state from auctions.organisations where organisation_id = $1", b)
        return bool(found[0]["state"] == "suspended")

    await market.eventually(suspended)
    assert (await scene.bid("b", "980")).json()["rule"] == "supplier-not-active"


async def test_only_suppliers_bid_on_auctions_that_exist_with_amounts_that_are_numbers(market: Market) -> None:
    scene = await a_scene(market)
    path = f"/api/auctions/{scene.auction_id}/bids"
    async with market.client() as visitor, market.client(scene.buyer) as buyer:
        assert (await visitor.post(path, json={"amount": "990"})).status_code == 401
        assert (await buyer.post(path, json={"amount": "990"})).status_code == 403
        assert (await visitor.post("/api/auctions", json=paper())).status_code == 401
    for amount in ("1E+999999", "NaN", "1E-99"):
        assert (await scene.bid("a", amount)).status_code == 422
    scene.auction_id = "no-such"
    assert (await scene.bid("a", "990")).status_code == 404


async def test_an_accepted_bid_near_the_end_moves_the_end_and_a_refused_one_does_not(market: Market) -> None:
    scene = await a_scene(market, duration_minutes=3)
    before = await scene.view()
    market.clock.advance(timedelta(seconds=160))  # the demo's window: the last 30 seconds
    await scene.bid("a", "1000")
    assert (await scene.view())["closes_at"] == before["closes_at"]
    answer = (await scene.bid("a", "990")).json()
    assert answer["extended"] and answer["closes_at"] > before["closes_at"]
    assert (await scene.view())["closes_at"] == answer["closes_at"]


async def test_the_lowest_wins_and_only_then_is_it_named(market: Market) -> None:
    scene = await a_scene(market)
    for who, amount in (("a", "990"), ("b", "980"), ("a", "900"), ("c", "999")):
        await scene.bid(who, amount)
    view = await scene.close()
    assert (view["outcome"], view["price"], view["winner"]) == (
        "successful",
        "900.00",
        scene.suppliers["a"].organisation_name,
    )
    assert view["lines"][0]["amount"] == "900.00" and view["lines"][0]["unit_price"] == "9.000000"
    (closed,) = await scene.events(AuctionClosed)
    assert (closed.winner_id, closed.amount) == (scene.suppliers["a"].organisation_id, Decimal("900.00"))
    ranking = [(event.supplier_id, event.rank) for event in await scene.events(BidDisclosed)]
    assert ranking == [(scene.suppliers["a"].organisation_id, 1), (scene.suppliers["b"].organisation_id, 2)]
    assert (await scene.bid("b", "890")).json()["rule"] == "auction-over"


async def test_an_auction_nobody_bid_on_is_unsuccessful(market: Market) -> None:
    scene = await a_scene(market)
    view = await scene.close()
    assert (view["outcome"], view["winner"], view["price"]) == ("unsuccessful", None, "1000.00")


async def test_the_timer_run_twice_closes_once(market: Market) -> None:
    scene = await a_scene(market)
    await scene.bid("a", "990")
    await scene.close()
    async with market.resources.database.transaction("auctions") as tx:
        await clock()(tx)
    assert len(await scene.events(AuctionClosed)) == 1


async def test_a_bid_in_flight_at_the_end_is_judged_by_its_arrival(market: Market) -> None:
    """The row is locked, as by a slow commit, while a bid arrives before the end and is decided after it."""
    scene = await a_scene(market, duration_minutes=3)
    ends = (await market.fetch("select closes_at from auctions.auctions where auction_id = $1", scene.auction_id))[0][0]
    holder = await asyncpg.connect(market.resources.database.url)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("select 1 from auctions.auctions where auction_id = $1 for update", scene.auction_id)
    market.clock.advance(ends - market.clock() - timedelta(seconds=20))

    async def waits_for_the_row(since: datetime) -> bool:
        """Wait for a bid that arrived after ``since``."""
        query = "select 1 from auctions.blocked where auction_id = $1 and until > $2"
        return bool(await market.fetch(query, scene.auction_id, since + timedelta(seconds=LOCKED_PATIENCE)))

    in_time = asyncio.create_task(scene.bid("a", "990"))
    await market.eventually(lambda: waits_for_the_row(ends - timedelta(seconds=21)))
    market.clock.advance(timedelta(seconds=20))
    late = asyncio.create_task(scene.bid("b", "980"))
    await market.eventually(lambda: waits_for_the_row(ends))
    assert not in_time.done()
    market.clock.advance(timedelta(seconds=25))  # past the settle window too: the timer finds the row locked, and waits
    await asyncio.sleep(0.7)
    await transaction.rollback()
    await holder.close()
    assert (await in_time).status_code == 201
    # b arrived after the first end, but a's bid moved the end, so b is not late
    assert (await late).status_code == 201


async def test_two_lanes_on_one_auction_give_one_winner(market: Market) -> None:
    scene = await a_scene(market)
    url = market.resources.database.url
    one, two = (Lane(url, market.clock, market.resources.signer) for _ in range(2))
    suppliers = [principal.organisation_id for principal in scene.suppliers.values()]

    def asked(number: int, supplier: int, amount: int) -> WaitingBid:
        return WaitingBid(scene.auction_id, suppliers[supplier], f"k{number}", Decimal(amount), market.clock())

    async with one.running(), two.running():
        answers = await asyncio.gather(
            *(
                lane.place(asked(number, number % 3, 990 - 10 * (number // 2)))
                for number in range(60)
                for lane in ((one, two) if number % 5 == 0 else (one,) if number % 2 else (two,))
            )
        )
    keys = {answer.verdict.bid.key for answer in answers}
    assert len(keys) == 60
    rows = await market.fetch(
        "select sequence, amount, supplier_id from auctions.bids where auction_id = $1 order by position",
        scene.auction_id,
    )
    assert len(rows) == 60
    accepted = [row for row in rows if row["sequence"]]
    assert [row["sequence"] for row in accepted] == list(range(1, len(accepted) + 1))
    assert [row["amount"] for row in accepted] == sorted((row["amount"] for row in accepted), reverse=True)
    await scene.close()
    (closed,) = await scene.events(AuctionClosed)
    assert (closed.amount, closed.winner_id) == (accepted[-1]["amount"], accepted[-1]["supplier_id"])


async def test_a_lane_whose_connection_is_cut_answers_and_goes_on(market: Market) -> None:
    scene = await a_scene(market)
    supplier = scene.suppliers["a"].organisation_id
    lane = Lane(market.resources.database.url, market.clock, market.resources.signer)

    def asked(key: str, amount: str) -> WaitingBid:
        return WaitingBid(scene.auction_id, supplier, key, Decimal(amount), market.clock())

    async with lane.running():
        await lane.place(asked("k1", "995"))
        assert lane._connection is not None
        await market.fetch("select pg_terminate_backend($1)", lane._connection.get_server_pid())
        with suppress(LaneBlocked):  # unless the lane saw the cut in time
            await lane.place(asked("k2", "990"))
        assert (await lane.place(asked("k2", "990"))).verdict.accepted


async def test_nobody_is_named_before_the_close(market: Market, caplog: pytest.LogCaptureFixture) -> None:
    scene = await a_scene(market)
    caplog.clear()
    for room in ("services", "infra", "litestar", "uvicorn"):
        caplog.set_level(logging.DEBUG, logger=room)
    for who, amount in (("a", "990"), ("b", "985"), ("b", "980"), ("a", "970"), ("c", "970")):
        await scene.bid(who, amount)
    said = [caplog.text]
    async with market.client() as visitor, market.client(scene.buyer) as buyer, market.browser(scene.buyer) as pages:
        for path in (f"/api/auctions/{scene.auction_id}", f"/api/auctions/{scene.auction_id}/bids", "/api/auctions"):
            said += [(await visitor.get(path)).text, (await buyer.get(path)).text]
        for path in (f"/auctions/{scene.auction_id}", "/auctions"):
            page = await pages.get(path)
            assert page.status_code == 200
            said.append(page.text)
    rows = await market.fetch(
        "select envelope, data from auctions.outbox where envelope like $1", f"%{scene.auction_id}%"
    )
    assert len(rows) == 6
    said += [row["envelope"] + row["data"].decode() for row in rows]
    for supplier in scene.suppliers.values():
        for secret in (supplier.organisation_id, supplier.organisation_name, supplier.member_id, supplier.name):
            assert not [text for text in said if secret in text]


async def test_only_observers_and_only_after_the_close_see_who_took_part(market: Market) -> None:
    scene = await a_scene(market)
    for who, amount in (("a", "990"), ("b", "980"), ("c", "980")):
        await scene.bid(who, amount)
    observer = msgspec.structs.replace(scene.buyer, organisation_id=new_id(), roles=(OBSERVER,))
    path, page = f"/api/auctions/{scene.auction_id}/participants", f"/auctions/{scene.auction_id}"
    a, b, c = (scene.suppliers[who] for who in "abc")
    async with market.client(observer) as client, market.browser(observer) as browser:
        refused = await client.get(path)
        assert (refused.status_code, refused.json()["rule"]) == (422, "still-anonymous")
        assert a.organisation_name not in (await browser.get(page)).text
        await scene.close()
        assert [
            (each["participant"], each["supplier_id"], each["amount"]) for each in (await client.get(path)).json()
        ] == [
            (1, a.organisation_id, "990.00"),
            (2, b.organisation_id, "980.00"),
        ]
        seen = (await browser.get(page)).text
        assert a.organisation_name in seen and b.organisation_name in seen and c.organisation_name not in seen
        assert (await client.get("/api/auctions/none/participants")).status_code == 404
    async with market.client(scene.buyer) as buyer, market.browser(scene.buyer) as pages:
        assert (await buyer.get(path)).status_code == 403
        assert a.organisation_name not in (await pages.get(page)).text


async def test_a_closed_auction_is_proved_from_its_file_and_its_receipts_are_in_it(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "PAGE", 2)  # so that the file comes in parts
    scene = await a_scene(market)
    receipts = [(await scene.bid(who, amount)).json()["receipt"] for who, amount in (("a", "990"), ("b", "995"))]
    async with market.client() as visitor, market.client(scene.suppliers["a"]) as bidder:
        assert (await visitor.get(f"/api/auctions/{scene.auction_id}/proof")).status_code == 404
        again = await bidder.get(f"/api/auctions/{scene.auction_id}/receipts/1")
        assert (await bidder.get(f"/api/auctions/{scene.auction_id}/receipts/2")).status_code == 404  # the receipt of b
        await scene.close()
        late = await scene.bid("c", "900")
        assert late.json()["rule"] == "auction-over"
        receipts.append(late.json()["receipt"])

        async def proved() -> bytes | None:
            answer = await visitor.get(f"/api/auctions/{scene.auction_id}/proof")
            return answer.content if answer.status_code == 200 else None

        proof = await market.eventually(proved)
        receipts.append((await scene.bid("c", "890")).json()["receipt"])
        assert await proved() == proof, "bids that come too late change nothing about it"
        log = (await visitor.get("/api/log")).json()
        leaves = (await visitor.get("/api/log/leaves")).json()
    audit, trailer = verify(proof, key=log["key"])
    assert (audit.accepted, audit.refused) == (1, 1)
    assert audit.result is not None and audit.result.amount == Decimal("990.00")
    for receipt in (*receipts, again.json()):
        assert verify_receipt(json.dumps(receipt, separators=(",", ":")).encode(), proof, key=log["key"])
    assert again.content == msgspec.json.encode(msgspec.json.decode(again.content, type=Receipt))
    root, _ = chain.tree([text.encode() for text in leaves[: log["size"]]])
    assert root.hex() == log["root"]
    assert trailer.size <= log["size"]


async def test_the_market_cuts_for_a_supplier_down_to_its_floor_and_no_further(market: Market) -> None:
    scene = await a_scene(market)
    await scene.bid("a", "990")
    path = f"/api/auctions/{scene.auction_id}/autobid"
    async with market.client(scene.suppliers["a"]) as a, market.client(scene.suppliers["b"]) as b:
        assert (await b.put(path, json={"floor": "900"})).json()["rule"] == "no-bid-yet"
        assert (await a.put(path, json={"floor": "990"})).json()["rule"] == "floor-not-below-own-bid"
        assert (await a.put(path, json={"floor": "960"})).status_code == 200
        assert (await b.get(path)).status_code == 404
        await scene.bid("b", "980")

        async def cut() -> bool:
            return bool((await scene.view())["price"] == "970.00")

        await market.eventually(cut)
        await scene.bid("b", "960")
        market.clock.advance(timedelta(minutes=1))
        await asyncio.sleep(1.5)
        assert (await scene.view())["price"] == "960.00", "one step lower is below the floor"
        assert (await a.put(path, json={"floor": "900", "on": False})).json()["on"] is False
    assert [event.participant for event in await scene.events(BidAccepted)] == [1, 2, 1, 2]


async def test_the_buyer_withdraws_with_a_reason_and_nobody_wins_or_is_named(market: Market) -> None:
    on_a_working_day(market)
    scene = await a_scene(market)
    await scene.bid("a", "990")
    path = f"/api/auctions/{scene.auction_id}/withdrawal"
    other = await an_organisation(market, "buyer")
    async with market.client(scene.buyer) as buyer, market.client(other) as stranger:
        assert (await buyer.post(path, json={"reason": " "})).json()["rule"] == "reason-missing"
        assert (await stranger.post(path, json={"reason": "x"})).json()["rule"] == "not-the-buyer"
        for _ in range(2):
            assert (await buyer.post(path, json={"reason": "The school was closed."})).status_code == 204
    view = await scene.view()
    assert (view["status"], view["outcome"], view["winner"]) == ("closed", "withdrawn", None)
    (closed,) = await scene.events(AuctionClosed)
    assert (closed.reason, closed.winner_id) == ("The school was closed.", None)
    assert not await scene.events(BidDisclosed)
    late = (await scene.bid("b", "980")).json()
    assert late["rule"] == "auction-withdrawn"
    assert "The buyer withdrew the mini-auction at" in late["receipt"]["line"]


async def test_a_buyer_has_so_many_auctions_open_and_opens_the_next_when_one_is_closed(
    market: Market, tmp_path: Path
) -> None:
    on_a_working_day(market)
    with in_force(tmp_path, "auction", "open_in_all = 2", market.resources.config.policy):
        first = await a_scene(market)
        async with market.client(first.buyer) as buyer:

            async def another(key: str) -> httpx.Response:
                return await buyer.post("/api/auctions", json=paper(), headers={"idempotency-key": key})

            answers = await asyncio.gather(*(another(key) for key in ("one", "two", "three")))
            assert sorted(answer.status_code for answer in answers) == [201, 422, 422]
            refused = (await another("four")).json()
            assert (refused["rule"], refused["numbers"]) == ("too-many-auctions-open", {"most": 2})
            withdrawn = await buyer.post(f"/api/auctions/{first.auction_id}/withdrawal", json={"reason": "Closed."})
            assert withdrawn.status_code == 204
            assert (await another("five")).status_code == 201


async def test_after_an_outage_auctions_get_their_time_back_once(market: Market) -> None:
    scene = await a_scene(market)
    before = datetime.fromisoformat((await scene.view())["closes_at"])
    now = market.clock()

    async def given_back() -> bool:
        return not await market.fetch("select from auctions.blocked where auction_id = $1", scene.auction_id)

    for _ in range(2):
        async with market.resources.database.pool.acquire() as db, db.transaction():
            await lose_time(db, now - timedelta(minutes=2), now)
        await market.eventually(given_back)
    (extended,) = await scene.events(AuctionExtended)
    after = datetime.fromisoformat((await scene.view())["closes_at"])
    assert after == extended.closes_at and after > before
    assert (await scene.bid("a", "990")).json()["closes_at"] == extended.closes_at.isoformat().replace("+00:00", "Z")


async def test_a_clock_that_jumps_is_no_outage(market: Market) -> None:
    scene = await a_scene(market)
    market.clock.advance(timedelta(seconds=30))

    async def beaten() -> bool:
        rows = await market.fetch("select beat_at from auctions.pulse")
        return bool(rows[0]["beat_at"] > market.clock() - timedelta(seconds=2))

    await market.eventually(beaten)
    async with Lane(market.resources.database.url, market.clock, market.resources.signer).running():
        await asyncio.sleep(0.2)
    assert not await scene.events(AuctionExtended)


async def test_an_auction_that_cannot_be_read_does_not_affect_the_others(market: Market) -> None:
    whole, strange = await a_scene(market), await a_scene(market)
    key = ("auction_id", strange.auction_id)
    async with only_a_newer_release_reads(market, "auctions.auctions", key, "course.round"), market.client() as client:
        for path in ("/api/auctions", "/auctions"):
            said = await lists(client, path)
            assert whole.auction_id in said and strange.auction_id not in said
        for path in (f"/api/auctions/{strange.auction_id}", f"/auctions/{strange.auction_id}"):
            await says_so(client, path)
        said = in_health("auction")
        assert (said.state, strange.auction_id in said.detail, bool(said.remedy)) == (PartState.degraded, True, True)
        for path in (f"/api/auctions/{whole.auction_id}", f"/auctions/{whole.auction_id}"):
            assert whole.auction_id in await lists(client, path)
    async with market.client() as client:
        assert strange.auction_id in await lists(client, f"/auctions/{strange.auction_id}")
        assert in_health("auction").state is PartState.running
