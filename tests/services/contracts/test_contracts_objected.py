"""Objections, extensions, equivalents, security and disputed refusals on the real servers."""

from typing import Any

import pytest
from msgspec import structs

from events.contracts import (
    ContractConcluded,
    ContractEnded,
    ContractStepTaken,
    ObjectionAnswered,
    ObjectionFiled,
    OrganisationSanctioned,
    RefusalDisputed,
    RefusalDisputeDecided,
    StepExtended,
)
from infra.ids import new_id
from tests.market import Market
from tests.services.contracts.builders import a_line
from tests.services.contracts.market_builders import (
    Town,
    a_member,
    a_town,
    a_won_auction,
    an_auction,
    an_offer,
    in_time,
)
from tests.unreadable import lists, only_a_newer_release_reads, says_so

OFFER, DRAFT, SIGNATURE = "supplier-offer", "buyer-draft", "supplier-signature"
MODERATOR = a_member("Operator", "moderator")
POINTS = {
    "points": [
        {"code": "wording", "wanted": "In two copies", "reason": "One for the archive"},
        {"code": "delivery-place", "wanted": "At the gate", "reason": "No lorries in the yard", "line_id": "1"},
    ]
}
ANSWERS = {"number": 1, "answers": [{"number": 1, "accepted": True}, {"number": 2, "accepted": False, "reason": "No"}]}


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def a_draft(town: Town, **terms: str) -> tuple[str, str]:
    """Return (auction, contract) with the buyer's draft for the supplier."""
    auction_id, contract_id = await a_won_auction(town)
    assert (await town.step(town.suppliers[0], contract_id, OFFER))[0] == 201
    body = {"step": DRAFT, "terms": [{"code": code.replace("_", "-"), "text": text} for code, text in terms.items()]}
    status, told = await town.post(town.school, f"/api/contracts/{contract_id}/steps", body)
    assert status == 201, told
    return auction_id, contract_id


async def a_works_auction(town: Town, **changes: Any) -> tuple[str, str]:
    """Return a won auction with other particulars. The opening and the close are changed in the same way."""
    opened, *bids, closed = an_auction(town, amounts=("150000.00", "160000.00"))
    wanted = {name: value for name, value in changes.items() if name in opened.__struct_fields__}
    opened = structs.replace(opened, **wanted)
    closed = structs.replace(
        closed, **{name: value for name, value in changes.items() if name in closed.__struct_fields__}
    )
    await town.tell(opened, *bids, closed)
    (contract,) = await town.contracts(opened.auction_id)
    return opened.auction_id, contract["contract_id"]


async def test_an_objection_is_answered_and_the_new_draft_is_signed(town: Town) -> None:
    auction_id, contract_id = await a_draft(town, payment="Within 7 days", requisites="IBAN 7")
    path, supplier = f"/api/contracts/{contract_id}", town.suppliers[0]
    for _ in range(2):
        status, told = await town.post(supplier, f"{path}/objection", POINTS)
        assert (status, told["step"], told["waits_for"]) == (201, "buyer-answer", town.school.organisation_id)
    assert (await town.post(supplier, f"{path}/steps", {"step": SIGNATURE}))[1]["rule"] == "step-out-of-order"
    assert (await town.post(supplier, f"{path}/objection/answer", ANSWERS))[0] == 403
    assert (await town.post(town.clinic, f"{path}/objection/answer", ANSWERS))[0] == 404
    _, half = await town.post(town.school, f"{path}/objection/answer", {**ANSWERS, "answers": ANSWERS["answers"][:1]})
    assert half["rule"] == "answer-incomplete"
    for _ in range(2):
        status, told = await town.post(town.school, f"{path}/objection/answer", ANSWERS)
        assert (status, told["step"], told["version"]) == (201, SIGNATURE, 2)
    assert [draft["version"] for draft in told["drafts"]] == [1, 2]
    assert told["drafts"][1]["changed"] == [{"code": "wording", "text": "In two copies", "line_id": ""}]
    assert told["objections"][0]["answers"][1]["reason"] == "No"
    _, again = await town.post(supplier, f"{path}/objection", {"points": [{**POINTS["points"][0], "wanted": "Else"}]})
    assert again["rule"] == "objections-used-up"
    assert (await town.step(supplier, contract_id, SIGNATURE))[0] == 201
    (concluded,) = await town.events(ContractConcluded, auction_id)
    assert {term.code: term.text for term in concluded.terms}["wording"] == "In two copies"
    for kind in (ObjectionFiled, ObjectionAnswered):
        assert len(await town.events(kind, auction_id)) == 1
    public = await town.read(None, path)
    assert "requisites" not in {term["code"] for term in public["terms"]} and public["objections"] == []
    assert "requisites" in {term["code"] for term in (await town.read(supplier, path))["terms"]}


