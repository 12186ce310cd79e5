"""Many proposals: cards, an organisation's part of the queue, and the queue itself are bounded, and the work for one
proposal does not depend on others."""

import asyncio
import re
from datetime import datetime
from typing import Any

import msgspec
import pytest

from catalogue.skus import MOST_CHARACTERS
from infra.ids import new_id
from infra.tokens import Principal
from services.catalogue.handlers.skus import MOST_AWAITING
from services.catalogue.store import proposals
from tests.market import Market
from tests.services.catalogue.market_builders import Stall, a_card
from tests.services.catalogue.test_catalogue_pages import form_at

LARGEST_ANSWER = 5_000_000
"""The most bytes of a page or an answer."""
CATEGORY = "39220000"


@pytest.fixture
def stall(market: Market) -> Stall:
    return Stall(market)


def a_fat_card(letters: int, **changes: Any) -> dict[str, Any]:
    """A card with a hundred attributes of this many letters each."""
    tag = new_id()[-6:]
    said = [" ".join(f"{tag}{place:x}{word:x}" for word in range(letters // 8))[:letters] for place in range(100)]
    attributes = [{"name": f"a{place}", "value": text} for place, text in enumerate(said)]
    return a_card(f"Fat {tag}", attributes=attributes, none_of_these=True) | changes


async def copies(stall: Stall, sku_id: str, number: int, card: dict[str, Any] | None = None) -> None:
    """Make this number of further cards like this one that await moderation; ``card`` may have content that only a
    former release accepted."""
    await stall.market.fetch(
        "insert into catalogue.skus (sku_id, version, state, category, proposed_by, proposer_name, proposed_at, decide_by, reasons, card)"
        " select sku_id || '-' || n, 1, 'moderation', category, proposed_by, proposer_name, proposed_at,"
        " decide_by - interval '1 year' + n * interval '1 second', '{}',"
        " card || coalesce($3::text::jsonb, '{}') || jsonb_build_object('sku_id', sku_id || '-' || n)"
        " from catalogue.skus, generate_series(1, $2) n where sku_id = $1",
        sku_id,
        number,
        msgspec.json.encode(card).decode() if card else None,
    )


async def decided(stall: Stall, sku_id: str) -> None:
    """Remove the copies from the queue."""
    await stall.market.fetch("update catalogue.skus set state = 'archived' where sku_id like $1", f"{sku_id}-%")


async def proposed(stall: Stall, who: Principal, name: str, **changes: Any) -> str:
    made = await stall.post(who, "/skus", a_card(name, none_of_these=True, **changes))
    assert made.status_code == 201, made.text
    sku_id: str = made.json()["sku"]["sku_id"]
    return sku_id


class TestBounds:
    async def test_a_value_of_an_attribute_is_bounded_at_the_door(self, stall: Stall) -> None:
        values = a_card("Panpipe")["attributes"]
        long = [{"name": "a", "value": "x" * 1_001}, *values]
        refused = await stall.post(stall.buyer, "/skus", a_card("Panpipe", attributes=long))
        assert (refused.status_code, refused.json()["field"]) == (422, "attributes.0.value")
        assert "1000" in refused.text.replace(",", "")
        fits = [{"name": "a", "value": "x" * 1_000}, *values]
        assert (await stall.post(stall.buyer, "/skus", a_card("Panpipe", attributes=fits))).status_code == 201

    async def test_a_whole_card_is_bounded(self, stall: Stall) -> None:
        refused = await stall.post(stall.buyer, "/skus", a_fat_card(900))
        assert (refused.status_code, refused.json()["rule"]) == (422, "card-too-long")
        assert str(MOST_CHARACTERS) in refused.json()["message"] and "shorten" in refused.json()["message"]

    @pytest.mark.parametrize(
        ("letters", "place", "said"), [(1_001, "free_value_0", "1000"), (900, "attributes", str(MOST_CHARACTERS))]
    )
    async def test_the_form_says_it_beside_the_text_or_the_attributes(
        self, stall: Stall, letters: int, place: str, said: str
    ) -> None:
        async with stall.market.browser(stall.buyer) as buyer:
            fields = await form_at(buyer, "/catalogue/new")
            fields |= {"name": "Panpipe", "category": "37000000", "base_unit": "C62", "pack_size": "1"}
            fields |= {f"free_name_{place}": f"a{place}" for place in range(30)}
            fields |= {f"free_value_{place}": "x" * letters for place in range(30)}
            shown = await buyer.post("/catalogue/new", fields)
        assert shown.status_code == 422
        told = re.search(f'<p class="error" id="{place}-note">([^<]*)', shown.text)
        assert told and said in re.sub(r"\D", "", told[1])

    async def test_a_card_of_a_former_release_stays_readable(self, stall: Stall) -> None:
        sku_id = await stall.published("Serpent of leather")
        fat = {"attributes": a_fat_card(8_500)["attributes"]}
        await stall.market.fetch(
            "update catalogue.skus set card = card || $2::text::jsonb where sku_id = $1",
            sku_id,
            msgspec.json.encode(fat).decode(),
        )
        read = await stall.get(f"/skus/{sku_id}")
        assert len(read["sku"]["attributes"][99]["value"]) > 8_000


class TestShare:
    async def test_an_organisation_has_a_share_of_the_queue_and_proposes_on_when_some_are_decided(
        self, stall: Stall
    ) -> None:
        first = await proposed(stall, stall.buyer, "Sackbut")
        await copies(stall, first, MOST_AWAITING - 1)
        key, another = new_id(), a_card("Sackbut, alto", none_of_these=True)
        refused = await stall.post(stall.buyer, "/skus", another, key)
        assert (refused.status_code, refused.json()["rule"]) == (422, "too-many-awaiting")
        assert refused.json()["numbers"] == {"awaiting": MOST_AWAITING, "most": MOST_AWAITING}
        other = await stall.supplier()
        assert (await stall.post(other, "/skus", another)).status_code == 201
        assert (await stall.post(stall.moderator, f"/skus/{first}-1/publish")).status_code == 200
        assert (await stall.post(stall.buyer, "/skus", another, key)).status_code == 201
        await decided(stall, first)

    async def test_two_at_once_do_not_pass_the_last_place_together(self, stall: Stall) -> None:
        first = await proposed(stall, stall.buyer, "Cornett")
        await copies(stall, first, MOST_AWAITING - 2)
        cards = [a_card(f"Cornett {new_id()}", none_of_these=True) for _ in range(5)]
        answers = await asyncio.gather(*(stall.post(stall.buyer, "/skus", card) for card in cards))
        assert sorted(each.status_code for each in answers) == [201, 422, 422, 422, 422]
        await decided(stall, first)


class TestComparing:
    async def test_an_ordinary_proposal_among_fat_cards_of_a_former_release(self, stall: Stall) -> None:
        first = await proposed(stall, await stall.supplier(), "Fat", category=CATEGORY)
        await copies(stall, first, 100, {"attributes": a_fat_card(8_500)["attributes"]})
        async with stall.market.resources.database.of("catalogue").transaction("catalogue") as tx:
            assert await proposals.comparable(tx, [], CATEGORY) == []
        names = [f"Ordinary glove {new_id()}" for _ in range(10)]
        cards = [a_card(name, category=CATEGORY) for name in names]
        answers = await asyncio.gather(*(stall.post(stall.buyer, "/skus", card) for card in cards))
        assert {each.status_code for each in answers} <= {201, 422}, [each.text for each in answers]
        await decided(stall, first)

    async def test_the_same_request_again_is_no_duplicate_of_itself(self, stall: Stall) -> None:
        key, card = new_id(), a_card(f"Crumhorn {new_id()}")
        first, again = [await stall.post(stall.buyer, "/skus", card, key) for _ in range(2)]
        assert (first.status_code, again.json()) == (201, first.json())


class TestQueue:
    async def test_it_is_read_part_by_part_and_nobody_is_left_out(self, stall: Stall) -> None:
        first = await proposed(stall, stall.buyer, "Rebec")
        await copies(stall, first, 45)
        async with stall.market.client(stall.moderator) as client:
            answer = await client.get("/api/catalogue/moderation")
            assert len(answer.json()) == 20
            total = int(answer.headers["x-total-count"])
            seen: list[dict[str, Any]] = []
            while part := (
                await client.get("/api/catalogue/moderation", params={"limit": 50, "offset": len(seen)})
            ).json():
                seen += part
            assert (await client.get("/api/catalogue/moderation", params={"limit": 51})).status_code == 422
        ids = [each["sku"]["sku_id"] for each in seen]
        assert len(ids) == len(set(ids)) == total >= 46
        assert {first, *(f"{first}-{number}" for number in range(1, 46))} <= set(ids)
        deadlines = [datetime.fromisoformat(each["decide_by"]) for each in seen]
        assert deadlines == sorted(deadlines)
        async with stall.market.browser(stall.moderator) as moderator:
            pages, path = [], "/catalogue/moderation"
            while path:
                number = path.partition("page=")[2]
                pages.append(
                    (await moderator.get("/catalogue/moderation", **({"page": number} if number else {}))).text
                )
                further = re.search(r'rel="next" href="([^"]+)"', pages[-1])
                path = further[1] if further else ""
            assert f"{total} SKUs to decide" in pages[0]
            assert len(pages) == -(-total // 20) and f"/skus/{first}/publish" in "".join(pages)
            beyond = await moderator.get("/catalogue/moderation", page="500")
            assert beyond.url.params["page"] == str(len(pages))
            assert f"Page {len(pages)} of {len(pages)}" in beyond.text
            shorter = await moderator.post(
                f"/catalogue/skus/{first}-45/return", {"version": "1", "page": "499", "reasons": " "}
            )
            assert shorter.status_code == 422 and f"Page {len(pages)} of" in shorter.text
            wrong = await moderator.post(
                f"/catalogue/skus/{first}-45/return", {"version": "1", "page": "2", "reasons": " "}
            )
            assert wrong.status_code == 422 and "Page 2 of" in wrong.text
            done = await moderator.post(f"/catalogue/skus/{first}-45/publish", {"version": "1", "page": "2"})
            assert "was published" in done.text and "Page 2 of" in done.text
        await decided(stall, first)

    async def test_the_fattest_cards_make_no_fat_page(self, stall: Stall) -> None:
        first = await proposed(stall, stall.buyer, "Shawm")
        fattest = a_card("Shawm", description='"' * 10_000, attributes=[{"name": "a", "value": "😀" * 9_000}])
        former = {"attributes": a_fat_card(8_500)["attributes"], "description": "x" * 10_000}
        for card in (fattest | {"pack_size": "1"}, former):
            await copies(stall, first, 50, card)
            async with stall.market.client(stall.moderator) as client:
                whole = await client.get("/api/catalogue/moderation", params={"limit": 50})
            async with stall.market.browser(stall.moderator) as moderator:
                page = await moderator.get("/catalogue/moderation")
            assert whole.status_code == page.status_code == 200
            assert len(whole.content) < LARGEST_ANSWER and len(page.content) < LARGEST_ANSWER
            assert f"{first}-1/publish" in page.text
            await stall.market.fetch("delete from catalogue.skus where sku_id like $1", f"{first}-%")
