"""Forms of an old tab with a wrong field, sent after the pool went on: the page says so, and nothing about the field."""

from typing import Any

from tests.gone import LONG, OVER, check_told_over
from tests.market import Market
from tests.services.pools.test_pools_service import a_buyer, a_pool, a_sku, a_sourced_pool, enrol, say

FORMS: list[tuple[str, dict[str, Any], str]] = [
    ("enrolment", {"firm_0": "abc"}, "The pool is"),
    ("enrolment", {"firm_0": "1", "deliver_by": "soon"}, "The pool is"),
    ("source", {"step_percent": "1", "duration_minutes": "6", "price_0": "abc"}, OVER),
    ("source", {"duration_minutes": "soon"}, OVER),
    ("cancel", {"reason": " "}, "The pool is"),
    ("cancel", {"reason": LONG}, "The pool is"),
]


async def test_a_pool_that_is_sourced_meanwhile_is_past_its_forms(market: Market) -> None:
    lead, other, sku_id = await a_buyer(market), await a_buyer(market), await a_sku(market)
    pool_id = await a_sourced_pool(market, lead, other, sku_id)
    async with market.browser(lead) as browser:
        for action, fields, words in FORMS:
            await check_told_over(browser, f"/pools/{pool_id}/{action}", fields, words, "The pool is")


async def test_a_pool_that_is_cancelled_meanwhile_is_over(market: Market) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market)
    pool_id = await a_pool(market, lead, sku_id)
    assert (await say(market, lead, f"/{pool_id}/cancel", {"reason": "No money"})).status_code == 200
    async with market.browser(lead) as browser:
        for action, fields, words in FORMS[:4]:
            await check_told_over(browser, f"/pools/{pool_id}/{action}", fields, words, "The pool is")
        for reason in (" ", LONG):
            path = f"/pools/{pool_id}/cancel"
            await check_told_over(browser, path, {"reason": reason}, "that content counts: “No money”")
        await check_told_over(browser, f"/pools/{pool_id}/withdraw", {"reason": LONG}, OVER)


async def test_a_withdrawal_that_was_free_becomes_no_default_unasked(market: Market) -> None:
    """A page from before the freeze has no field for a reason."""
    lead, other, sku_id = await a_buyer(market), await a_buyer(market), await a_sku(market)
    pool_id = await a_pool(market, lead, sku_id)
    for each in (lead, other):
        assert (await enrol(market, each, pool_id, sku_id, "20")).status_code == 200
    assert (await say(market, lead, f"/{pool_id}/freeze")).status_code == 200
    async with market.browser(other) as browser:
        for fields in ({}, {"reason": "   "}):
            answer = await browser.post(f"/pools/{pool_id}/withdraw", fields)
            assert answer.status_code == 422 and "a withdrawal now is a default" in answer.text
            assert 'id="reason-note"' in answer.text
        left = await browser.post(f"/pools/{pool_id}/withdraw", {"reason": "No money"})
        assert "This is a default, and it is published with your reason" in left.text


async def test_a_free_withdrawal_that_is_sent_again_after_the_freeze_is_answered_as_free(market: Market) -> None:
    lead, other, sku_id = await a_buyer(market), await a_buyer(market), await a_sku(market)
    pool_id = await a_pool(market, lead, sku_id)
    for each in (lead, other):
        assert (await enrol(market, each, pool_id, sku_id, "20")).status_code == 200
    assert (await say(market, other, f"/{pool_id}/withdraw")).status_code == 200
    assert (await say(market, lead, f"/{pool_id}/freeze")).status_code == 200
    async with market.browser(other) as browser:
        again = await browser.post(f"/pools/{pool_id}/withdraw")
    assert "This is a default" not in again.text and "You withdrew from the pool." in again.text
