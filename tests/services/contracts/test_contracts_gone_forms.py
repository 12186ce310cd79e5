"""Forms of an old tab. If a form with a wrong field is sent after its act was done in another tab, the page says so, and
nothing about the field. If the draft changed since, a correct form signs or refuses nothing that was not read."""

import re
from typing import Any

import pytest

from infra.ids import new_id
from infra.tokens import Principal
from infra.web.languages import COOKIE
from tests.gone import LONG, OVER, check_told_over
from tests.market import Market
from tests.services.conduct.test_sanctions_spoken import evaded, sanctions
from tests.services.contracts.market_builders import Town, a_member, a_town, a_won_auction
from tests.services.contracts.test_contracts_objected import ANSWERS, POINTS, SIGNATURE, a_draft, a_justified_refusal
from tests.services.contracts.test_contracts_signed import signed
from tests.services.fulfilment.test_contracts_carried_out import Work, a_signed_contract, today
from tests.services.purchases.test_purchases_bought import asked

MODERATOR = a_member("Operator", "moderator")


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def told_over(town: Town, who: Principal, path: str, fields: dict[str, Any], *words: str) -> None:
    async with town.market.browser(who) as browser:
        await check_told_over(browser, path, fields, *words)


BLANK_REFUSAL = {"ground": "force-majeure", "explanation": "   ", "confirmed": "on"}
CONCLUDED = "This contract is concluded already."
OF_THE_SUPPLIER: list[tuple[str, dict[str, Any], str]] = [
    ("refuse", BLANK_REFUSAL, CONCLUDED),
    ("refuse", {"explanation": "No mill"}, CONCLUDED),
    ("refuse", {"explanation": LONG, "confirmed": "on"}, CONCLUDED),
    ("steps", {"step": "supplier-offer", "equivalent-1": "abc"}, OVER),
    ("steps", {"step": "supplier-offer", "stand-in-1": LONG}, OVER),
    ("steps", {"step": "supplier-signature", "security-amount": "abc"}, OVER),
    ("objection", {"code-1": "payment", "wanted-1": LONG, "reason-1": "So"}, OVER),
]
OF_THE_BUYER: list[tuple[str, dict[str, Any], str]] = [
    ("refuse", BLANK_REFUSAL, CONCLUDED),
    ("steps", {"step": "buyer-draft", "delivery-place": LONG}, OVER),
    ("objection/answer", {"number": "1", "answer-1": "no", "reason-1": LONG}, "waits for an answer"),
]


