"""How contracts are carried out, on real servers: what both sides do until the closure, what happens after a deadline,
what a moderator decides, and what the public record counts."""

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from events.accounts import OrganisationStateChanged
from events.contracts import (
    ContractClosed,
    ContractConcluded,
    ContractEnded,
    ContractTerminated,
    DeliveryAssessed,
    DeliveryReported,
    ExecutionDue,
    ExecutionOverdue,
    InvoiceSettled,
    OrderPlaced,
)
from events.fulfilment import ExecutionOver
from infra.ids import new_id
from infra.tokens import Principal
from services.fulfilment.domain.bounds import MOST_STATEMENTS
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_member, a_town, a_won_auction, in_time
from tests.services.contracts.test_contracts_signed import signed
from tests.unreadable import lists, only_a_newer_release_reads, says_so

MODERATOR = a_member("Operator", "moderator")
ALL = {"1": "100", "2": "3"}
HALF = {"1": "40", "2": "1"}


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


def today(town: Town) -> str:
    """Return today's date at the buyer's seat."""
    return town.market.clock().astimezone(ZoneInfo("Europe/Moscow")).date().isoformat()


class Work:
    """A signed contract, with what its two sides do over the API."""

    def __init__(self, town: Town, process_id: str, contract_id: str) -> None:
        self.town, self.process_id, self.contract_id = town, process_id, contract_id
        self.buyer, self.supplier = town.school, town.suppliers[0]

    async def tell(self, who: Principal, path: str, body: Any = None, *, key: str = "") -> tuple[int, Any]:
        return await self.town.post(who, f"/api/contracts/{self.contract_id}/{path}", body, key)

    async def order(self, lines: dict[str, str] | None = None, *, key: str = "", days: int = 5) -> tuple[int, Any]:
        return await self.tell(self.buyer, "orders", {"lines": lines or ALL, "days": days}, key=key)

    async def deliver(self, lines: dict[str, str] | None = None, *, order: int = 1, key: str = "") -> tuple[int, Any]:
        body = {"order": order, "lines": lines or ALL, "note": "TN-218", "delivered_on": today(self.town)}
        return await self.tell(self.supplier, "deliveries", body, key=key)

    async def assess(self, lines: dict[str, str], *, delivery: int = 1, reasons: str = "") -> tuple[int, Any]:
        body = {"lines": lines, "reasons": reasons}
        return await self.tell(self.buyer, f"deliveries/{delivery}/assessment", body)

    async def invoice(self, *deliveries: int) -> tuple[int, Any]:
        return await self.tell(self.supplier, "invoices", {"deliveries": deliveries or (1,), "reference": "INV-77"})

    async def pay(self, invoice: int = 1) -> tuple[int, Any]:
        return await self.tell(self.buyer, f"invoices/{invoice}/payment")

    async def confirm(self, invoice: int = 1) -> tuple[int, Any]:
        return await self.tell(self.supplier, f"invoices/{invoice}/receipt")

    async def shown(self, who: Principal | None = None) -> Any:
        return await self.town.read(who or self.buyer, f"/api/contracts/{self.contract_id}/execution")

    async def begun(self) -> bool:
        """Return whether the service of fulfilment knows the contract."""
        return bool(await self.shown() != 404)

    async def events(self, kind: Any) -> list[Any]:
        """Return the events of this kind: those that the service of contracts published, then those of fulfilment."""
        found = await self.town.events(kind, self.process_id)
        return found + [
            event
            for event in await self.town.market.published("fulfilment", kind)
            if event.process_id == self.process_id
        ]


async def a_signed_contract(town: Town) -> Work:
    process_id, contract_id = await a_won_auction(town)
    await signed(town, contract_id)
    work = Work(town, process_id, contract_id)
    await town.market.eventually(work.begun)
    return work


async def counted_in_record(town: Town, who: Principal, **counts: int) -> Any:
    """Wait until the public record has these counts of how the organisation carried out contracts. Return all counts
    of this part."""
    wanted = {name.replace("_", "-"): count for name, count in counts.items()}

    async def there() -> Any:
        record = await town.read(None, f"/api/organisations/{who.organisation_id}/record")
        found = record["sides"][0]["performed"]
        return found if found.items() >= wanted.items() else None

    return await town.market.eventually(there)


