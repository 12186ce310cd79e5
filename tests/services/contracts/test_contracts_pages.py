"""Pages of contracts as a browser without scripts shows them."""

import pytest
from msgspec import structs

from events.contracts import PurchaseRequested
from infra.ids import new_id
from infra.tokens import Principal
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town, a_won_auction, an_offer
from tests.services.purchases.test_purchases_bought import bought


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def seen(town: Town, principal: Principal | None, path: str, **parameters: str) -> tuple[int, str]:
    async with town.market.browser(principal) as browser:
        answer = await browser.get(path, **parameters)
        return answer.status_code, answer.text


async def sent(town: Town, principal: Principal, path: str, **fields: object) -> tuple[int, str]:
    async with town.market.browser(principal) as browser:
        answer = await browser.post(path, fields)
        return answer.status_code, answer.text


async def test_signing_goes_from_turn_to_turn_until_everybody_reads_it(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    winner, path = town.suppliers[0], f"/contracts/{contract_id}"
    _, text = await seen(town, winner, "/contracts")
    assert "Sign the offer" in text and "Time left" in text
    _, text = await seen(town, town.school, "/contracts")
    assert "Nothing to sign" in text and "Paper for the term" in text
    for member, step, words in (
        (winner, "supplier-offer", "Sign the offer"),
        (town.school, "buyer-draft", "Send the draft"),
        (winner, "supplier-signature", "Sign the contract"),
    ):
        _, text = await seen(town, member, path)
        assert "It is your turn" in text and f"<button>{words}</button>" in text
        status, text = await sent(town, member, f"{path}/steps", step=step)
        assert (status, "It is your turn" in text) == (200, False) and "Your signature was recorded" in text
    status, text = await seen(town, None, path)
    assert status == 200 and "concluded" in text and "Supplier 1" in text and "member" not in text
    assert "480.00" in text and "800.00" in text
    _, text = await seen(town, None, "/contracts", q="paper FOR the")
    assert contract_id in text


async def test_a_draft_with_other_terms_from_a_second_tab_is_refused_with_the_present_terms(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    steps = f"/contracts/{contract_id}/steps"
    await sent(town, town.suppliers[0], steps, step="supplier-offer")
    draft = {"step": "buyer-draft", "delivery-place": "Moscow, gate 7"}
    for _ in range(2):
        status, text = await sent(town, town.school, steps, **draft)
        assert status == 200 and "Your signature was recorded" in text
    status, text = await sent(town, town.school, steps, **draft | {"delivery-place": "Perm"})
    assert status == 422 and "Moscow, gate 7" in text and "What you sent now changed nothing." in text
    assert "Your signature was recorded" not in text
    async with town.market.client(town.school) as client:
        body = {"step": "buyer-draft", "terms": [{"code": "delivery-place", "text": "Perm"}]}
        refused = await client.post(f"/api{steps}", json=body)
        assert (refused.status_code, refused.json()["rule"]) == (422, "done-otherwise")
        body["terms"] = [{"code": "delivery-place", "text": "Moscow, gate 7"}]
        assert (await client.post(f"/api{steps}", json=body)).status_code == 201


async def test_a_refusal_on_another_ground_from_a_second_tab_is_refused_with_the_first_ground(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    refusal = {"explanation": "No money this year", "confirmed": "on"}
    for _ in range(2):
        status, _ = await sent(town, town.school, f"/contracts/{contract_id}/refuse", **refusal)
        assert status == 200
    status, text = await sent(
        town, town.school, f"/contracts/{contract_id}/refuse", **refusal | {"explanation": "Found some"}
    )
    assert status == 422 and "that content counts: “No money this year”" in text
    async with town.market.client(town.school) as client:
        refused = await client.post(f"/api/contracts/{contract_id}/refuse", json={"explanation": "Found some"})
    assert (refused.status_code, refused.json()["rule"]) == (422, "done-otherwise")


async def test_a_step_with_a_character_that_cannot_be_shown_is_refused_beside_its_field(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    steps = f"/contracts/{contract_id}/steps"
    await sent(town, town.suppliers[0], steps, step="supplier-offer")
    status, text = await sent(town, town.school, steps, step="buyer-draft", requisites="Bank\u2028One")
    assert status == 422 and "has a character that cannot be shown" in text and "Bank\ufffdOne" in text


async def test_an_unsigned_contract_is_a_page_of_its_parties_only(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    observer = structs.replace(town.clinic, organisation_id=new_id(), roles=("observer",))
    expected = {None: 404, town.suppliers[1]: 404, town.clinic: 404, town.school: 200, observer: 200}
    for principal, status in expected.items():
        assert (await seen(town, principal, f"/contracts/{contract_id}"))[0] == status
    _, text = await seen(town, observer, f"/contracts/{contract_id}")
    assert "It is your turn" not in text and "Refuse" not in text
    assert (await sent(town, observer, f"/contracts/{contract_id}/steps", step="buyer-draft"))[0] == 403


async def test_the_refusal_of_a_step_of_the_other_side_names_its_rule(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    status, text = await sent(town, town.school, f"/contracts/{contract_id}/steps", step="supplier-offer")
    assert status == 422 and "is the supplier&#39;s" in text


async def test_a_refusal_about_no_field_of_the_form_is_shown_at_its_head(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    status, text = await sent(town, town.suppliers[0], f"/contracts/{contract_id}/steps", step="supplier-signature")
    assert status == 422 and "is not due now" in text


async def test_a_refusal_needs_words_and_a_tick_and_the_cascade_is_shown(town: Town) -> None:
    auction_id, contract_id = await a_won_auction(town)
    path = f"/contracts/{contract_id}/refuse"
    status, text = await sent(town, town.suppliers[0], path, explanation="Fire")
    assert status == 422 and "Tick the box" in text and "Fire" in text
    status, text = await sent(town, town.suppliers[0], path, confirmed="on")
    assert status == 422 and "is required" in text
    status, text = await sent(town, town.suppliers[0], path, explanation="Fire", confirmed="on")
    assert status == 200 and "refused by the supplier" in text and "Supplier 2" not in text
    _, second = await town.contracts(auction_id, count=2)
    _, text = await seen(town, town.school, f"/contracts/{second['contract_id']}")
    assert "Others who were asked" in text and "Supplier 1" in text and f'href="/contracts/{contract_id}"' in text
    _, text = await seen(town, town.suppliers[1], f"/contracts/{second['contract_id']}")
    assert "Supplier 1" in text and contract_id not in text
    await town.refuse(town.suppliers[1], second["contract_id"])
    _, text = await seen(town, town.school, "/contracts")
    assert "The bidder of rank 3 can be asked" in text
    status, text = await sent(town, town.school, f"/contracts/{second['contract_id']}/activate")
    assert status == 200 and "The next bidder was asked" in text and "Supplier 3" in text


async def test_contracts_of_one_process_are_found_by_it(town: Town) -> None:
    auction_id, contract_id = await a_won_auction(town)
    _, other = await a_won_auction(town)
    _, text = await seen(town, town.school, "/contracts", process=auction_id)
    assert contract_id in text and other not in text
    assert "No contract matches" in (await seen(town, None, "/contracts", process=auction_id))[1]


async def test_a_page_is_all_in_the_readers_language(town: Town) -> None:
    async with town.market.browser() as visitor:
        text = (await visitor.client.get("/contracts", headers={"accept-language": "ru"})).text
    assert '<html lang="ru">' in text and '<main id="main">' in text and "<h1>Контракты</h1>" in text


async def test_pages_without_anything_say_what_to_do_next(town: Town) -> None:
    status, text = await seen(town, town.clinic, "/contracts")
    assert status == 200 and "has no contract yet" in text


async def test_buying_shows_the_price_asks_once_and_is_answered(town: Town) -> None:
    offer = await an_offer(town)
    _, text = await seen(town, town.school, "/contracts/purchases/new", offer=offer.offer_id, quantity="100")
    assert "28\u202f000.00\u00a0RUB" in text and "Ask to buy" in text and "280" in text
    fields = {"offer_id": offer.offer_id, "quantity": "100", "region": "RU-MOW", "request_key": new_id()}
    for _ in range(2):
        status, text = await sent(town, town.school, "/contracts/purchases/new", **fields)
        assert status == 200 and "waits for the supplier" in text
    status, text = await sent(town, town.school, "/contracts/purchases/new", **fields | {"quantity": "150"})
    assert status == 422 and "with other content" in text and "Ask to buy" in text and fields["request_key"] not in text
    (purchase,) = await town.read(town.school, "/api/contracts/purchases")
    purchase_id = purchase["purchase_id"]
    assert len(await bought(town, purchase_id, PurchaseRequested)) == 1
    path = f"/contracts/purchases/{purchase_id}"

    async def listed(count: int) -> bool:
        return (await seen(town, town.suppliers[0], "/contracts"))[1].count("Answer the request") == count

    await town.market.eventually(lambda: listed(1))
    assert (await seen(town, town.suppliers[1], path))[0] == 404
    assert "Accept</button>" not in (await seen(town, town.school, path))[1]
    status, text = await sent(town, town.suppliers[0], f"{path}/answer", accept="perhaps")
    assert status == 422 and "Choose to accept or to refuse" in text
    status, text = await sent(town, town.suppliers[0], f"{path}/answer", accept="no", reason="x" * 5_000)
    assert status == 422 and 'class="error" id="reason-note"' in text
    status, text = await sent(town, town.suppliers[0], f"{path}/answer", accept="yes", reason="With pleasure")
    assert status == 200 and "With pleasure" in text and "Go to the contract" in text
    await town.market.eventually(lambda: listed(0))


async def test_what_cannot_be_bought_says_the_rule_and_the_numbers_beside_the_field(town: Town) -> None:
    offer = await an_offer(town)
    form = "/contracts/purchases/new"
    _, text = await seen(town, town.school, form, offer=offer.offer_id, quantity="9")
    assert "offer-not-available" in text and 'id="quantity-note"' in text and "Ask to buy" not in text
    assert text.count("The supplier sells no fewer than") == 1
    _, text = await seen(town, town.school, form, offer=offer.offer_id, quantity="many")
    assert "must be a number" in text and 'value="many"' in text
    status, text = await sent(town, town.school, form, offer_id=offer.offer_id, quantity="5000", region="RU-MOW")
    assert status == 422 and "purchase-above-ceiling" in text
    assert (await seen(town, town.school, form, offer=new_id()))[0] == 404
    assert (await seen(town, town.suppliers[0], form, offer=offer.offer_id))[0] == 403
