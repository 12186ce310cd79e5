"""Duties to sign or to answer are mailed at once, but not after they are done or too late."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import msgspec
import pytest

from events.contracts import (
    CascadeAwaitsBuyer,
    ContractDrafted,
    ContractStepTaken,
    DeliveryReported,
    DisputeOpened,
    EndingProposed,
    InvoicePaid,
    InvoiceSubmitted,
    ObjectionAnswered,
    ObjectionFiled,
    OrderPlaced,
    PurchaseRequested,
)
from events.notifications import DutyMailed
from events.values import Place
from infra.ids import new_id
from services.notifications import post, timers
from tests.market import Market
from tests.services.notifications.test_notifications_service import Agent, Server, an_agent, ended, read, server, states

__all__ = ["server"]


async def an_officer(market: Market) -> Agent:
    return await an_agent(market, "olga", "ru", "buyer_officer", "City Hall")


def drafted(market: Market, officer: Agent, agent: Agent, **changes: object) -> ContractDrafted:
    usual = ContractDrafted(
        process_id=new_id(),
        contract_id=new_id(),
        award_id="a",
        origin="auction",
        buyer_id=officer.supplier_id,
        buyer_name="City Hall",
        supplier_id=agent.supplier_id,
        supplier_name="Supplies",
        rank=1,
        title="Paper for the year",
        category=None,
        place=Place(country="RU"),
        currency="RUB",
        amount=Decimal(100),
        lines=(),
        step="supplier-offer",
        due_at=market.clock() + timedelta(days=1),
    )
    return msgspec.structs.replace(usual, **changes)


def taken(of: ContractDrafted, step: str, next_step: str | None, due_at: datetime | None) -> ContractStepTaken:
    return ContractStepTaken(
        process_id=of.process_id,
        contract_id=of.contract_id,
        step=step,
        party="supplier" if step.startswith("supplier") else "buyer",
        member_id="m",
        next_step=next_step,
        due_at=due_at,
    )


async def subjects(market: Market, server: Server, who: Agent, number: int) -> list[str]:
    """The subjects of the letters to a reader, when there are this many."""

    async def there() -> bool:
        return len(server.to(who.email)) >= number

    await market.eventually(there)
    return [read(content)["Subject"] for content in server.to(who.email)]


async def mailed(market: Market, path: str, *duties: str) -> None:
    """The recorded letters, in order."""

    async def told() -> bool:
        assert [each.what for each in await market.published("notifications", DutyMailed) if each.path == path] == [
            *duties
        ]
        return True

    await market.eventually(told)


async def test_only_the_side_whose_turn_it_is_gets_a_letter(market: Market, server: Server) -> None:
    officer, agent, stranger = await an_officer(market), await an_agent(market), await an_agent(market)
    offer, soon = drafted(market, officer, agent), market.clock() + timedelta(days=2)
    await market.publish(offer)
    assert await subjects(market, server, agent, 1) == ["Sign the offer: Paper for the year"]
    await market.publish(taken(offer, "supplier-offer", "buyer-draft", soon))
    assert await subjects(market, server, officer, 1) == ["Отправьте проект контракта: Paper for the year"]
    await market.publish(taken(offer, "buyer-draft", "supplier-signature", soon))
    assert (await subjects(market, server, agent, 2))[1] == "Sign the contract: Paper for the year"
    objection = {"process_id": offer.process_id, "contract_id": offer.contract_id, "number": 1, "member_id": "m"}
    await market.publish(ObjectionFiled(**objection, version=1, points=(), due_at=soon))
    assert (await subjects(market, server, officer, 2))[1].startswith("Ответьте на протокол")
    await market.publish(
        ObjectionAnswered(**objection, answers=(), version=1, terms=(), changed=(), due_at=soon + timedelta(days=1))
    )
    assert (await subjects(market, server, agent, 3))[2] == "Sign the contract: Paper for the year"
    await market.publish(taken(offer, "supplier-signature", None, None))
    assert server.to(stranger.email) == []
    await mailed(
        market,
        f"/contracts/{offer.contract_id}",
        *("supplier-offer", "buyer-draft", "supplier-signature", "buyer-answer", "supplier-signature"),
    )


async def test_there_are_letters_for_the_cascade_and_for_a_request_to_buy(market: Market, server: Server) -> None:
    officer, agent = await an_officer(market), await an_agent(market)
    offer = drafted(market, officer, agent)
    await market.publish(offer)
    await subjects(market, server, agent, 1)
    await market.publish(
        CascadeAwaitsBuyer(
            process_id=offer.process_id, contract_id=offer.contract_id, buyer_id=officer.supplier_id, next_rank=3
        )
    )
    assert await subjects(market, server, officer, 1) == ["Решите, спросить ли следующего: Paper for the year"]
    asked = PurchaseRequested(
        process_id=new_id(),
        buyer_id=officer.supplier_id,
        buyer_name="City Hall",
        supplier_id=agent.supplier_id,
        offer_id="o",
        sku_id="s",
        title="Two chairs",
        quantity=Decimal(2),
        unit_price=Decimal(10),
        amount=Decimal(20),
        currency="RUB",
        place=Place(country="RU"),
        due_at=market.clock() + timedelta(days=1),
    )
    await market.publish(asked)
    assert (await subjects(market, server, agent, 2))[1] == "Answer the request to buy: Two chairs"
    assert f"/contracts/purchases/{asked.process_id}" in str(read(server.to(agent.email)[1]).get_body(("plain",)))


async def test_duties_of_a_contract_are_mailed_to_the_side_that_owes_them(market: Market, server: Server) -> None:
    officer, agent = await an_officer(market), await an_agent(market)
    offer, at, soon = drafted(market, officer, agent), market.clock(), market.clock() + timedelta(days=3)
    both = {"buyer_id": officer.supplier_id, "supplier_id": agent.supplier_id}
    same = {"process_id": offer.process_id, "contract_id": offer.contract_id, **both, "member_id": "m"}
    money = {"currency": "RUB", "amount": Decimal(100)}
    place = Place(country="RU")
    delivery = {"delivery": 1, "order": 1, "lines": (), "note": "n", "delivered_on": at.date(), "reported_at": at}
    invoice = {"reference": "r", "deliveries": (1,), "lines": (), "submitted_at": at}
    dispute = {"about": "invoice", "number": 1, "asks": "stands", "reasons": "r", "opened_at": at, "decide_by": soon}
    ending = {"kind": "closure", "ground": "agreement", "reasons": "r", "proposed_at": at, "due_at": soon}
    await market.publish(
        offer,
        OrderPlaced(**same, order=1, lines=(), place=place, placed_at=at, due_at=soon),
        DeliveryReported(**same, **delivery, due_at=soon, late=False),
        InvoiceSubmitted(**same, **invoice, invoice=1, **money, due_at=soon),
        DisputeOpened(**same, **dispute, dispute=1, by="buyer", answer_by=soon),
        EndingProposed(**same, **ending, by="supplier"),
    )
    suppliers = await subjects(market, server, agent, 3)
    buyers = await subjects(market, server, officer, 3)
    assert {each.partition(":")[0] for each in suppliers} == {"Sign the offer", "Deliver an order", "Answer a dispute"}
    assert {each.partition(":")[0] for each in buyers} == {
        "Примите или отклоните поставку",
        "Оплатите счёт",
        "Ответьте на предложение прекратить контракт",
    }
    order = server.to(agent.email)[suppliers.index("Deliver an order: Paper for the year")]
    letter = read(order).get_body(("plain",))
    assert letter is not None and f"/contracts/{offer.contract_id}?part=0#deliver-1" in letter.get_content()
    await market.publish(InvoicePaid(**same, invoice=1, **money, late=False, paid_at=at, due_at=soon))
    assert (await subjects(market, server, agent, 4))[3].startswith("Confirm a payment")


async def test_a_repeated_or_late_event_sends_no_letter(market: Market, server: Server) -> None:
    officer, agent = await an_officer(market), await an_agent(market)
    offer, event_id = drafted(market, officer, agent), new_id()
    await market.publish(offer, event_id=event_id)
    await subjects(market, server, agent, 1)
    await market.publish(offer, event_id=event_id)
    await market.publish(offer, drafted(market, officer, agent, due_at=market.clock() - timedelta(seconds=1)))
    await asyncio.sleep(2.2)
    assert len(server.to(agent.email)) == 1 and await states(market, agent) == ["sent"]


async def test_a_duty_that_is_done_before_the_mail_server_returns_is_not_mailed(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    officer, agent, late = await an_officer(market), await an_agent(market), await an_agent(market)

    async def away(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
        raise post.NotNow("away")

    monkeypatch.setattr(timers.post, "send", away)
    first, second = drafted(market, officer, agent), drafted(market, officer, late)
    await market.publish(first, second)

    async def tried() -> bool:
        return await states(market, agent) == await states(market, late) == ["sending"]

    await market.eventually(tried)
    await market.publish(taken(first, "supplier-offer", None, None))
    await market.eventually(
        lambda: market.fetch("select 1 from notifications.letters where member_id = $1 and moot", agent.member_id)
    )
    monkeypatch.undo()
    market.clock.advance(timedelta(minutes=1))
    await ended(market, agent, "dropped")
    await ended(market, late, "sent")
    assert server.to(agent.email) == [] and len(server.to(late.email)) == 1


async def test_an_officer_chooses_its_letters_and_may_stop_them_with_one_click(market: Market, server: Server) -> None:
    officer, agent = await an_officer(market), await an_agent(market)
    async with market.browser(officer.principal) as browser:
        page = await browser.get("/notifications")
        assert "What waits for City Hall with a deadline" in page.text and "every Monday" not in page.text
        assert "Saved." in (await browser.post("/notifications", {})).text
        kept = await market.fetch("select topics from notifications.members where member_id = $1", officer.member_id)
        assert kept[0]["topics"] == ["digest"]  # which the form does not offer to buyers
        offer, soon = drafted(market, officer, agent), market.clock() + timedelta(days=1)
        await market.publish(offer)
        await subjects(market, server, agent, 1)
        await market.publish(taken(offer, "supplier-offer", "buyer-draft", soon))
        await asyncio.sleep(2.2)
        assert await states(market, officer) == []
        assert "Saved." in (await browser.post("/notifications", {"duties": "on"})).text
    await market.publish(taken(drafted(market, officer, agent), "supplier-offer", "buyer-draft", soon))  # unknown
    await market.publish(taken(offer, "supplier-offer", "buyer-draft", soon + timedelta(hours=1)))
    await subjects(market, server, officer, 1)
    path = urlsplit(read(server.to(officer.email)[0])["List-Unsubscribe"].strip("<>")).path
    async with market.client() as client:
        looked = await client.get(path, headers={"accept": "text/html"})
        assert (
            "letters about what waits for you" in looked.text
            and "Deadlines also apply without these letters" in looked.text
        )
        assert "You are unsubscribed" in (await client.post(path, data={"List-Unsubscribe": "One-Click"})).text
    async with market.client(officer.principal) as client:
        settings = (await client.get("/api/notifications")).json()
        assert settings["member"]["preferences"]["topics"] == ["digest"]
        assert [each["state"] for each in settings["letters"]] == ["sent"]
        assert (await client.post("/api/notifications/digest")).status_code == 403