async def test_a_contract_that_is_ordered_in_parts_delivered_accepted_and_paid_closes_by_itself(town: Town) -> None:
    work = await a_signed_contract(town)
    assert [duty["what"] for duty in (await work.shown())["due"]] == ["order"]
    assert (await work.order(HALF))[0] == 201
    status, shown = await work.order({"1": "60", "2": "2"})
    assert (status, len(shown["orders"])) == (201, 2)
    await work.deliver(HALF)
    status, shown = await work.assess({"1": "35", "2": "1"}, reasons="Five were wet")
    assert (status, shown["deliveries"][0]["outcome"]) == (201, "partly")
    await work.deliver({"1": "5"})
    await work.deliver({"1": "60", "2": "2"}, order=2)
    await work.assess({"1": "5"}, delivery=2)
    await work.assess({"1": "60", "2": "2"}, delivery=3)
    assert [event.order_met for event in await work.events(DeliveryAssessed)] == [False, True, True]
    status, shown = await work.invoice(1)
    assert (status, shown["invoices"][0]["amount"]) == (201, "274.67")
    await work.invoice(2, 3)
    await work.pay(1)
    assert (await work.confirm(1))[1]["status"] == "running"
    status, shown = await work.confirm(2)
    assert (status, shown["status"], shown["how"], shown["paid"]) == (201, "closed", "fulfilled", "800.00")
    (closed,) = await work.events(ContractClosed)
    assert sum(event.amount for event in await work.events(InvoiceSettled)) == closed.paid == closed.amount
    assert await work.events(ContractEnded) == []
    assert (await work.order(HALF))[1]["rule"] == "contract-not-running"
    supplier = await counted_in_record(town, work.supplier, closed=1, orders_on_time=2, orders_late=0)
    assert [supplier[f"deliveries-{kind}"] for kind in ("accepted", "partly", "refused")] == [2, 1, 0]
    await counted_in_record(town, work.buyer, closed=1, answers_on_time=3, payments_on_time=2, payments_late=0)


async def test_a_repeated_request_takes_effect_once(town: Town) -> None:
    work = await a_signed_contract(town)
    key = new_id()
    for _ in range(2):
        assert (await work.order(HALF, key=key))[0] == 201
        assert (await work.deliver({"1": "1"}, key=key))[0] == 201
        assert (await work.assess({"1": "1"}))[0] == 201
        assert (await work.pay(1))[1].get("rule") == "nothing-of-that-number"
    assert len(await work.events(OrderPlaced)) == len(await work.events(DeliveryReported)) == 1
    assert len(await work.events(DeliveryAssessed)) == 1
    assert len((await work.shown())["orders"]) == 1
    assert (await work.order(HALF, key=new_id()))[1]["orders"][1]["number"] == 2


async def test_simultaneous_orders_never_exceed_the_contracted_quantity(town: Town) -> None:
    work = await a_signed_contract(town)
    answers = await asyncio.gather(*(work.order({"1": "40"}, key=new_id()) for _ in range(6)))
    assert sorted(status for status, _ in answers) == [201, 201, 422, 422, 422, 422]
    assert [line["ordered"] for line in (await work.shown())["lines"]] == ["80", "0"]
    assert [event.order for event in await work.events(OrderPlaced)] == [1, 2]