async def test_what_was_competed_is_not_objected_to_and_says_which_rule(town: Town) -> None:
    _, contract_id = await a_draft(town)
    body = {"points": [{"code": "price", "wanted": "900", "reason": "More"}]}
    status, told = await town.post(town.suppliers[0], f"/api/contracts/{contract_id}/objection", body)
    assert (status, told["rule"]) == (422, "competed-not-changeable")
    assert (await town.read(town.school, f"/api/contracts/{contract_id}"))["step"] == SIGNATURE


async def test_an_unanswered_objection_is_the_buyers_lapse(town: Town) -> None:
    auction_id, contract_id = await a_draft(town)
    await town.post(town.suppliers[0], f"/api/contracts/{contract_id}/objection", POINTS)
    in_time(town, 61)

    async def over() -> bool:
        return bool((await town.read(town.school, f"/api/contracts/{contract_id}"))["state"] == "ended")

    await town.market.eventually(over)
    (ended,) = await town.events(ContractEnded, auction_id)
    assert (ended.reason, ended.by, ended.justified) == ("lapsed", "buyer", False)


async def test_more_time_moves_the_timer_once_a_side(town: Town) -> None:
    auction_id, contract_id = await a_won_auction(town)
    path, supplier = f"/api/contracts/{contract_id}", town.suppliers[0]
    due = (await town.read(supplier, path))["due_at"]
    assert (await town.post(town.school, f"{path}/extension", {"step": OFFER}))[1]["rule"] == "step-of-other-party"
    for _ in range(2):
        status, told = await town.post(supplier, f"{path}/extension", {"step": OFFER})
        assert (status, told["due_at"] > due, told["choices"]["extends_until"]) == (201, True, None)
    (extended,) = await town.events(StepExtended, auction_id)
    assert (extended.due_at - extended.was_due_at).total_seconds() == 3600  # two of the rehearsal's working days
    in_time(town, 31)
    assert (await town.step(supplier, contract_id, OFFER))[0] == 201
    await town.step(town.school, contract_id, DRAFT)
    status, told = await town.post(supplier, f"{path}/extension", {"step": SIGNATURE})
    assert (status, told["rule"]) == (422, "extension-used-up")


async def test_equivalents_are_named_taken_or_refused_and_concluded(town: Town) -> None:
    lines = tuple(a_line(str(number), "30000.00") for number in range(1, 6))
    offer = await an_offer(town)
    auction_id, contract_id = await a_works_auction(town, equivalents=True, lines=lines)
    path, supplier = f"/api/contracts/{contract_id}", town.suppliers[0]

    async def named(**equivalent: str) -> tuple[int, Any]:
        body = {"step": OFFER, "equivalents": [{"line_id": "1", "quantity": "20", **equivalent}]}
        return await town.post(supplier, f"{path}/steps", body)

    assert (await named(description="Recycled", quantity="21"))[1]["rule"] == "equivalent-too-much"
    assert (await named(sku_id=new_id()))[1]["rule"] == "unknown-sku"
    assert (await named(sku_id=offer.sku_id))[1]["rule"] == "equivalent-other-unit"  # sold by the ream
    body = {
        "step": OFFER,
        "equivalents": [
            {"line_id": "1", "quantity": "20", "description": "Recycled"},
            {"line_id": "2", "quantity": "5.5", "description": "Grey"},
        ],
    }
    for _ in range(2):
        status, told = await town.post(supplier, f"{path}/steps", body)
        assert (status, told["step"], len(told["equivalents"])) == (201, DRAFT, 2)
    refusal = {"step": DRAFT, "refused_equivalents": {"2": ""}}
    assert (await town.post(town.school, f"{path}/steps", refusal))[1]["rule"] == "equivalent-refusal-unexplained"
    refusal["refused_equivalents"] = {"2": "Unreadable"}
    status, told = await town.post(town.school, f"{path}/steps", refusal)
    assert (status, [each["refused"] for each in told["equivalents"]]) == (201, ["", "Unreadable"])
    await town.step(supplier, contract_id, SIGNATURE)
    (concluded,) = await town.events(ContractConcluded, auction_id)
    assert [(each.line_id, each.description) for each in concluded.equivalents] == [("1", "Recycled")]
    assert [each["line_id"] for each in (await town.read(None, path))["equivalents"]] == ["1"]


