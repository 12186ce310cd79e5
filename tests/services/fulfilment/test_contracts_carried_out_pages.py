"""Contracts carried out as a browser without scripts shows them: the duties, the forms of each side, and errors beside
their fields."""

from typing import Any

import pytest

from infra.ids import new_id
from infra.tokens import Principal
from infra.web.languages import COOKIE
from services.fulfilment.domain import bounds
from services.fulfilment.pages import parts
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town, a_won_auction, in_time
from tests.services.contracts.test_contracts_pages import seen
from tests.services.fulfilment.test_contracts_carried_out import ALL, HALF, MODERATOR, Work, a_signed_contract, today


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def filled(work: Work, who: Principal, action: str, **fields: Any) -> tuple[int, str]:
    form = {"request_key": new_id(), "form": action, **fields}
    async with work.town.market.browser(who) as browser:
        answer = await browser.post(f"/contracts/{work.contract_id}/execution/{action}", form)
        return answer.status_code, answer.text


async def test_both_sides_carry_it_out_by_forms_until_it_is_closed(town: Town) -> None:
    work = await a_signed_contract(town)
    page = f"/contracts/{work.contract_id}/execution"
    _, text = await seen(town, work.supplier, page)
    assert "Nothing is ordered yet" in text and "Place the order" not in text and "School No. 1, by" in text
    _, text = await seen(town, work.buyer, page)
    assert 'id="order"' in text and 'name="quantity-1"' in text and "100 at most" in text
    key = {"request_key": new_id()}
    for _ in range(2):
        status, text = await filled(
            work, work.buyer, "order", **{"quantity-1": "100", "quantity-2": "3", "days": 2, **key}
        )
        assert status == 200 and "Your order was sent to the supplier." in text and "Order 2" not in text
    status, text = await filled(work, work.buyer, "order", **{"quantity-1": "1", "days": 2, **key})
    assert status == 422 and "with other content" in text and "Order 2" not in text and key["request_key"] not in text
    delivery = {"order": 1, "quantity-1": "100", "quantity-2": "3", "note": "TN-218", "delivered_on": today(town)}
    _, text = await filled(work, work.supplier, "delivery", **delivery)
    assert "waits for the buyer" in text and "delivery note TN-218" in text
    fields = {"number": 1, "answer": "part", "quantity-1": "90", "quantity-2": "3", "reasons": "Ten were wet"}
    _, text = await filled(work, work.buyer, "assessment", **fields)
    assert "accepted in part" in text and "Ten were wet" in text
    await filled(work, work.supplier, "delivery", **{**delivery, "quantity-1": "10", "quantity-2": ""})
    _, text = await filled(work, work.buyer, "assessment", number=2, answer="all", reasons="")
    assert "Accept all of it" not in text
    _, text = await seen(town, work.supplier, page)
    assert 'name="delivery-1"' in text and 'name="delivery-2"' in text
    fields = {"delivery-1": "on", "delivery-2": "on", "reference": "INV-77"}
    _, text = await filled(work, work.supplier, "invoice", **fields)
    assert "800.00\u00a0RUB</strong>" in text and "INV-77" in text
    await filled(work, work.buyer, "payment", number=1)
    _, text = await filled(work, work.supplier, "receipt", number=1)
    assert "everything is accepted and paid" in text and "Paid 800.00" in text
    _, text = await seen(town, None, page)
    assert "closed" in text and "TN-218" not in text and "member" not in text and "wet" not in text
    assert "<form" not in text.partition('id="work"')[2].partition("</main>")[0]