async def test_a_contract_that_was_signed_meanwhile_is_over(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    await signed(town, contract_id)
    for who, forms in ((town.suppliers[0], OF_THE_SUPPLIER), (town.school, OF_THE_BUYER)):
        for action, fields, words in forms:
            await told_over(town, who, f"/contracts/{contract_id}/{action}", fields, words, CONCLUDED)


async def test_what_is_signed_or_refused_is_the_version_that_was_read(town: Town) -> None:
    _, contract_id = await a_draft(town)
    path, supplier = f"/contracts/{contract_id}", town.suppliers[0]
    async with town.market.browser(supplier) as browser:
        read = re.findall('name="version" value="([^"]*)"', (await browser.get(path)).text)
        assert read == ["1", "1"], "of the signature and of the refusal"
        await town.post(supplier, f"/api{path}/objection", POINTS)
        await town.post(town.school, f"/api{path}/objection/answer", ANSWERS)
        refusal = {"explanation": "One copy is too few", "version": "1"}
        unsure = await browser.post(f"{path}/refuse", refusal)
        assert unsure.status_code == 422 and 'name="version" value="1"' in unsure.text
        for action, fields in (
            ("steps", {"step": SIGNATURE, "version": "1"}),
            ("refuse", {**refusal, "confirmed": "on"}),
        ):
            for language, said in (("en", "version 2 is the present one"), ("es", "la versión 2"), ("ru", "версия 2")):
                browser.client.cookies.set(COOKIE, language)
                told = await browser.post(f"{path}/{action}", {**fields})
                assert told.status_code == 422 and said in told.text and 'name="version" value="2"' in told.text
    for action, body in (("steps", {"step": SIGNATURE}), ("refuse", {"explanation": "No"})):
        status, refused = await town.post(supplier, f"/api{path}/{action}", {**body, "version": 1})
        assert (status, refused["rule"]) == (422, "draft-changed")
    async with town.market.client(supplier) as client:
        answer = await client.get(f"/api{path}")
        assert answer.status_code == 200 and answer.json()["choices"]["no_objection"]["rule"] == "objections-used-up"
    status, signed = await town.post(supplier, f"/api{path}/steps", {"step": SIGNATURE, "version": 2})
    assert (status, signed["state"]) == (201, "concluded")
    for version, expected in ((2, 201), (1, 422)):
        status, _ = await town.post(supplier, f"/api{path}/steps", {"step": SIGNATURE, "version": version})
        assert status == expected, "what a colleague signed is not what this one read"
    async with town.market.browser(supplier) as browser:
        for language, said in (("en", "Version 2 is signed"), ("es", "La versión 2 ya"), ("ru", "Версия 2 уже")):
            browser.client.cookies.set(COOKIE, language)
            assert said in (await browser.post(f"{path}/steps", {"step": SIGNATURE, "version": "1"})).text


async def test_a_refusal_that_was_disputed_and_decided_meanwhile_is_over(town: Town) -> None:
    _, contract_id = await a_justified_refusal(town)
    path = f"/contracts/{contract_id}/refusal"
    await told_over(
        town, town.suppliers[0], f"/contracts/{contract_id}/refuse", BLANK_REFUSAL, "that content counts", "ended"
    )
    assert (await town.post(town.school, f"/api{path}/dispute", {"reasons": "It still delivers"}))[0] == 201
    for reasons in (" ", LONG):
        await told_over(town, town.school, f"{path}/dispute", {"reasons": reasons}, "was disputed already")
    decision = {"decision": "justified", "explanation": "It was a flood"}
    assert (await town.post(MODERATOR, f"/api{path}/decision", decision))[0] == 201
    for wrong in ({"explanation": "So"}, {"decision": "justified", "explanation": LONG}):
        await told_over(town, MODERATOR, f"{path}/decision", wrong, "that content counts: “It was a flood”")
    other = {"decision": "unjustified", "explanation": " "}
    await told_over(town, MODERATOR, f"{path}/decision", other, "was found justified already")


async def test_an_appeal_that_was_filed_and_decided_meanwhile_is_over(town: Town) -> None:
    await evaded(town, 3)
    (sanction,) = await sanctions(town, town.suppliers[0])
    number = sanction["sanction_id"]
    appeal = f"/contracts/sanctions/{number}/appeal"
    assert (await town.post(town.suppliers[0], f"/api{appeal}", {"reasons": "We were ill"}))[0] == 201
    for reasons, words in ((" ", "filed already"), (LONG, "filed already")):
        await told_over(town, town.suppliers[0], appeal, {"reasons": reasons}, words)
    decide = f"/contracts/appeals/{number}/decision"
    assert (await town.post(MODERATOR, f"/api{decide}", {"decision": "upheld", "explanation": "No"}))[0] == 201
    for wrong in ({"explanation": "So"}, {"decision": "upheld", "explanation": LONG}):
        await told_over(town, MODERATOR, decide, wrong, "that content counts: “No”")


async def test_a_purchase_that_was_answered_meanwhile_is_over(town: Town) -> None:
    purchase_id = await asked(town)
    answer = f"/contracts/purchases/{purchase_id}/answer"
    async with town.market.browser(town.suppliers[0]) as browser:
        assert "You accepted the request." in (await browser.post(answer, {"accept": "yes"})).text
        for fields in ({"accept": "no", "reason": " "}, {"accept": "no", "reason": LONG}, {"reason": "So"}):
            await check_told_over(browser, answer, {**fields}, "accepted already")


async def told_of_work(work: Work, who: Principal, form: str, action: str, wrong: dict[str, Any], *words: str) -> None:
    path = f"/contracts/{work.contract_id}/execution/{action}"
    await told_over(work.town, who, path, {"request_key": new_id(), "form": form, **wrong}, *words)


async def test_what_was_carried_out_meanwhile_is_over(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order()
    for wrong in ({"quantity-1": "abc", "days": "2"}, {"quantity-1": "1", "days": "soon"}):
        await told_of_work(work, work.buyer, "order", "order", wrong, "can still be ordered")
    await work.deliver()
    fields = {"order": 1, "quantity-1": "abc", "note": "N", "delivered_on": today(town)}
    for wrong in (fields, fields | {"note": " ", "quantity-1": "1"}, fields | {"delivered_on": "soon"}):
        await told_of_work(work, work.supplier, "deliver-1", "delivery", wrong, "still to be delivered", "outstanding")
    await work.assess({"1": "100", "2": "3"})
    wrong = {"number": 1, "answer": "part", "quantity-1": "abc"}
    await told_of_work(work, work.buyer, "assess-1", "assessment", wrong, "was answered already")
    wrong = {"number": 1, "answer": "none", "reasons": LONG}
    await told_of_work(work, work.buyer, "assess-1", "assessment", wrong, "was answered already")
    await work.invoice()
    for reference in (" ", LONG):
        wrong = {"delivery-1": "on", "reference": reference}
        await told_of_work(work, work.supplier, "invoice", "invoice", wrong, "in invoice 1 already")
    dispute = {"about": "invoice", "number": 1, "asks": "set-aside", "reasons": "Too dear"}
    opened = {"request_key": new_id(), "form": "dispute-invoice-1", **dispute}
    async with town.market.browser(work.buyer) as browser:
        path = f"/contracts/{work.contract_id}/execution"
        assert "The dispute was opened" in (await browser.post(f"{path}/dispute", opened)).text
    for wrong in (dispute | {"asks": ""}, dispute | {"reasons": LONG}):
        await told_of_work(work, work.buyer, "dispute-invoice-1", "dispute", wrong, "disputed already", "dispute")
    decide = f"/contracts/{work.contract_id}/disputes/1/decision"
    said = {"request_key": new_id(), "asks": "set-aside", "words": "Yes", "number": 1, "form": "answer-1"}
    async with town.market.browser(work.supplier) as browser:
        assert "Both sides agreed" in (await browser.post(f"{path}/dispute-answer", said)).text
    for wrong in ({"number": 1, "asks": ""}, {"number": 1, "asks": "stands", "words": LONG}):
        await told_of_work(work, work.supplier, "answer-1", "dispute-answer", wrong, "ended")
    for wrong in ({"explanation": "So"}, {"outcome": "stands", "explanation": LONG}):
        await told_over(town, MODERATOR, decide, wrong, "ended")


async def test_an_ending_that_was_answered_meanwhile_is_over(town: Town) -> None:
    work = await a_signed_contract(town)
    propose = {"wish": "termination/agreed", "reasons": "No school any more"}
    path = f"/contracts/{work.contract_id}/execution"
    async with town.market.browser(work.buyer) as browser:
        text = (await browser.get(path)).text
        wish = text.partition('name="wish" value="')[2].partition('"')[0]
        done = await browser.post(f"{path}/ending", {**propose, "wish": wish, "request_key": new_id(), "form": "end"})
        assert "Your proposal was sent" in done.text
    for wrong in (propose | {"wish": ""}, {"wish": wish, "reasons": LONG}):
        await told_of_work(work, work.buyer, "end", "ending", wrong, "proposed a", OVER)
    async with town.market.browser(work.supplier) as browser:
        await browser.post(f"{path}/ending-answer", {"answer": "yes", "request_key": new_id(), "form": "end-answer"})
    for wrong in ({"answer": ""}, {"answer": "no", "words": LONG}):
        await told_of_work(work, work.supplier, "end-answer", "ending-answer", wrong, "There is no proposal to end")