async def test_a_repeated_event_of_the_signature_does_not_change_the_orders(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order(HALF)
    (concluded,) = await work.events(ContractConcluded)
    await town.tell(concluded, structs.replace(concluded, contract_id=new_id()))
    await a_signed_contract(town)  # its events come after the repeats on the same topic, so the repeats were read
    assert len((await work.shown())["orders"]) == 1


async def test_an_execution_begins_once_with_the_policy_in_its_event(town: Town) -> None:
    work = await a_signed_contract(town)
    (due,) = await work.events(ExecutionDue)
    other = structs.replace(due, contract_id=new_id(), process_id=new_id())
    strange = Work(town, other.process_id, other.contract_id)
    assert await strange.shown() == 404
    await town.tell(other)
    await town.market.eventually(strange.begun)
    for each in (work, strange):
        assert (await each.order(HALF))[0] == 201
    await town.tell(due, other)
    await a_signed_contract(town)  # its events come after the repeats on the same topic, so the repeats were read
    assert [len((await each.shown())["orders"]) for each in (work, strange)] == [1, 1]


async def test_the_end_of_an_execution_is_published_once(town: Town) -> None:
    works = [await a_signed_contract(town) for _ in range(2)]
    for work, (kind, status) in zip(works, (("closure", "closed"), ("termination", "terminated")), strict=True):
        await work.tell(work.supplier, "ending", {"kind": kind, "reasons": "The mill burnt down"})
        assert (await work.tell(work.buyer, "ending/answer", {"agrees": True}))[1]["status"] == status

        async def told(work: Work = work) -> list[ExecutionOver]:
            return await work.events(ExecutionOver)

        assert [each.status for each in await town.market.eventually(told)] == [status]


async def test_a_refusal_names_rule_numbers_and_field_and_changes_nothing(town: Town) -> None:
    work = await a_signed_contract(town)
    status, refused = await work.order({"1": "101"})
    assert (status, refused["rule"], refused["field"]) == (422, "more-than-contracted", "quantity-1")
    assert refused["numbers"] == {"quantity": "101", "left": "100"}
    assert (await work.order(days=500))[1]["rule"] == "due-after-term"
    assert (await work.tell(work.supplier, "orders", {"lines": ALL, "days": 1}))[1]["rule"] == "act-of-other-party"
    assert (await work.tell(town.clinic, "orders", {"lines": ALL, "days": 1}))[1]["rule"] == "not-a-party"
    agent_of_buyer = structs.replace(work.buyer, roles=("supplier_agent",))
    assert (await work.tell(agent_of_buyer, "orders", {"lines": ALL, "days": 1}))[1]["rule"] == "role-missing"
    approver = structs.replace(work.buyer, roles=("buyer_approver",))
    assert (await work.tell(approver, "orders", {"lines": HALF, "days": 1, "region": "RU-SPE"}))[0] == 201
    assert (await work.shown())["orders"][0]["place"]["region"] == "RU-SPE"
    assert (await work.tell(work.buyer, "orders", {"lines": HALF, "days": 1, "region": "XX-9"}))[1]["rule"] == (
        "unknown-region"
    )
    assert (await work.tell(work.buyer, "withdrawals", {"about": "order", "number": 1}))[0] == 201
    assert (await work.shown())["due"][0]["what"] == "order"
    for unsigned in (new_id(), (await a_won_auction(town))[1]):
        assert await town.read(work.buyer, f"/api/contracts/{unsigned}/execution") == 404
        assert (await town.post(work.buyer, f"/api/contracts/{unsigned}/orders", {"lines": ALL, "days": 1}))[0] == 404


async def test_everybody_sees_the_progress_and_only_the_two_sides_read_notes_and_reasons(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order()
    await work.deliver()
    await work.assess(HALF, reasons="Wet")
    inside, outside = await work.shown(), await work.shown(town.clinic)
    assert (inside["deliveries"][0]["note"], inside["deliveries"][0]["reasons"]) == ("TN-218", "Wet")
    assert (outside["deliveries"][0]["note"], outside["deliveries"][0]["reasons"]) == ("", "")
    assert outside["lines"] == inside["lines"] and outside["lines"][0]["accepted"] == "40"


async def test_each_missed_deadline_is_recorded_once(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order(HALF, days=1)
    in_time(town, 31)

    async def marked(count: int) -> list[Any]:
        found = await work.events(ExecutionOverdue)
        return found if len(found) == count else []

    async def once() -> list[Any]:
        return await marked(1)

    (late,) = await town.market.eventually(once)
    assert (late.about, late.party) == ("order", "supplier")
    await counted_in_record(town, work.supplier, orders_late=1, orders_on_time=0)
    await work.deliver(HALF)
    in_time(town, 20 * 30 + 1)

    async def twice() -> list[Any]:
        return await marked(2)

    silent = (await town.market.eventually(twice))[1]
    assert (silent.about, silent.party) == ("delivery", "buyer")
    assert (await work.shown())["deliveries"][0]["status"] == "reported"
    await counted_in_record(town, work.buyer, answers_late=1, answers_on_time=0)
    await work.assess(HALF)
    await counted_in_record(town, work.buyer, answers_late=1, answers_on_time=0)
    assert len(await work.events(ExecutionOverdue)) == 2


async def test_a_dispute_is_heard_decided_by_a_moderator_and_counted(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order()
    await work.deliver()
    await work.assess({}, reasons="Wet")
    body = {"about": "delivery", "number": 1, "asks": "set-aside", "reasons": "It was dry"}
    status, shown = await work.tell(work.supplier, "disputes", body)
    assert status == 201 and "answer-dispute" in [duty["what"] for duty in shown["due"]]
    assert (await work.invoice())[1]["rule"] == "nothing-to-invoice"
    mine = [
        each
        for each in await town.read(MODERATOR, "/api/contracts/disputes")
        if each["contract_id"] == work.contract_id
    ]
    assert [(each["dispute"]["words"], each["dispute"]["statements"]) for each in mine] == [("It was dry", 1)]
    decision = {"outcome": "set-aside", "explanation": "The photographs show dry paper"}
    assert (await work.tell(work.supplier, "disputes/1/decision", decision))[0] == 403
    assert (await work.tell(MODERATOR, "disputes/1/decision", decision))[1]["rule"] == "other-side-unheard"
    await work.tell(work.buyer, "disputes/1/answer", {"asks": "stands", "words": "It rained"})
    for _ in range(2):
        status, shown = await work.tell(MODERATOR, "disputes/1/decision", decision)
        assert (status, shown["deliveries"][0]["status"]) == (201, "reported")
    assert (await work.assess(ALL))[1]["deliveries"][0]["outcome"] == "accepted"
    await counted_in_record(town, work.supplier, disputes_opened=1, disputes_won=1, deliveries_refused=0)
    await counted_in_record(town, work.buyer, disputes_faced=1, disputes_lost=1, disputes_won=0)


async def test_the_statements_in_a_dispute_are_limited_and_lists_show_only_their_beginning(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order()
    await work.deliver()
    await work.assess({}, reasons="Wet")
    long = "слово " * 600
    body = {"about": "delivery", "number": 1, "asks": "set-aside", "reasons": long}
    assert (await work.tell(work.supplier, "disputes", body))[0] == 201
    for number in range(1, MOST_STATEMENTS):
        answer = {"asks": "set-aside", "words": f"{number} {long}"}
        assert (await work.tell(work.supplier, "disputes/1/answer", answer))[0] == 201
    status, refused = await work.tell(work.supplier, "disputes/1/answer", {"asks": "set-aside", "words": long})
    assert (status, refused["rule"], refused["field"]) == (422, "too-many-statements", "words")
    assert refused["numbers"]["most"] == MOST_STATEMENTS
    path = f"/api/contracts/{work.contract_id}"
    (listed,) = [
        each
        for each in await town.read(MODERATOR, "/api/contracts/disputes")
        if each["contract_id"] == work.contract_id
    ]
    (shown,) = (await work.shown())["disputes"]
    assert listed["dispute"] == shown
    assert (shown["statements"], shown["supplier_asks"], shown["buyer_asks"]) == (MOST_STATEMENTS, "set-aside", None)
    assert shown["words"] == f"{long[:300]}…"
    whole = await town.read(MODERATOR, f"{path}/disputes/1")
    assert len(whole["said"]) == MOST_STATEMENTS and whole["said"][-1]["words"].startswith(f"{MOST_STATEMENTS - 1} ")
    assert {said["words"] for said in (await town.read(town.clinic, f"{path}/disputes/1"))["said"]} == {""}
    async with town.market.client(work.buyer) as client:
        assert (await client.get(f"{path}/disputes/2")).status_code == 404
    assert (await work.tell(work.buyer, "disputes/1/answer", {"asks": "stands", "words": "It rained"}))[0] == 201
    decision = {"outcome": "set-aside", "explanation": "Enough"}
    assert (await work.tell(MODERATOR, "disputes/1/decision", decision))[1]["disputes"][0]["outcome"] == "set-aside"


async def test_an_execution_that_cannot_be_read_does_not_hide_the_others_in_lists(town: Town) -> None:
    whole, strange = [await a_signed_contract(town) for _ in range(2)]
    for work in (whole, strange):
        await work.order()
        await work.deliver()
        await work.assess({}, reasons="Wet")
        body = {"about": "delivery", "number": 1, "asks": "set-aside", "reasons": "It was dry"}
        assert (await work.tell(work.supplier, "disputes", body))[0] == 201
    key = ("contract_id", strange.contract_id)
    for part in ("state.status", "state.disputes"):
        async with (
            only_a_newer_release_reads(town.market, "fulfilment.executions", key, part),
            town.market.client(MODERATOR) as client,
        ):
            for path in ("/api/contracts/disputes", "/contracts/disputes"):
                said = await lists(client, path)
                assert whole.contract_id in said and strange.contract_id not in said
    async with (
        only_a_newer_release_reads(town.market, "fulfilment.executions", key, "state.orders"),
        town.market.client(whole.buyer) as client,
    ):
        for path in ("/contracts", "/contracts/due"):
            said = await lists(client, path)
            assert whole.contract_id in said
        assert whole.contract_id in await lists(client, f"/contracts/{whole.contract_id}/execution")
        await says_so(client, f"/contracts/{strange.contract_id}/execution")


async def test_a_suspended_supplier_finishes_what_it_owes(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order()
    supplier = work.supplier.organisation_id
    await town.tell(OrganisationStateChanged(organisation_id=supplier, state="suspended", reason="evasion"))
    query = "select state = 'suspended' as so from contracts.organisations where organisation_id = $1"

    async def known() -> bool:
        return bool((await town.market.fetch(query, supplier))[0]["so"])

    await town.market.eventually(known)
    await work.deliver()
    await work.assess(ALL)
    await work.invoice()
    assert (await work.confirm())[1]["status"] == "closed"


async def test_a_contract_that_is_terminated_by_agreement_counts_as_ended_and_stays_public(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order()
    proposal = {"kind": "termination", "reasons": "The mill burnt down"}
    assert (await work.tell(work.supplier, "ending", {**proposal, "ground": "payment-overdue"}))[1]["rule"] == (
        "ground-not-given"
    )
    assert (await work.tell(work.supplier, "ending", proposal))[1]["ending"]["due_at"]
    assert (await work.tell(work.supplier, "ending/answer", {"agrees": True}))[1]["rule"] == "act-of-other-party"
    read = {"proposed_at": (await work.shown())["ending"]["proposed_at"]}
    assert (await work.tell(work.supplier, "ending/withdrawal"))[1]["ending"] is None
    await work.tell(work.supplier, "ending", proposal)
    for who, what, body in ((work.buyer, "answer", {"agrees": True}), (work.supplier, "withdrawal", {})):
        assert (await work.tell(who, f"ending/{what}", body | read))[1]["rule"] == "another-proposed"
    read = {"proposed_at": (await work.shown())["ending"]["proposed_at"]}
    status, shown = await work.tell(work.buyer, "ending/answer", {"agrees": True, **read})
    assert (status, shown["status"], shown["how"], shown["due"]) == (201, "terminated", "agreement", [])
    (terminated,), (ended,) = await work.events(ContractTerminated), await work.events(ContractEnded)
    assert (terminated.by, ended.reason, ended.evasion) == ("supplier", "cancelled", False)
    assert (await town.read(None, f"/api/contracts/{work.contract_id}"))["state"] == "concluded"

    async def counted() -> bool:
        record = await town.read(None, f"/api/organisations/{work.supplier.organisation_id}/record")
        return bool(record["sides"][0]["counts"]["terminated"] == 1)

    assert await town.market.eventually(counted)


async def test_one_side_terminates_the_contract_after_a_breach_that_the_other_does_not_mend(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order(days=1)
    in_time(town, 31)
    body = {"kind": "termination", "ground": "delivery-overdue", "reasons": "The term begins"}
    assert (await work.tell(work.buyer, "ending", body))[0] == 201
    assert (await work.tell(work.supplier, "ending/answer", {"agrees": False, "words": "Tomorrow"}))[0] == 201
    in_time(town, 10 * 30 + 1)

    async def over() -> bool:
        return bool((await work.shown())["status"] == "terminated")

    assert await town.market.eventually(over)