async def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(town: Town) -> None:
    work = await a_signed_contract(town)
    status, text = await filled(work, work.buyer, "order", **{"quantity-1": "101", "quantity-2": "a", "days": ""})
    assert status == 422 and "is required" in text and "must be a number" in text and 'value="101"' in text
    assert 'Please correct 2 fields: <a href="#order-days-note">go to the first</a>' in text
    status, text = await filled(work, work.buyer, "order", **{"quantity-1": "101", "days": 3})
    assert status == 422 and 'id="order-quantity-1-note"' in text and "Of this line 100 can still be ordered" in text
    status, text = await filled(work, work.buyer, "order", **{"quantity-1": "", "days": 3})
    assert (
        status == 422
        and "Give a quantity for at least one line of the order" in text
        and "Please correct 1" not in text
    )
    status, text = await filled(work, work.buyer, "order", **{"quantity-1": "1", "days": 3, "region": "Atlantis"})
    assert status == 422 and 'id="order-region-note"' in text
    await work.order(HALF)
    status, text = await filled(work, work.supplier, "delivery", order=1, note="", delivered_on="soon")
    assert status == 422
    await work.deliver(HALF)
    status, text = await filled(work, work.buyer, "assessment", form="assess-1", number=1, answer="none", reasons=" ")
    assert status == 422 and 'id="assess-1-reasons-note"' in text and "Say why something is not accepted" in text
    status, text = await filled(work, work.supplier, "dispute", form="dispute-delivery-1", about="delivery", number=1)
    assert status == 422
    status, text = await filled(work, work.buyer, "ending", form="end", wish="nothing")
    assert status == 422 and "Choose one of these" in text
    assert (await filled(work, work.buyer, "nonsense"))[0] == 404
    assert (await filled(work, MODERATOR, "order", days=1))[0] == 403
    assert (await filled(work, town.clinic, "order", **{"quantity-1": "1", "days": 1}))[0] == 422


async def test_the_list_says_what_waits_for_each_side(town: Town) -> None:
    work = await a_signed_contract(town)

    async def listed(who: Principal, words: str) -> bool:
        return words in (await seen(town, who, "/contracts/due"))[1]

    async def to_be_ordered() -> bool:
        return await listed(work.buyer, "Order what is left in the contract")

    assert await town.market.eventually(to_be_ordered)
    assert await listed(work.supplier, "nothing to carry out")
    await work.order(days=1)
    assert await listed(work.supplier, "Deliver order 1") and await listed(work.buyer, "nothing to carry out")
    in_time(town, 31)
    assert await listed(work.supplier, "overdue")
    await work.deliver()
    assert await listed(work.buyer, "Accept or refuse delivery 1")
    _, text = await seen(town, work.buyer, f"/contracts/{work.contract_id}/execution")
    late, told = "Order 1 was not delivered in time by the supplier", "reported delivery 1 on order 1, late"
    assert f"{late}\n" in text or f"{late}</li>" in text
    assert told in text and "Supplier 1&#39;s member" in text.partition(told)[2][:80]


