"""Floors, withdrawals and complaints on the pages, and receipts with each verdict."""

import msgspec

from catalogue.roles import MODERATOR
from events.auctions import AuctionClosed, ComplaintDecided, ComplaintFiled
from infra.web.languages import COOKIE
from services.auctions.proof import verify_receipt
from tests.market import Market
from tests.services.auctions.market_builders import a_scene, an_organisation, on_a_working_day

GROUNDS = "Line 1 names a brand that only one supplier has."
EVIDENCE = "See the description of line 1 and the catalogue."


async def test_a_supplier_sets_its_floor_on_the_page_and_only_it_sees_it(market: Market) -> None:
    scene = await a_scene(market)
    path = f"/auctions/{scene.auction_id}"
    async with market.browser(scene.suppliers["a"]) as a, market.browser(scene.suppliers["b"]) as b:
        early = await a.post(f"{path}/autobid", {"floor": "900", "on": "yes"})
        assert early.status_code == 422
        assert "Place a first bid by hand" in early.text and 'class="notice"' not in early.text
        await scene.bid("a", "990")
        done = await a.post(f"{path}/autobid", {"floor": "912,50", "on": "yes"})
        assert "Your floor was saved." in done.text and 'value="912.50"' in done.text
        seen = (await b.get(path)).text
        assert "912.5" not in seen and "912,5" not in seen  # three digits alone also occur in tokens
        for typed, said in (
            ("much", "must be a number"),
            ("NaN", "is not a finite number"),
            ("-1", "A floor must be above zero"),
        ):
            wrong = await a.post(f"{path}/autobid", {"floor": typed, "on": "yes"})
            assert wrong.status_code == 422
            assert f'<p class="error" id="floor-note">{said}' in wrong.text and f'value="{typed}"' in wrong.text
            assert '<details id="autobid" open>' in wrong.text
        off = await a.post(f"{path}/autobid", {"floor": "912.50", "on": ""})
        assert "Autobid was turned off" in off.text
    async with market.browser(scene.buyer) as buyer:
        assert "Autobid" not in (await buyer.get(path)).text


async def test_a_refused_bid_keeps_its_amount_without_script(market: Market) -> None:
    scene = await a_scene(market)
    async with market.browser(scene.suppliers["a"]) as a:
        said = await a.post(f"/auctions/{scene.auction_id}/bids", {"amount": "985.001", "request_key": "k"})
    assert said.status_code == 422 and "amount-too-fine" in said.text
    assert '<td class="num">985.001&nbsp;RUB</td>' in said.text
    assert 'required value="985.001"' in said.text and '<details id="own-amount" open>' in said.text


async def test_a_verdict_links_to_its_signed_receipt(market: Market) -> None:
    scene = await a_scene(market)
    path = f"/auctions/{scene.auction_id}"
    async with market.browser(scene.suppliers["a"]) as a, market.client(scene.suppliers["a"]) as client:
        said = await a.post(f"{path}/bids", {"amount": "995", "request_key": "k"})
        assert said.status_code == 422 and f"/api{path}/receipts/1" in said.text
        receipt = await client.get(f"/api{path}/receipts/1")
    assert "attachment" in receipt.headers["content-disposition"]
    assert b'"cut-below-step"' in msgspec.json.encode(verify_receipt(receipt.content).line).replace(b"\\", b"")


async def test_every_verdict_keeps_its_receipt_on_a_page_that_only_its_bidder_sees(market: Market) -> None:
    scene = await a_scene(market)
    path = f"/auctions/{scene.auction_id}"
    async with market.browser(scene.suppliers["a"]) as a, market.browser(scene.suppliers["b"]) as b:
        assert "You have not bid here" in (await a.get(f"{path}/receipts")).text
        await scene.bid("a", "990")
        await a.post(f"{path}/autobid", {"floor": "900", "on": "yes"})
        assert f'href="{path}/receipts"' in (await a.get(path)).text
        await scene.bid("b", "995")
        await scene.bid("b", "980")

        async def cut() -> bool:
            return (await a.get(f"{path}/receipts")).text.count(" download>") == 2

        await market.eventually(cut)
        seen, others = (await a.get(f"{path}/receipts")).text, (await b.get(f"{path}/receipts")).text
        for line, amount, mine in (
            (1, "990.00", True),
            (2, "995.00", False),
            (3, "980.00", False),
            (4, "970.00", True),
        ):
            link = f"/api{path}/receipts/{line}"
            assert (link in seen and amount in seen) is mine and (link in others and amount in others) is not mine
        assert "not-lower" in others
    async with market.browser() as visitor:
        assert "receipts of your bids" not in (await visitor.get(path)).text


async def test_the_buyer_withdraws_by_a_page_that_says_what_it_means(market: Market) -> None:
    on_a_working_day(market)
    scene = await a_scene(market)
    path = f"/auctions/{scene.auction_id}"
    async with market.browser(scene.buyer) as buyer:
        assert f"{path}/withdrawal" in (await buyer.get(path)).text
        assert "cannot be undone" in (await buyer.get(f"{path}/withdrawal")).text
        refused = await buyer.post(f"{path}/withdrawal", {"reason": "  "})
        assert refused.status_code == 422 and "Say why you withdraw the mini-auction" in refused.text
        done = await buyer.post(f"{path}/withdrawal", {"reason": "The budget was cut."})
        assert "The mini-auction was withdrawn." in done.text and "The budget was cut." in done.text
        again = await buyer.post(f"{path}/withdrawal", {"reason": "The budget was cut."})
        assert again.status_code == 200
        assert "The buyer withdrew the mini-auction" in (await buyer.get(f"{path}/withdrawal")).text
        other = await buyer.post(f"{path}/withdrawal", {"reason": "We found some."})
        assert other.status_code == 422 and "that content counts: “The budget was cut.”" in other.text