async def test_works_are_signed_with_a_security_that_both_sides_see(town: Town) -> None:
    auction_id, contract_id = await a_works_auction(town, kind="works")
    path, supplier = f"/api/contracts/{contract_id}", town.suppliers[0]
    await town.step(supplier, contract_id, OFFER)
    _, told = await town.step(town.school, contract_id, DRAFT)
    assert told["security_due"] == "10000" and told["security"] is None
    until = (await town.read(supplier, path))["choices"]["security_valid_from"]
    assert (await town.step(supplier, contract_id, SIGNATURE))[1]["rule"] == "security-missing"
    security = {"kind": "deposit", "reference": "P-7", "amount": "9999.99", "valid_until": until}
    body = {"step": SIGNATURE, "security": security}
    assert (await town.post(supplier, f"{path}/steps", body))[1]["rule"] == "security-too-small"
    body["security"] = {**security, "amount": "10000"}
    for _ in range(2):
        status, told = await town.post(supplier, f"{path}/steps", body)
        assert (status, told["state"], told["security"]["reference"]) == (201, "concluded", "P-7")
    (concluded,) = await town.events(ContractConcluded, auction_id)
    assert concluded.security is not None and concluded.kind == "works"
    assert (await town.read(town.school, path))["security"]["kind"] == "deposit"
    assert (await town.read(None, path))["security"] is None
    taken = await town.events(ContractStepTaken, auction_id)
    assert [each.security is not None for each in taken] == [False, False, True]


async def refused(town: Town, by: Any, contract_id: str, **fields: str) -> tuple[int, Any]:
    body = {"explanation": "Our mill burnt down", **fields}
    return await town.post(by, f"/api/contracts/{contract_id}/refuse", body)


async def a_justified_refusal(town: Town) -> tuple[str, str]:
    auction_id, contract_id = await a_won_auction(town)
    status, told = await refused(
        town, town.suppliers[0], contract_id, ground="force-majeure", evidence="Fire brigade, No. 7"
    )
    assert (status, told["ending"]["justified"]) == (201, True), told
    return auction_id, contract_id


async def counted(town: Town, principal: Any, **counts: int) -> None:
    async def there() -> bool:
        found = await town.read(None, f"/api/organisations/{principal.organisation_id}/record")
        return bool(found != 404 and found["sides"][0]["counts"].items() >= counts.items())

    await town.market.eventually(there)