async def test_what_is_wrong_with_a_form_that_is_gone_stands_in_the_head(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order()
    status, text = await filled(
        work, work.supplier, "delivery", form="deliver-1", order=1, note="", delivered_on="soon"
    )
    assert status == 422 and 'href="#deliver-1-note-note"' in text
    await work.deliver()
    status, text = await filled(
        work, work.supplier, "delivery", form="deliver-1", order=1, note="", delivered_on="soon"
    )
    assert status == 422 and '-note">go to' not in text and "is required" not in text
    assert text.count('<p class="error" role="alert">') == 1


async def test_a_bound_is_shown_beside_its_field_in_the_readers_language_and_the_statements_have_a_page(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_STATEMENTS", 2)
    monkeypatch.setattr(bounds, "MOST_ORDERS", 1)
    work = await a_signed_contract(town)
    await work.order(HALF)
    status, text = await filled(work, work.buyer, "order", **{"form": "order", "quantity-1": "1", "days": 3})
    assert status == 422 and "Order everything that is left at once" in text
    await work.deliver(HALF)
    await work.assess({}, reasons="Wet")
    fields = {"about": "delivery", "number": 1, "asks": "set-aside", "reasons": "It was dry"}
    await filled(work, work.supplier, "dispute", **fields)
    answer = {"form": "answer-1", "number": 1, "asks": "set-aside"}
    status, text = await filled(work, work.supplier, "dispute-answer", words="Very dry", **answer)
    assert status == 200 and "Your statement was sent to the other side." in text and "Very dry" in text
    for language, words in (
        ("en", "otherwise a moderator decides"),
        ("es", "la decide un moderador"),
        ("ru", "решит модератор"),
    ):
        async with town.market.browser(work.supplier) as browser:
            browser.client.cookies.set(COOKIE, language)
            form = {"request_key": new_id(), "words": "As dry as dust", **answer}
            refused = await browser.post(f"/contracts/{work.contract_id}/execution/dispute-answer", form)
        assert refused.status_code == 422 and "As dry as dust</textarea>" in refused.text
        assert words in refused.text.partition('id="answer-1-words-note"')[2][:600]
    _, text = await seen(town, work.supplier, f"/contracts/{work.contract_id}/execution")
    assert "It was dry" in text and "Very dry" not in text and f"/contracts/{work.contract_id}/disputes/1" in text
    _, text = await seen(town, None, f"/contracts/{work.contract_id}/disputes/1")
    assert "Dispute 1 about delivery 1" in text and "dry" not in text and "<textarea" not in text


async def test_a_long_contract_is_shown_in_parts_and_leads_to_every_form(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "CARDS", 1)
    work = await a_signed_contract(town)
    page = f"/contracts/{work.contract_id}/execution"
    await work.order(HALF)
    await work.order({"1": "60", "2": "2"})
    _, text = await seen(town, work.supplier, page)
    assert 'id="order-2"' in text and 'id="order-1"' not in text and f'href="{page}?at=deliver-1#deliver-1"' in text
    assert "Orders and deliveries: page 1 of 2; page 1 has the newest." in text and "Invoices: page" not in text
    assert f'href="{page}?orders=2#orders"' in text
    assert f'href="{page}?at=deliver-1#deliver-1"' in (await seen(town, work.supplier, "/contracts/due"))[1]
    for query in ({"at": "deliver-1"}, {"orders": "2"}):
        _, text = await seen(town, work.supplier, page, **query)
        assert 'id="deliver-1"' in text and 'id="order-2"' not in text and "page 2 of 2" in text
    status, text = await filled(
        work, work.supplier, "delivery", form="deliver-1", order=1, note="", delivered_on="soon"
    )
    assert status == 422 and 'id="deliver-1-note-note"' in text


async def test_acts_are_withdrawn_and_disputed_and_the_contract_is_ended_by_forms(town: Town) -> None:
    work = await a_signed_contract(town)
    page = f"/contracts/{work.contract_id}/execution"
    await work.order()
    assert "Withdraw it" in (await seen(town, work.buyer, page))[1]
    await work.deliver()
    _, text = await filled(work, work.supplier, "withdrawal", about="delivery", number=1)
    assert "The delivery was withdrawn." in text
    await work.deliver()
    await work.assess({}, delivery=2, reasons="Wet")
    fields = {"about": "delivery", "number": 2, "asks": "set-aside", "reasons": "It was dry"}
    _, text = await filled(work, work.supplier, "dispute", **fields)
    assert "Dispute 1 about delivery 2" in text and "answers this delivery again" in text
    _, queue = await seen(town, MODERATOR, "/contracts/disputes")
    assert "It was dry" in queue and f"{page}#dispute-1" in queue
    assert "Disputes to decide" in (await seen(town, MODERATOR, "/contracts"))[1]
    early = (await seen(town, MODERATOR, f"/contracts/{work.contract_id}/disputes/1"))[1]
    assert "You can decide when the other side has answered" in early and 'id="decide-1"' not in early
    await filled(work, work.buyer, "dispute-answer", number=1, asks="stands", words="It rained")
    assert 'id="decide-1"' in (await seen(town, MODERATOR, f"/contracts/{work.contract_id}/disputes/1"))[1]
    async with town.market.browser(MODERATOR) as browser:
        decision = f"/contracts/{work.contract_id}/disputes/1/decision"
        unsaid = await browser.post(decision, {"outcome": "stands", "explanation": ""})
        assert unsaid.status_code == 422 and 'id="decide-1-explanation-note"' in unsaid.text
        assert (await browser.post(decision, {"explanation": "why"})).status_code == 422
        done = await browser.post(decision, {"outcome": "stands", "explanation": "The driver signed"})
        assert "Your decision was recorded." in done.text and "The driver signed" in done.text
        assert work.contract_id not in (await browser.get("/contracts/disputes")).text
    _, text = await filled(work, work.supplier, "ending", wish="termination/agreement", reasons="The mill burnt down")
    assert "Withdraw the proposal" in text and "The mill burnt down" in text
    status, text = await filled(work, work.buyer, "ending-answer", form="end-answer", answer="no", words="")
    assert status == 422 and "Say why not." in text
    _, text = await filled(work, work.buyer, "ending-answer", answer="yes")
    assert "terminated" in text and "History" in text and "The contract was terminated, by agreement" in text

    async def listed() -> bool:
        pages = [await seen(town, work.buyer, each) for each in ("/contracts", f"/contracts/{work.contract_id}")]
        return all('<span class="badge bad">terminated</span>' in text for _, text in pages)

    await town.market.eventually(listed)
    record = (await seen(town, None, f"/organisations/{work.supplier.organisation_id}/record"))[1]
    assert "Deliveries refused</dt><dd>1" in record and "Disputes decided as the other side asked</dt><dd>1" in record


def read_in(text: str) -> str:
    """Return the proposal to end the contract that a page sends as the one that was read."""
    return text.partition('name="proposed_at" value="')[2].partition('"')[0]


async def test_an_answer_is_to_the_proposal_that_was_read(town: Town) -> None:
    work = await a_signed_contract(town)
    page = f"/contracts/{work.contract_id}/execution"
    await filled(work, work.buyer, "ending", wish="closure/agreement", reasons="Both sides are content")
    closure = read_in((await seen(town, work.supplier, page))[1])
    assert closure and read_in((await seen(town, work.buyer, page))[1]) == closure
    assert (
        "The proposal was withdrawn." in (await filled(work, work.buyer, "ending-withdrawal", proposed_at=closure))[1]
    )
    await filled(work, work.buyer, "ending", wish="termination/agreement", reasons="The mill is to blame")
    old = {"form": "end-answer", "proposed_at": closure}
    status, text = await filled(work, work.supplier, "ending-answer", **old, answer="no", words="x" * 6_000)
    assert status == 422 and "Another one is open now" not in text and read_in(text) == closure
    for answer in ("yes", "no"):
        status, text = await filled(work, work.supplier, "ending-answer", **old, answer=answer, words="So be it")
        assert status == 422 and "The mill is to blame" in text and "So be it" in text
        assert "Another one is open now: read it." in text
    status, again = await filled(work, work.buyer, "ending-withdrawal", form="end-withdrawal", proposed_at=closure)
    assert status == 422 and "Another one is open now" in again and "Withdraw the proposal" in again
    for language, said in (("es", "ahora hay otra: léala"), ("ru", "теперь есть другое: прочитайте его")):
        async with town.market.browser(work.supplier) as browser:
            browser.client.cookies.set(COOKIE, language)
            form = {"request_key": new_id(), **old, "answer": "yes"}
            assert said in (await browser.post(f"{page}/ending-answer", form)).text
    assert (await filled(work, work.supplier, "ending-answer", answer="yes", proposed_at="soon"))[0] == 422
    assert (await work.shown())["status"] == "running"
    _, text = await filled(work, work.supplier, "ending-answer", answer="yes", proposed_at=read_in(text))
    assert "The contract was terminated, by agreement" in text


async def test_a_dispute_is_of_the_word_that_was_read(town: Town) -> None:
    """An invoice that must be paid and an invoice that was paid are different matters of a dispute."""
    work = await a_signed_contract(town)
    await work.order()
    await work.deliver()
    await work.assess({"1": "100", "2": "3"})
    await work.invoice()
    async with town.market.browser(work.buyer) as browser:
        text = (await browser.get(f"/contracts/{work.contract_id}/execution")).text
    assert text.partition('name="word" value="')[2].partition('"')[0] == "submitted"
    await work.pay()
    asked = {"form": "dispute-invoice-1", "about": "invoice", "number": 1, "asks": "stands", "word": "submitted"}
    status, text = await filled(work, work.supplier, "dispute", **asked, reasons="x" * 6_000)
    assert status == 422 and 'name="word" value="submitted"' in text
    status, text = await filled(work, work.supplier, "dispute", **asked, reasons="It is not paid")
    assert status == 422 and "changed since you read it" in text and 'name="word" value="paid"' in text
    body = {"about": "invoice", "number": 1, "asks": "stands", "reasons": "No", "word": "submitted"}
    assert (await work.tell(work.supplier, "disputes", body))[1]["rule"] == "status-changed"
    status, text = await filled(
        work, work.supplier, "dispute", **{**asked, "word": "paid", "asks": "set-aside"}, reasons="No"
    )
    assert status == 200 and "The dispute was opened" in text


async def test_an_unsigned_contract_is_not_carried_out(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    work = Work(town, "", contract_id)
    assert "Carrying it out" not in (await seen(town, town.school, f"/contracts/{contract_id}"))[1]
    assert (await seen(town, town.school, f"/contracts/{contract_id}/execution"))[0] == 404
    assert (await filled(work, town.school, "order", **{"quantity-1": "1", "days": 1}))[0] == 404


async def test_the_pages_of_contracts_lead_to_what_is_carried_out_and_so_do_their_former_addresses(town: Town) -> None:
    work = await a_signed_contract(town)
    contract = f"/contracts/{work.contract_id}"
    _, text = await seen(town, work.buyer, contract)
    assert "Carrying it out" in text and f'href="{contract}/execution"' in text
    _, text = await seen(town, work.buyer, "/contracts")
    assert 'hx-get="/contracts/due"' in text and 'href="/contracts/due"' in text
    for former, now in (
        ("page=2", "page=2"),
        ("part=0", "page=1&part=0"),
        ("part=3", "page=1&part=3"),
        ("page=2&part=3", "page=2&part=3"),
    ):
        async with town.market.client(work.buyer) as client:
            answer = await client.get(f"{contract}?{former}", headers={"accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{contract}/execution?{now}")


async def test_an_invoice_that_a_dispute_set_aside_was_withdrawn_by_nobody(town: Town) -> None:
    work = await a_signed_contract(town)
    page = f"/contracts/{work.contract_id}/execution"
    await work.order()
    await work.deliver()
    await work.assess(ALL)
    await work.invoice()
    await filled(work, work.buyer, "dispute", about="invoice", number=1, asks="set-aside", reasons="Twice too much")
    await filled(work, work.supplier, "dispute-answer", number=1, asks="set-aside", words="So it is")
    await work.invoice()
    await filled(work, work.supplier, "withdrawal", about="invoice", number=2)
    for language, void, withdrawn, disputed in (
        ("en", "set aside by a dispute", "withdrawn", "The disputed statement about invoice 1 is set aside"),
        ("es", "anulada por una disputa", "retirada", "La declaración impugnada sobre la factura 1 queda sin efecto"),
        ("ru", "отменён по спору", "отозван", "Оспоренное заявление (счёт 1) отменено"),
    ):
        async with town.market.browser(work.buyer) as browser:
            browser.client.cookies.set(COOKIE, language)
            text = (await browser.get(page)).text
        assert text.count(f'<span class="badge ">{void}</span>') == 1, language
        assert text.count(f'<span class="badge ">{withdrawn}</span>') == 1, language
        assert disputed in text, language


async def test_an_error_has_one_head_in_the_form_that_has_it(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order()
    delivery = {"form": "deliver-1", "order": 1, "note": "", "delivered_on": "soon"}
    status, text = await filled(work, work.supplier, "delivery", **delivery)
    assert status == 422 and text.count('role="alert"') == 1
    assert text.index('id="deliver-1"') < text.index('role="alert"') < text.index('id="deliver-1-note-note"')