async def test_a_complaint_is_filed_decided_and_cancels_the_auction_without_naming_anybody(market: Market) -> None:
    scene = await a_scene(market)
    await scene.bid("a", "990")
    path = f"/auctions/{scene.auction_id}"
    moderator = msgspec.structs.replace(await an_organisation(market, "buyer"), roles=(MODERATOR,))
    async with market.browser(scene.suppliers["b"]) as b, market.browser(moderator) as judge:
        assert f"{path}/complaint" in (await b.get(path)).text
        short = await b.post(f"{path}/complaint", {"grounds": GROUNDS, "evidence": "there"})
        assert short.status_code == 422 and GROUNDS in short.text and "where this can be seen" in short.text
        for _ in range(2):
            filed = await b.post(f"{path}/complaint", {"grounds": GROUNDS, "evidence": EVIDENCE, "request_key": "one"})
            assert "Your complaint was filed" in filed.text
        edited = await b.post(f"{path}/complaint", {"grounds": "Other", "evidence": EVIDENCE, "request_key": "one"})
        assert edited.status_code == 422 and "with other content" in edited.text
        (told,) = await scene.events(ComplaintFiled)
        queue = await judge.get("/auctions/complaints")
        assert GROUNDS in queue.text and EVIDENCE in queue.text
        target = f"/auctions/complaints/{told.complaint_id}"
        assert f'href="{target}"' in queue.text and EVIDENCE in (await judge.get(target)).text
        hasty = await judge.post(target, {"decision": "upheld", "reason": "Yes."})
        assert hasty.status_code == 422 and "Say why" in hasty.text
        for _ in range(2):
            done = await judge.post(target, {"decision": "upheld", "reason": "A brand without 'or equivalent'."})
            assert "The complaint was upheld." in done.text
        other = await judge.post(target, {"decision": "upheld", "reason": "The mini-auction names a single maker."})
        assert other.status_code == 422 and "that content counts: “A brand without" in other.text
    (decided,) = await scene.events(ComplaintDecided)
    (closed,) = await scene.events(AuctionClosed)
    assert (decided.decision, closed.outcome, closed.winner_id) == ("upheld", "cancelled", None)
    view = await scene.view()
    assert (view["outcome"], view["winner"]) == ("cancelled", None)
    for event in (told, decided, closed):
        assert scene.suppliers["b"].organisation_id not in msgspec.json.encode(event).decode()


async def test_a_stopped_auction_is_over_for_complaints_and_withdrawals(market: Market) -> None:
    on_a_working_day(market)
    withdrawn, cancelled = await a_scene(market), await a_scene(market)
    moderator = msgspec.structs.replace(await an_organisation(market, "buyer"), roles=(MODERATOR,))
    words = {"grounds": GROUNDS, "evidence": EVIDENCE}
    async with market.client(withdrawn.buyer) as buyer, market.client(cancelled.suppliers["a"]) as a:
        await buyer.post(f"/api/auctions/{withdrawn.auction_id}/withdrawal", json={"reason": "No money."})
        filed = await a.post(f"/api/auctions/{cancelled.auction_id}/complaints", json=words)
    async with market.client(moderator) as judge:
        verdict = {"decision": "upheld", "reason": "It names a single maker."}
        await judge.post(f"/api/auctions/complaints/{filed.json()['complaint_id']}/decision", json=verdict)
    for scene, rule, said in (
        (withdrawn, "auction-withdrawn", ("The buyer withdrew", "El comprador retiró", "Заказчик отозвал")),
        (cancelled, "auction-cancelled", ("A moderator cancelled", "Un moderador canceló", "Модератор отменил")),
    ):
        path = f"/auctions/{scene.auction_id}/complaint"
        async with market.client(scene.suppliers["b"]) as client, market.browser(scene.suppliers["b"]) as browser:
            late = await client.post(f"/api/auctions/{scene.auction_id}/complaints", json=words)
            assert (late.status_code, late.json()["rule"]) == (422, rule)
            for language, sentence in zip(("en", "es", "ru"), said, strict=True):
                browser.client.cookies.set(COOKIE, language)
                shown, sent = await browser.get(path), await browser.post(path, words)
                assert (shown.status_code, sent.status_code) == (200, 422)
                assert shown.text.count(sentence) == sent.text.count(sentence) == 1 and "textarea" not in shown.text
    async with market.client(cancelled.buyer) as buyer:
        late = await buyer.post(f"/api/auctions/{cancelled.auction_id}/withdrawal", json={"reason": "No money."})
        assert late.json()["rule"] == "auction-cancelled"


async def test_complaints_come_while_the_auction_is_open_and_only_moderators_decide(market: Market) -> None:
    scene = await a_scene(market)
    await scene.close()
    path = f"/api/auctions/{scene.auction_id}/complaints"
    async with market.client(scene.suppliers["a"]) as a, market.client(scene.buyer) as buyer:
        late = await a.post(path, json={"grounds": GROUNDS, "evidence": EVIDENCE})
        assert late.json()["rule"] == "too-late-to-complain"
        assert (await buyer.get("/api/auctions/complaints")).status_code == 403
        assert (
            await a.post("/api/auctions/complaints/x/decision", json={"decision": "upheld", "reason": "x" * 20})
        ).status_code == 403
