"""How much of a moderator's list one supplier can fill with complaints, and that this delays no other complaint."""

from datetime import timedelta
from typing import Any

import msgspec

from catalogue.policy import load
from catalogue.roles import MODERATOR
from events.auctions import ComplaintFiled
from infra.ids import new_id
from infra.tokens import Principal
from services.auctions.views import PER_PAGE
from tests.market import Market
from tests.services.auctions.market_builders import Scene, a_scene, an_organisation
from tests.services.auctions.test_auction_languages import speaks

WORDS = {"grounds": "Line 1 names a brand that only one supplier has.", "evidence": "See line 1 and the catalogue."}
LONG = "😀" * 4000
MOST = load("moscow").auction.complaints_per_supplier


async def a_moderator(market: Market) -> Principal:
    return msgspec.structs.replace(await an_organisation(market, "buyer"), roles=(MODERATOR,))


async def filed_earlier(market: Market, scene: Scene, side: str, number: int, decision: str = "") -> None:
    """Store complaints as they were before their number had a limit, with the longest possible texts."""
    now = market.clock()
    async with market.resources.database.pool.acquire() as db:
        await db.executemany(
            "insert into auctions.complaints (complaint_id, auction_id, organisation_id, grounds, evidence, filed_at, decision,"
            " reason, decided_at) values ($1, $2, $3, $4, $4, $5, $6, $7, $8)",
            [
                (
                    new_id(),
                    scene.auction_id,
                    scene.suppliers[side].organisation_id,
                    LONG,
                    now - timedelta(hours=1, seconds=each),
                    decision,
                    LONG if decision else "",
                    now if decision else None,
                )
                for each in range(number)
            ],
        )


async def test_one_complaint_of_a_supplier_about_an_auction_waits_at_a_time(market: Market) -> None:
    scene = await a_scene(market)
    path = f"/api/auctions/{scene.auction_id}/complaints"
    moderator = await a_moderator(market)
    async with (
        market.client(scene.suppliers["a"]) as a,
        market.client(scene.suppliers["b"]) as b,
        market.client(moderator) as judge,
        market.browser(scene.suppliers["a"]) as browser,
    ):
        first = await a.post(path, json=WORDS, headers={"idempotency-key": "one"})
        again = await a.post(path, json=WORDS, headers={"idempotency-key": "one"})
        assert first.json() == again.json()
        second = await a.post(path, json=WORDS, headers={"idempotency-key": "two"})
        assert (second.status_code, second.json()["rule"]) == (422, "complaint-waits")
        form = {**WORDS, "request_key": "three"}
        for language, said in (
            ("en", "Wait for that decision"),
            ("es", "Espere esa decisión"),
            ("ru", "Дождитесь этого решения"),
        ):
            await speaks(browser, language)
            shown = await browser.post(f"/auctions/{scene.auction_id}/complaint", form)
            assert shown.status_code == 422 and said in shown.text and WORDS["grounds"] in shown.text
        assert (await b.post(path, json=WORDS)).status_code == 201
        verdict = {"decision": "rejected", "reason": "Two suppliers have that brand."}
        decided = await judge.post(f"/api/auctions/complaints/{first.json()['complaint_id']}/decision", json=verdict)
        assert decided.json()["decision"] == "rejected"
        assert (await a.post(path, json=WORDS, headers={"idempotency-key": "two"})).status_code == 201
    assert len(await scene.events(ComplaintFiled)) == 3


async def test_a_supplier_files_ten_complaints_about_one_auction_at_most(market: Market) -> None:
    scene = await a_scene(market)
    await filed_earlier(market, scene, "a", MOST - 1, "rejected")
    path = f"/api/auctions/{scene.auction_id}/complaints"
    async with market.client(scene.suppliers["a"]) as a, market.client(await a_moderator(market)) as judge:
        last = await a.post(path, json=WORDS)
        assert last.status_code == 201
        target = f"/api/auctions/complaints/{last.json()['complaint_id']}/decision"
        await judge.post(target, json={"decision": "rejected", "reason": "Two suppliers have that brand."})
        more = await a.post(path, json=WORDS)
    assert (more.status_code, more.json()["rule"]) == (422, "too-many-complaints")
    assert more.json()["numbers"] == {"filed": MOST, "most": MOST}


async def test_many_long_complaints_of_one_supplier_do_not_hide_those_of_another(market: Market) -> None:
    scene = await a_scene(market)
    await filed_earlier(market, scene, "a", 4 * PER_PAGE + 5)
    async with market.client(scene.suppliers["b"]) as b:
        honest = (await b.post(f"/api/auctions/{scene.auction_id}/complaints", json=WORDS)).json()["complaint_id"]
    moderator = await a_moderator(market)
    async with market.client(moderator) as judge, market.browser(moderator) as browser:
        first = await judge.get("/api/auctions/complaints")
        listed = [each["complaint_id"] for each in first.json()["complaints"]]
        assert honest in listed and len(listed) == PER_PAGE and len(first.content) < 1_000_000
        total = first.json()["total"]
        seen = list(listed)
        for number in range(2, -(-total // PER_PAGE) + 1):
            seen += [
                each["complaint_id"]
                for each in (await judge.get(f"/api/auctions/complaints?page={number}")).json()["complaints"]
            ]
        assert len(seen) == len(set(seen)) == total
        own = await scene_complaints(market, scene)
        assert [each for each in seen if each in own].index(honest) == 1, "the second: the other's oldest is before it"
        shown = await browser.get("/auctions/complaints")
        assert len(shown.content) < 1_000_000 and 'rel="next" href="?page=2"' in shown.text
        assert 'rel="prev" href="?page=1"' in (await browser.get("/auctions/complaints", page="2")).text
        cut = next(each for each in first.json()["complaints"] if each["complaint_id"] in own - {honest})
        assert cut["grounds"] == cut["evidence"] == "😀" * 500 + "…"
        whole = await judge.get(f"/api/auctions/complaints/{cut['complaint_id']}")
        assert whole.json()["grounds"] == whole.json()["evidence"] == LONG
        assert (await browser.get(f"/auctions/complaints/{cut['complaint_id']}")).text.count(LONG) == 2
        assert (await judge.get("/api/auctions/complaints/none")).status_code == 404


async def test_what_is_decided_comes_after_all_that_waits_in_the_list(market: Market) -> None:
    scene = await a_scene(market)
    await filed_earlier(market, scene, "a", 3, "rejected")
    await filed_earlier(market, scene, "b", 2)
    async with market.client(await a_moderator(market)) as judge:
        total = (await judge.get("/api/auctions/complaints")).json()["total"]
        decisions: list[Any] = []
        for number in range(1, -(-total // PER_PAGE) + 1):
            found = (await judge.get(f"/api/auctions/complaints?page={number}")).json()["complaints"]
            decisions += [each["decision"] for each in found]
    assert decisions == sorted(decisions, key=bool) and decisions.count("rejected") >= 3


async def scene_complaints(market: Market, scene: Scene) -> set[str]:
    rows = await market.fetch("select complaint_id from auctions.complaints where auction_id = $1", scene.auction_id)
    return {row["complaint_id"] for row in rows}