async def test_a_ground_is_of_the_list_and_shown_with_its_evidence(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    supplier = town.suppliers[0]
    grounds = (await town.read(supplier, f"/api/contracts/{contract_id}"))["choices"]["grounds"]
    assert {"force-majeure", "cannot-deliver"} <= {ground["code"] for ground in grounds}
    assert (await refused(town, supplier, contract_id, ground="bored"))[1]["rule"] == "ground-not-listed"
    assert (await refused(town, supplier, contract_id, ground="force-majeure"))[1]["rule"] == "evidence-missing"
    status, told = await refused(town, supplier, contract_id, ground="force-majeure", evidence="Fire brigade, No. 7")
    assert (status, told["ending"]["evidence"], told["ending"]["evasion"]) == (201, "Fire brigade, No. 7", False)
    assert (await refused(town, supplier, contract_id))[1]["rule"] == "contract-over"  # the next bidder was asked
    dispute = told["ending"]["dispute"]
    assert (dispute["may_dispute"], dispute["decision"]) == (False, None)
    assert (await town.read(town.school, f"/api/contracts/{contract_id}"))["ending"]["dispute"]["may_dispute"]


async def test_a_ground_that_does_not_hold_counts_as_the_evasion_it_was(town: Town) -> None:
    supplier = town.suppliers[0]
    process_id, contract_id = await a_justified_refusal(town)
    path, body = f"/api/contracts/{contract_id}/refusal", {"reasons": "It still delivers"}
    assert (await town.post(town.suppliers[1], f"{path}/dispute", body))[0] == 404
    assert (await town.post(supplier, f"{path}/dispute", body))[1]["rule"] == "not-the-other-side"
    assert (await town.post(town.school, f"{path}/dispute", {"reasons": " "}))[1]["rule"] == "dispute-unexplained"
    for _ in range(2):
        status, told = await town.post(town.school, f"{path}/dispute", body)
        assert (status, told["ending"]["dispute"]["reasons"]) == (201, "It still delivers")
    queue = await town.read(MODERATOR, "/api/contracts/refusals")
    (mine,) = [each for each in queue if each["contract_id"] == contract_id]
    assert (mine["refused_by"], mine["evidence"], mine["overdue"]) == ("supplier", "Fire brigade, No. 7", False)
    verdict = {"decision": "unjustified", "explanation": "No fire was seen"}
    assert (await town.post(town.school, f"{path}/decision", verdict))[0] == 403
    for _ in range(2):
        status, told = await town.post(MODERATOR, f"{path}/decision", verdict)
        assert (status, told["ending"]["dispute"]["decision"]) == (201, "unjustified")
    _, other = await town.post(MODERATOR, f"{path}/decision", {**verdict, "decision": "justified"})
    assert other["rule"] == "decided-otherwise"
    await counted(town, supplier, evaded=1)
    for kind in (RefusalDisputed, RefusalDisputeDecided):
        assert len(await town.events(kind, process_id)) == 1
    (decided,) = await town.events(RefusalDisputeDecided, process_id)
    await town.tell(decided)
    for _ in range(2):
        _, contract_id = await a_won_auction(town)
        await town.refuse(supplier, contract_id)
    await counted(town, supplier, evaded=3)

    async def suspended() -> list[Any]:
        found = await town.market.published("conduct", OrganisationSanctioned)
        return [each for each in found if each.organisation_id == supplier.organisation_id]

    (sanction,) = await town.market.eventually(suspended)
    assert decided.contract_id in sanction.contract_ids


async def test_a_ground_that_holds_or_is_not_disputed_counts_for_nothing(town: Town) -> None:
    supplier = town.suppliers[0]
    _, contract_id = await a_justified_refusal(town)
    path = f"/api/contracts/{contract_id}/refusal"
    await town.post(town.school, f"{path}/dispute", {"reasons": "It still delivers"})
    await town.post(MODERATOR, f"{path}/decision", {"decision": "justified", "explanation": "It burnt"})
    _, undisputed = await a_justified_refusal(town)
    in_time(town, 151)
    _, late = await town.post(town.school, f"/api/contracts/{undisputed}/refusal/dispute", {"reasons": "Late"})
    assert late["rule"] == "dispute-overdue"
    _, kept = await a_won_auction(town)
    await town.refuse(supplier, kept)
    await counted(town, supplier, evaded=1)


async def test_a_refusal_that_cannot_be_read_does_not_hide_the_others_in_the_queue(town: Town) -> None:
    whole, strange = [(await a_justified_refusal(town))[1] for _ in range(2)]
    for each in (whole, strange):
        path = f"/api/contracts/{each}/refusal/dispute"
        assert (await town.post(town.school, path, {"reasons": "It still delivers"}))[0] == 201
    async with (
        only_a_newer_release_reads(town.market, "contracts.refusals", ("contract_id", strange), "state.ended"),
        town.market.client(MODERATOR) as client,
    ):
        for path in ("/api/contracts/refusals", "/contracts/refusals"):
            said = await lists(client, path)
            assert whole in said and strange not in said
        await lists(client, "/contracts")
        await says_so(client, f"/contracts/{strange}")


async def test_a_buyer_without_money_is_not_suspended_and_one_without_need_is(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    status, told = await refused(town, town.school, contract_id, ground="funding-withdrawn", evidence="Decree 7")
    assert (status, told["ending"]["by"], told["ending"]["justified"]) == (201, "buyer", True)
    _, contract_id = await a_won_auction(town)
    status, told = await refused(town, town.school, contract_id, ground="need-gone")
    assert (status, told["ending"]["dispute"]) == (201, None)
    await counted(town, town.school, refused=1)


async def seen(town: Town, principal: Any, path: str) -> str:
    async with town.market.browser(principal) as browser:
        return str((await browser.get(path)).text)


async def sent(town: Town, principal: Any, path: str, **fields: str) -> tuple[int, str]:
    async with town.market.browser(principal) as browser:
        answer = await browser.post(path, {name.replace("_", "-"): value for name, value in fields.items()})
        return answer.status_code, answer.text


async def test_a_form_that_cannot_be_read_says_so_beside_its_field_and_keeps_what_was_typed(town: Town) -> None:
    _, contract_id = await a_works_auction(town, kind="works", equivalents=True)
    path, supplier = f"/contracts/{contract_id}", town.suppliers[0]
    status, text = await sent(town, supplier, f"{path}/steps", step=OFFER, equivalent_1="many", stand_in_1="Grey")
    assert status == 422 and "must be a number" in text and 'value="many"' in text
    assert (await sent(town, supplier, f"{path}/steps", step=OFFER, equivalent_1="12,5", stand_in_1="Grey"))[0] == 200
    status, text = await sent(town, town.school, f"{path}/steps", step=DRAFT, payment="x" * 2001)
    assert status == 422 and "2\u202f000 characters" in text
    status, text = await sent(town, town.school, f"{path}/steps", step=DRAFT, delivery_time="31.12.2099")
    assert status == 422 and "The end of performance must be a date" in text
    status, text = await sent(town, town.school, f"{path}/steps", step=DRAFT, refuse_1="yes", refused_1="Too grey")
    assert status == 200 and "not taken" in text
    status, text = await sent(town, supplier, f"{path}/steps", step=SIGNATURE, security_amount="much")
    assert status == 422 and "must be a number, such as 12.50" in text
    status, text = await sent(town, supplier, f"{path}/steps", step=SIGNATURE, security_amount="10000")
    assert status == 422 and "is required" in text
    status, text = await sent(town, supplier, f"{path}/objection", code_1="wording", wanted_1="x" * 2001, reason_1="y")
    assert status == 422 and "more than 2\u202f000 characters" in text
    status, text = await sent(town, supplier, f"{path}/objection", code_1="price", wanted_1="More", reason_1="Steel")
    assert status == 422 and "was fixed before the draft" in text and "Steel" in text
    status, text = await sent(
        town, supplier, f"{path}/objection", code_1="wording", wanted_1="In two copies", reason_1="y"
    )
    assert status == 200 and "Your objection was filed" in text
    status, text = await sent(town, town.school, f"{path}/objection/answer", number="1", reason_1="x" * 2001)
    assert status == 422 and "more than 2\u202f000 characters" in text
    status, text = await sent(town, town.school, f"{path}/objection/answer", number="one")
    assert status == 422 and "There is no protocol 0" in text
    status, text = await sent(town, town.school, f"{path}/objection/answer", number="1")
    assert status == 422 and "gets one answer" in text


async def test_everybody_reads_the_signed_terms_and_only_the_sides_the_rest(town: Town) -> None:
    _, contract_id = await a_draft(town, payment="Within 7 days", requisites="IBAN 7")
    path, supplier = f"/contracts/{contract_id}", town.suppliers[0]
    await town.post(supplier, f"/api{path}/objection", POINTS)
    await town.post(town.school, f"/api{path}/objection/answer", ANSWERS)
    await town.step(supplier, contract_id, SIGNATURE)
    public = await seen(town, None, path)
    assert "Within 7 days" in public and "In two copies" in public
    for secret in ("IBAN 7", "Protocol of disagreement", "One for the archive", "Earlier versions"):
        assert secret not in public and secret in await seen(town, town.school, path)
    assert "cannot be objected to now" in await seen(town, supplier, f"{path}/objection")


async def test_a_moderator_decides_on_its_page(town: Town) -> None:
    _, contract_id = await a_justified_refusal(town)
    path = f"/contracts/{contract_id}/refusal"
    status, text = await sent(town, town.school, f"{path}/dispute", reasons=" ")
    assert status == 422 and "Say why the ground does not hold" in text
    assert (
        "You disputed the refusal."
        in (await sent(town, town.school, f"{path}/dispute", reasons="It still delivers"))[1]
    )
    status, text = await sent(town, town.school, f"{path}/dispute", reasons="It delivers, I say")
    assert status == 422 and "This refusal was disputed already" in text
    assert "It still delivers" in await seen(town, MODERATOR, "/contracts/refusals")
    assert "/contracts/refusals" in await seen(town, MODERATOR, "/contracts")
    status, text = await sent(town, MODERATOR, f"{path}/decision", explanation="x")
    assert status == 422 and "Choose one of the two" in text
    status, text = await sent(town, MODERATOR, f"{path}/decision", decision="justified", explanation="")
    assert status == 422 and "Say why you decide so." in text
    status, text = await sent(town, MODERATOR, f"{path}/decision", decision="justified", explanation="It burnt")
    assert status == 200 and "justified: no penalty" in text and path not in text
    assert "It burnt" in await seen(town, town.school, f"/contracts/{contract_id}")
    status, text = await sent(town, MODERATOR, f"{path}/decision", decision="unjustified", explanation="It did not")
    assert status == 422 and "The refusal was found justified already." in text
