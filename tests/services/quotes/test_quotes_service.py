"""Quick quotes on the real servers: requested, sealed, chosen; what is refused, repeated or arrives late; and that
nothing leaks."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalogue.units import base_unit
from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.catalogue import SkuPublished
from events.contracts import ContractConcluded, ContractDrafted, ContractEnded
from events.observatory import ReferencePricePublished
from events.quotes import QuoteDisclosed, QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from events.values import Category, Place
from infra.health import HEALTH, PartState
from infra.ids import new_id
from infra.tokens import Principal
from services.quotes import views
from tests.market import Market
from tests.policies import in_force
from tests.unreadable import lists, only_a_newer_release_reads

MOSCOW = Place(country="RU", region="RU-MOW", locality="Moscow")
PAPER = Category(code="30197630", title="Printing paper")
WHY = "It delivers before the term begins"
PRICES = {"dear": "7654.31", "cheap": "6543.21"}
"""The prices of one unit. Two units are wanted."""
SECRETS = ("7654.31", "15308.62", "6543.21", "13086.42", "soft paper")
"""Digits and words of the quotes, in every way in which they may be written."""


SPACES = str.maketrans("", "", "\u202f\u00a0,. ")
"""The characters that a language may put between digits."""


def digits_of(amount: str) -> str:
    return amount.translate(SPACES)


def a_member(role: str, name: str = "", organisation_id: str = "") -> Principal:
    organisation_id = organisation_id or new_id()
    return Principal(
        member_id=f"m-{organisation_id}",
        name=f"Somebody of {organisation_id}",
        organisation_id=organisation_id,
        organisation_name=name or f"Organisation {organisation_id}",
        roles=(role,),
        country="RU",
        region="RU-MOW",
    )


async def registered(market: Market, role: str, kind: str) -> Principal:
    member = a_member(role)
    await market.publish(
        OrganisationRegistered(
            organisation_id=member.organisation_id,
            roles=(kind,),
            name=member.organisation_name,
            place=MOSCOW,
            time_zone="Europe/Moscow",
        )
    )
    await market.eventually(
        lambda: market.fetch("select 1 from quotes.organisations where organisation_id = $1", member.organisation_id)
    )
    return member


async def a_buyer(market: Market) -> Principal:
    return await registered(market, "buyer_officer", "buyer")


async def a_supplier(market: Market) -> Principal:
    return await registered(market, "supplier_agent", "supplier")


async def a_sku(market: Market, reference: str = "") -> str:
    sku_id = new_id()
    await market.publish(
        SkuPublished(
            sku_id=sku_id,
            version=1,
            name=f"Paper A4 {sku_id[-6:]}",
            category=PAPER,
            attributes=(),
            base_unit="H87",
            pack_size=Decimal(1),
        )
    )
    if reference:
        await market.publish(
            ReferencePricePublished(
                item_key=sku_id,
                reference_id=new_id(),
                version=1,
                sku_id=sku_id,
                title="Paper",
                category=PAPER,
                unit=base_unit("H87").code,
                currency="RUB",
                level="region",
                place_code="RU-MOW",
                median=Decimal(reference),
                p25=Decimal(reference),
                p75=Decimal(reference),
                observations=9,
                suppliers=4,
                variation=Decimal(5),
                grade="A",
                valued_at=datetime(2026, 11, 1, tzinfo=UTC),
            )
        )
        await market.eventually(lambda: market.fetch("select 1 from quotes.reference_prices where sku_id = $1", sku_id))
    await market.eventually(lambda: market.fetch("select 1 from quotes.skus where sku_id = $1", sku_id))
    return sku_id


def a_text_line(**changes: Any) -> dict[str, Any]:
    return {"description": "Paper A4", "category": "30197630", "unit": "piece", "quantity": "2"} | changes


def asking(market: Market, **changes: Any) -> dict[str, Any]:
    return {
        "title": "Paper for the reading room",
        "lines": [a_text_line()],
        "closes_at": (market.clock() + timedelta(minutes=10)).isoformat(),
        "requirements": "White",
    } | changes


def quoting(price: str, **changes: Any) -> dict[str, Any]:
    return {"prices": {"1": price}, "delivery_days": 3, "vat_rate": "20"} | changes


async def asked(market: Market, buyer: Principal, **changes: Any) -> str:
    async with market.client(buyer) as client:
        answer = await client.post("/api/quotes", json=asking(market, **changes))
    assert answer.status_code == 201, answer.text
    request_id: str = answer.json()["request_id"]
    return request_id


async def quote(market: Market, request_id: str, supplier: Principal, price: str, **changes: Any) -> httpx.Response:
    key = changes.pop("key", new_id())
    async with market.client(supplier) as client:
        return await client.post(
            f"/api/quotes/{request_id}/mine", json=quoting(price, **changes), headers={"idempotency-key": key}
        )


async def seen(market: Market, request_id: str, reader: Principal | None = None) -> dict[str, Any]:
    async with market.client(reader) as client:
        answer = await client.get(f"/api/quotes/{request_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def in_stage(market: Market, request_id: str, *stages: str) -> None:
    async def reached() -> bool:
        return bool((await seen(market, request_id))["status"] in stages)

    await market.eventually(reached)


async def two_quotes(market: Market) -> tuple[str, Principal, Principal, Principal]:
    """Return (request, buyer, the expensive and fast supplier, the cheap one); both quotes are sealed."""
    buyer, dear, cheap = await a_buyer(market), await a_supplier(market), await a_supplier(market)
    request_id = await asked(market, buyer)
    for supplier, price, comment in ((dear, PRICES["dear"], "Very soft paper"), (cheap, PRICES["cheap"], "")):
        answer = await quote(market, request_id, supplier, price, comment=comment)
        assert answer.status_code == 200, answer.text
    return request_id, buyer, dear, cheap


async def to_choose(market: Market) -> tuple[str, Principal, Principal, Principal]:
    found = await two_quotes(market)
    market.clock.advance(timedelta(minutes=11))
    await in_stage(market, found[0], "choosing")
    return found


async def number_of(market: Market, request_id: str, supplier: Principal) -> int:
    mine = (await seen(market, request_id, supplier))["mine"]
    return int(mine["participant"])


async def choice(
    market: Market, request_id: str, buyer: Principal, participant: int, justification: str = ""
) -> httpx.Response:
    body = {"participant": participant, "justification": justification}
    async with market.client(buyer) as client:
        return await client.post(f"/api/quotes/{request_id}/choice", json=body)


class TestOpening:
    async def test_an_opened_request_is_published_and_everybody_can_read_it(self, market: Market) -> None:
        buyer = await a_buyer(market)
        sku_id = await a_sku(market)
        request_id = await asked(market, buyer, lines=[{"sku_id": sku_id, "quantity": "5"}])
        shown = await seen(market, request_id)
        assert (shown["status"], shown["quotes"], shown["buyer_id"]) == ("open", 0, buyer.organisation_id)
        assert shown["place"]["region"] == "RU-MOW" and shown["participants"] is None and shown["mine"] is None
        told = [each for each in await market.published("quotes", QuoteRequestOpened) if each.request_id == request_id]
        assert [line.sku_id for line in told[0].lines] == [sku_id] and told[0].lines[0].unit_price is None
        async with market.client() as client:
            found = (await client.get("/api/quotes", params={"group": "open", "q": "reading paper"})).json()
        assert request_id in {each["request_id"] for each in found["requests"]}

    async def test_a_repeat_opens_one(self, market: Market) -> None:
        buyer, key, wanted = await a_buyer(market), {"idempotency-key": new_id()}, asking(market)
        async with market.client(buyer) as client:
            answers = [await client.post("/api/quotes", json=wanted, headers=key) for _ in range(2)]
            edited = await client.post("/api/quotes", json=wanted | {"title": "Edited"}, headers=key)
        assert len({answer.json()["request_id"] for answer in answers}) == 1
        assert (edited.status_code, edited.json()["rule"]) == (422, "idempotency-key-reused")

    async def test_a_request_that_breaks_a_rule_is_refused_with_the_rule(self, market: Market) -> None:
        buyer = await a_buyer(market)
        soon = (market.clock() + timedelta(minutes=1)).isoformat()
        past = (market.clock() - timedelta(minutes=1)).isoformat()
        stranger = a_member("buyer_officer")
        for member, changes, rule in (
            (buyer, {"closes_at": soon}, "deadline-too-soon"),
            (buyer, {"closes_at": past}, "deadline-in-the-past"),
            (buyer, {"lines": [a_text_line(quantity="-2")]}, "line-quantity-not-positive"),
            (buyer, {"lines": [{"sku_id": new_id(), "quantity": "1"}]}, "sku-not-published"),
            (buyer, {"region": "RU-NOWHERE"}, "unknown-region"),
            (buyer, {"lines": [a_text_line(category="banana")]}, "malformed-category"),
            (buyer, {"lines": [a_text_line(category="99")]}, "unknown-division"),
            (buyer, {"lines": [a_text_line(unit="4L")]}, "unknown-unit"),
            (stranger, {}, "buyer-not-active"),
        ):
            async with market.client(member) as client:
                answer = await client.post("/api/quotes", json=asking(market, **changes))
            assert (answer.status_code, answer.json()["rule"]) == (422, rule)


class TestQuoting:
    async def test_versions_are_kept_and_a_repeat_makes_none(self, market: Market) -> None:
        buyer, supplier = await a_buyer(market), await a_supplier(market)
        request_id, key = await asked(market, buyer), new_id()
        for _ in range(2):
            assert (await quote(market, request_id, supplier, "10", key=key)).json()["mine"]["version"] == 1
        edited = await quote(market, request_id, supplier, "9", key=key)
        assert (edited.status_code, edited.json()["rule"]) == (422, "idempotency-key-reused")
        changed = (await quote(market, request_id, supplier, "9.5")).json()["mine"]
        assert (changed["version"], changed["amount"]) == (2, "19.00")
        # it arrives late
        assert (await quote(market, request_id, supplier, "10", key=key)).json()["mine"]["version"] == 2
        async with market.client(supplier) as client:
            gone = (await client.delete(f"/api/quotes/{request_id}/mine")).json()
        assert (gone["mine"]["withdrawn"], gone["quotes"]) == (True, 0)
        assert (await quote(market, request_id, supplier, "8")).json()["mine"]["version"] == 4
        rows = await market.fetch(
            "select version, body->>'amount' as amount from quotes.versions where request_id = $1 order by version",
            request_id,
        )
        assert [(row["version"], row["amount"]) for row in rows] == [
            (1, "20.00"),
            (2, "19.00"),
            (3, "19.00"),
            (4, "16.00"),
        ]

    async def test_the_buyer_a_stranger_and_who_is_suspended_are_refused(self, market: Market) -> None:
        buyer, suspended = await a_buyer(market), await a_supplier(market)
        request_id = await asked(market, buyer)
        await market.publish(
            OrganisationStateChanged(
                organisation_id=suspended.organisation_id,
                state="suspended",
                reason="evasion",
                until=market.clock() + timedelta(days=90),
            )
        )
        await market.eventually(
            lambda: market.fetch(
                "select 1 from quotes.organisations where organisation_id = $1 and state = 'suspended'",
                suspended.organisation_id,
            )
        )
        stranger = a_member("supplier_agent")
        for member, rule in ((suspended, "supplier-not-active"), (stranger, "not-a-supplier")):
            answer = await quote(market, request_id, member, "10")
            assert (answer.status_code, answer.json()["rule"]) == (422, rule)
        assert (await quote(market, request_id, buyer, "10")).status_code == 403
        assert (await seen(market, request_id))["quotes"] == 0

    async def test_at_the_deadline_it_is_refused_by_name(self, market: Market) -> None:
        request_id, _, dear, _ = await to_choose(market)
        answer = await quote(market, request_id, dear, "1")
        assert (answer.status_code, answer.json()["rule"]) == (422, "quoting-over")

    async def test_quotes_at_the_same_time_are_all_taken_in(self, market: Market) -> None:
        buyer = await a_buyer(market)
        suppliers = [await a_supplier(market) for _ in range(6)]
        request_id = await asked(market, buyer)
        answers = await asyncio.gather(
            *(quote(market, request_id, each, str(10 + n)) for n, each in enumerate(suppliers * 2))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert (await seen(market, request_id))["quotes"] == 6

    async def test_a_quote_on_a_request_that_does_not_exist_is_not_found(self, market: Market) -> None:
        supplier = await a_supplier(market)
        assert (await quote(market, new_id(), supplier, "1")).status_code == 404


class TestSealed:
    async def test_before_the_deadline_nobody_but_the_supplier_sees_prices_or_who(self, market: Market) -> None:
        request_id, buyer, dear, cheap = await two_quotes(market)
        names = {supplier: (supplier.organisation_id, supplier.organisation_name) for supplier in (dear, cheap)}
        readers = (None, buyer, a_member("observer"), a_member("moderator"), a_member("administrator"), cheap)
        for reader in readers:
            async with market.client(reader) as client:
                texts = [(await client.get(path)).text for path in (f"/api/quotes/{request_id}", "/api/quotes")]
            async with market.browser(reader) as browser:
                for path in (f"/quotes/{request_id}", "/quotes", "/quotes?group=all"):
                    texts.append((await browser.get(path)).text)
                texts.append(await first_push(market, reader, request_id))
            hidden = [*SECRETS, *names[dear]] if reader is cheap else [*SECRETS, *names[dear], *names[cheap]]
            if reader is cheap:
                hidden = [word for word in hidden if word not in ("6543.21", "13086.42")]
            for text in texts:
                assert request_id in text or "2 quotes" in text or ">2 <" in text
                assert not [word for word in hidden if word in text.replace("\u202f", "")], reader
            assert (await seen(market, request_id, reader))["quotes"] == 2

    async def test_no_event_is_about_a_quote_before_the_deadline(self, market: Market) -> None:
        request_id, *_ = await two_quotes(market)
        rows = await market.fetch("select envelope, data from quotes.outbox where envelope like $1", f"%{request_id}%")
        assert len(rows) == 1 and QuoteRequestOpened.TYPE in rows[0]["envelope"]
        assert not [word for word in SECRETS if word.encode() in rows[0]["data"]]

    async def test_a_comment_that_goes_on_says_so_and_leads_to_the_whole(self, market: Market) -> None:
        buyer = await a_buyer(market)
        request_id = await asked(market, buyer)
        comments = {"a" * 300: "5", "b" * 299 + " " + "b" * 50: "6"}
        for comment, price in comments.items():
            supplier = await a_supplier(market)
            assert (await quote(market, request_id, supplier, price, comment=comment)).status_code == 200
        market.clock.advance(timedelta(minutes=11))
        await in_stage(market, request_id, "choosing")
        number = await number_of(market, request_id, supplier)
        async with market.browser(buyer) as browser:
            page = (await browser.get(f"/quotes/{request_id}")).text
        whole = f'<a href="/quotes/{request_id}/participants/{number}">The whole comment</a>'
        assert "“" + "a" * 300 + "”" in page and "“" + "b" * 299 + "…” " + whole in page
        assert page.count("The whole comment") == 1

    async def test_the_buyer_sees_participants_without_names_and_nobody_else_does(self, market: Market) -> None:
        request_id, buyer, dear, cheap = await to_choose(market)
        names = (dear.organisation_id, dear.organisation_name, cheap.organisation_id, cheap.organisation_name)
        async with market.browser(buyer) as browser:
            page = (await browser.get(f"/quotes/{request_id}")).text
        shown = await seen(market, request_id, buyer)
        assert [each["amount"] for each in shown["participants"]] == ["13086.42", "15308.62"]
        assert {each["number"] for each in shown["participants"]} == {1, 2}
        assert [each["comment"] for each in shown["participants"]] == ["", "Very soft paper"]
        assert "13\u202f086.42" in page and not [name for name in names if name in page or name in str(shown)]
        number = await number_of(market, request_id, dear)
        async with market.client(buyer) as client, market.browser(buyer) as browser:
            one = (await client.get(f"/api/quotes/{request_id}/participants/{number}")).json()
            assert (one["comment"], one["lines"][0]["unit_price"]) == ("Very soft paper", PRICES["dear"])
            line_by_line = (await browser.get(f"/quotes/{request_id}/participants/{number}")).text
            assert "Very soft paper" in line_by_line and one["lines"][0]["description"] in line_by_line
            assert f"/quotes/{request_id}/participants/{number}" in page and not [n for n in names if n in line_by_line]
            assert (await browser.get(f"/quotes/{request_id}/participants/3")).status_code == 404
            assert '<td class="num" data-label="Quantity">2 piece</td>' in line_by_line, (
                "price by quantity is the amount"
            )
            assert 'class="scroll" tabindex="0"' in line_by_line and 'class="words"' in line_by_line
        for reader in (None, a_member("observer"), await a_buyer(market), dear):
            async with market.client(reader) as client:
                assert (await client.get(f"/api/quotes/{request_id}/participants/{number}")).status_code == 404
            other = await seen(market, request_id, reader)
            assert other["participants"] is None and "13086" not in str(other)
            assert cheap.organisation_id not in str(other)
        (told,) = [each for each in await market.published("quotes", QuotingEnded) if each.request_id == request_id]
        assert told.quotes == 2

    async def test_after_the_choice_only_the_winner_has_a_name(self, market: Market) -> None:
        request_id, buyer, dear, cheap = await to_choose(market)
        assert (
            await choice(market, request_id, buyer, await number_of(market, request_id, dear), WHY)
        ).status_code == 200
        for reader in (None, buyer, a_member("moderator"), cheap):
            shown = await seen(market, request_id, reader)
            async with market.browser(reader) as browser:
                page = (await browser.get(f"/quotes/{request_id}")).text
            assert shown["result"]["supplier_name"] == dear.organisation_name and dear.organisation_name in page
            assert shown["result"]["justification"] == WHY and WHY in page
            assert len(shown["participants"]) == 2
            if reader is not cheap:
                for text in (page, str(shown)):
                    assert cheap.organisation_id not in text and cheap.organisation_name not in text

    async def test_participants_are_leafed_through(self, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(views, "PARTICIPANTS", 1)
        request_id, buyer, dear, cheap = await to_choose(market)
        numbers = [await number_of(market, request_id, supplier) for supplier in (cheap, dear)]
        path = f"/quotes/{request_id}"
        async with market.client(buyer) as client:
            for page, found in ((1, numbers[:1]), (2, numbers[1:]), (3, [])):
                shown = (await client.get(f"/api{path}?page={page}")).json()
                assert [each["number"] for each in shown["participants"]] == found
                assert shown["participants_total"] == 2
        async with market.browser(buyer) as browser:
            first, second = [(await browser.get(path, page=str(page))).text for page in (1, 2)]
            assert 'name="show" value="2"' in first and 'name="show" value="1"' in second
            assert "Quotes to choose from: 2" in first and "Quotes to choose from: 2" in second
            radio = 'name="participant" value="{}"'.format
            assert radio(numbers[0]) in first and radio(numbers[1]) not in first
            line_by_line = (await browser.get(f"{path}/participants/{numbers[1]}")).text
            assert f'href="{path}?page=2"' in line_by_line
            refused = await browser.post(f"{path}/choice", {"participant": str(numbers[1]), "page": "2"})
            assert refused.status_code == 422 and f'value="{numbers[1]}" checked' in refused.text
            far = await browser.get(path, page="3")
            assert str(far.url).endswith(f"{path}?page=2") and radio(numbers[1]) in far.text
            for sent in ({"show": "99"}, {"participant": str(numbers[1]), "page": "99"}):
                last = await browser.post(f"{path}/choice", {**sent, "justification": "Typed"})
                assert radio(numbers[1]) in last.text and "Typed" in last.text

    async def test_what_is_marked_and_typed_comes_along_to_the_next_participants(
        self, market: Market, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(views, "PARTICIPANTS", 1)
        request_id, buyer, dear, cheap = await to_choose(market)
        numbers = [await number_of(market, request_id, supplier) for supplier in (cheap, dear)]
        path = f"/quotes/{request_id}"
        typed = {"participant": str(numbers[0]), "justification": "Soft & strong", "page": "1"}
        async with market.browser(buyer) as browser:
            await browser.get(path)
            second = await browser.post(f"{path}/choice", typed | {"show": "2"})
            assert second.status_code == 200 and f'value="{numbers[1]}"' in second.text
            assert "Soft &amp; strong" in second.text and f'value="{numbers[0]}" checked' in second.text
            first = await browser.post(f"{path}/choice", typed | {"show": "1", "page": "2"})
            assert (
                first.text.count(f'name="participant" value="{numbers[0]}"') == 1 and "Soft &amp; strong" in first.text
            )
            assert f'value="{numbers[0]}" checked' in first.text
        assert (await seen(market, request_id, buyer))["status"] == "choosing"

    async def test_an_observer_sees_who_the_participants_were_once_it_is_over(self, market: Market) -> None:
        observer = a_member("observer")
        request_id, buyer, dear, cheap = await to_choose(market)
        assert (await seen(market, request_id, observer))["participants"] is None
        await choice(market, request_id, buyer, await number_of(market, request_id, cheap))
        shown = await seen(market, request_id, observer)
        async with market.browser(observer) as browser:
            page = (await browser.get(f"/quotes/{request_id}")).text
        for supplier in (dear, cheap):
            assert supplier.organisation_name in page
        assert {each["supplier_id"]: each["supplier_name"] for each in shown["participants"]} == {
            each.organisation_id: each.organisation_name for each in (dear, cheap)
        }


async def first_push(market: Market, reader: Principal | None, request_id: str) -> str:
    """Return what the live channel sends first."""
    cookies = {"lonja_session": market.token(reader)} if reader else {}
    async with (
        httpx.AsyncClient(base_url=market.url, cookies=cookies, timeout=30) as client,
        client.stream("GET", f"/quotes/{request_id}/live") as answer,
    ):
        said = ""
        async for line in answer.aiter_lines():
            said += line + "\n"
            if said.rstrip().endswith("</section>"):
                return said
    raise AssertionError("nothing came")


async def test_a_buyer_asks_so_often_and_the_next_time_when_one_is_decided(market: Market, tmp_path: Path) -> None:
    buyer = await a_buyer(market)
    with in_force(tmp_path, "quote", "open_in_all = 1", market.resources.config.policy):
        first = await asked(market, buyer)
        async with market.client(buyer) as client:
            refused = (await client.post("/api/quotes", json=asking(market))).json()
            assert (refused["rule"], refused["numbers"]) == ("too-many-requests-open", {"most": 1})
            assert (
                await client.post(f"/api/quotes/{first}/withdrawal", json={"reason": "We have some."})
            ).status_code < 300
        await asked(market, buyer)


class TestChoice:
    async def test_the_choice_is_published_after_every_quote(self, market: Market) -> None:
        request_id, buyer, dear, cheap = await to_choose(market)
        answer = await choice(market, request_id, buyer, await number_of(market, request_id, cheap))
        assert (answer.status_code, answer.json()["status"]) == (200, "awarded")
        rows = await market.fetch(
            "select envelope::jsonb->>'type' as type from quotes.outbox where envelope like $1 order by position",
            f"%{request_id}%",
        )
        assert [row["type"].split(".")[2] for row in rows] == [
            "QuoteRequestOpened",
            "QuotingEnded",
            "QuoteDisclosed",
            "QuoteDisclosed",
            "QuoteRequestClosed",
        ]
        told = [each for each in await market.published("quotes", QuoteDisclosed) if each.request_id == request_id]
        assert [(each.supplier_id, each.rank, each.chosen) for each in told] == [
            (cheap.organisation_id, 1, True),
            (dear.organisation_id, 2, False),
        ]
        assert (await choice(market, request_id, buyer, await number_of(market, request_id, cheap))).status_code == 200
        closed = [
            each for each in await market.published("quotes", QuoteRequestClosed) if each.request_id == request_id
        ]
        assert [(each.outcome, each.winner_id, each.amount) for each in closed] == [
            ("awarded", cheap.organisation_id, Decimal("13086.42"))
        ]

    async def test_one_that_is_not_the_cheapest_wants_its_reason(self, market: Market) -> None:
        request_id, buyer, dear, _ = await to_choose(market)
        number = await number_of(market, request_id, dear)
        refused = await choice(market, request_id, buyer, number, "too short")
        assert (refused.status_code, refused.json()["rule"], refused.json()["field"]) == (
            422,
            "justification-missing",
            "justification",
        )
        other = await a_buyer(market)
        assert (await choice(market, request_id, other, number, WHY)).json()["rule"] == "not-the-buyer"
        assert (await choice(market, request_id, buyer, number, WHY)).json()["result"]["justification"] == WHY
        again = await choice(market, request_id, buyer, 3 - number)
        assert again.json()["rule"] == "request-ended"

    async def test_two_officers_at_once_make_one_choice(self, market: Market) -> None:
        request_id, buyer, _, _ = await to_choose(market)
        answers = await asyncio.gather(*(choice(market, request_id, buyer, number, WHY) for number in (1, 2)))
        assert sorted(answer.status_code for answer in answers) == [200, 422]

    async def test_none_is_taken_for_a_public_reason(self, market: Market) -> None:
        request_id, buyer, _, _ = await to_choose(market)
        async with market.client(buyer) as client:
            answer = await client.post(f"/api/quotes/{request_id}/rejection", json={"reason": "Above what we have"})
        assert answer.json()["status"] == "rejected"
        shown = await seen(market, request_id)
        assert shown["result"]["reason"] == "Above what we have" and len(shown["participants"]) == 2

    async def test_a_request_is_withdrawn_for_a_public_reason_and_its_quotes_stay_sealed(self, market: Market) -> None:
        buyer, supplier = await a_buyer(market), await a_supplier(market)
        request_id = await asked(market, buyer)
        await quote(market, request_id, supplier, PRICES["dear"])
        async with market.browser(buyer) as browser:
            refused = await browser.post(f"/quotes/{request_id}/withdrawal", {"reason": " "})
            assert refused.status_code == 422 and 'id="reason-note"' in refused.text
            gone = await browser.post(f"/quotes/{request_id}/withdrawal", {"reason": "Found in the attic"})
            assert "Found in the attic" in gone.text and f"/quotes/new?again={request_id}" in gone.text
        async with market.client(buyer) as client:
            again = await client.post(f"/api/quotes/{request_id}/withdrawal", json={"reason": "Found in the attic"})
        assert (again.status_code, again.json()["status"]) == (200, "withdrawn")
        for reader in (None, buyer, a_member("observer")):
            shown = await seen(market, request_id, reader)
            assert (shown["participants"], shown["quotes"]) == (None, 1)
            assert not any(secret in str(shown) for secret in (*SECRETS, supplier.organisation_id))
        own = await seen(market, request_id, supplier)
        assert own["mine"]["amount"] == "15308.62" and own["result"]["reason"] == "Found in the attic"
        (closed,) = [
            each for each in await market.published("quotes", QuoteRequestClosed) if each.request_id == request_id
        ]
        assert (closed.outcome, closed.cheapest) == ("withdrawn", None)
        assert not [each for each in await market.published("quotes", QuoteDisclosed) if each.request_id == request_id]

    @pytest.mark.parametrize(
        ("language", "said"),
        [
            ("en", "that content counts: “Found in the attic”"),
            ("es", "el que cuenta: «Found in"),
            ("ru", "учитывается оно: «Found in"),
        ],
    )
    async def test_a_second_withdrawal_for_another_reason_shows_the_first_reason_at_the_head(
        self, market: Market, language: str, said: str
    ) -> None:
        buyer = await a_buyer(market)
        request_id = await asked(market, buyer)
        async with market.browser(buyer) as browser:
            browser.client.cookies.set("lonja_language", language)
            await browser.post(f"/quotes/{request_id}/withdrawal", {"reason": "Found in the attic"})
            other = await browser.post(f"/quotes/{request_id}/withdrawal", {"reason": "No money this year"})
        assert other.status_code == 422 and said in other.text
        async with market.client(buyer) as client:
            refused = await client.post(f"/api/quotes/{request_id}/withdrawal", json={"reason": "No money this year"})
        assert (refused.status_code, refused.json()["rule"]) == (422, "done-otherwise")

    async def test_a_second_tab_after_the_result_says_at_the_head_why_nothing_was_done(self, market: Market) -> None:
        request_id, buyer, _, cheap = await to_choose(market)
        taken = await number_of(market, request_id, cheap)
        assert (await choice(market, request_id, buyer, taken)).status_code == 200
        async with market.browser(buyer) as browser:
            for path, fields in (
                ("choice", {"participant": str(3 - taken), "justification": WHY}),
                ("choice", {"participant": ""}),
                ("choice", {"participant": str(taken), "justification": WHY}),
                ("rejection", {"reason": "No money"}),
                ("withdrawal", {"reason": "No need"}),
            ):
                answer = await browser.post(f"/quotes/{request_id}/{path}", fields)
                assert answer.status_code == 422 and answer.text.count('class="error" role="alert"') == 1, path
                head, _, _ = answer.text.partition('<div class="columns">')
                assert 'class="error" role="alert"' in head, path

    async def test_a_withdrawal_after_the_deadline_is_refused_where_it_is_seen(self, market: Market) -> None:
        request_id, buyer, _, _ = await to_choose(market)
        async with market.browser(buyer) as browser:
            answer = await browser.post(f"/quotes/{request_id}/withdrawal", {"reason": "No need"})
        assert answer.status_code == 422 and "only before its deadline" in answer.text

    async def test_not_chosen_in_time_it_lapses_and_without_quotes_it_may_be_opened_again(self, market: Market) -> None:
        request_id, buyer, _, _ = await to_choose(market)
        empty = await asked(market, buyer, title="Nobody wants this")
        market.clock.advance(timedelta(minutes=61))
        await in_stage(market, request_id, "lapsed")
        await in_stage(market, empty, "unsuccessful")
        async with market.browser(buyer) as browser:
            page = (await browser.get(f"/quotes/{empty}")).text
            assert f"/quotes/new?again={empty}" in page
            again = (await browser.get("/quotes/new", again=empty)).text
        assert 'value="Nobody wants this"' in again and 'value="Paper A4"' in again

    async def test_a_request_whose_row_cannot_be_read_holds_up_no_other(self, market: Market) -> None:
        broken, other = await asked(market, await a_buyer(market)), await asked(market, await a_buyer(market))
        broke = "update quotes.quote_requests set state = '{}'::jsonb where request_id = $1"
        kept = (
            await market.fetch("select state::text as kept from quotes.quote_requests where request_id = $1", broken)
        )[0]
        await market.fetch(broke, broken)
        market.clock.advance(timedelta(minutes=61))
        await in_stage(market, other, "unsuccessful")
        assert any(each.state is PartState.degraded and broken in each.detail for each in HEALTH)
        await market.fetch(
            "update quotes.quote_requests set state = $2::text::jsonb where request_id = $1", broken, kept["kept"]
        )
        market.clock.advance(timedelta(hours=1))
        await in_stage(market, broken, "unsuccessful")


class TestContract:
    def drafted(self, request_id: str, buyer: Principal, supplier: Principal, rank: int) -> ContractDrafted:
        return ContractDrafted(
            process_id=request_id,
            contract_id=f"contract-{request_id}-{rank}",
            award_id=new_id(),
            origin="quote",
            buyer_id=buyer.organisation_id,
            buyer_name=buyer.organisation_name,
            supplier_id=supplier.organisation_id,
            supplier_name=supplier.organisation_name,
            rank=rank,
            title="Paper",
            category=PAPER,
            place=MOSCOW,
            currency="RUB",
            amount=Decimal("13086.42"),
            lines=(),
            step="supplier-offer",
            due_at=datetime(2026, 11, 30, tzinfo=UTC),
        )

    async def test_the_request_shows_the_state_of_the_chosen_contract(self, market: Market) -> None:
        request_id, buyer, dear, cheap = await to_choose(market)
        await choice(market, request_id, buyer, await number_of(market, request_id, cheap))

        async def state(contract_id: str, wanted: str) -> bool:
            contract = (await seen(market, request_id))["contract"]
            return bool(contract and (contract["contract_id"], contract["state"]) == (contract_id, wanted))

        first, second = self.drafted(request_id, buyer, cheap, 1), self.drafted(request_id, buyer, dear, 2)
        await market.publish(first)
        await market.eventually(lambda: state(first.contract_id, "drafted"))
        ended = ContractEnded(
            process_id=request_id,
            contract_id=first.contract_id,
            supplier_id=cheap.organisation_id,
            buyer_id=buyer.organisation_id,
            reason="refused",
            by="supplier",
            evasion=True,
        )
        await market.publish(ended)
        await market.eventually(lambda: state(first.contract_id, "ended"))
        await market.publish(second, ended)  # the event of the end arrives again after the next bidder was asked
        await market.eventually(lambda: state(second.contract_id, "drafted"))
        concluded = ContractConcluded(
            process_id=request_id,
            contract_id=second.contract_id,
            award_id=second.award_id,
            origin="quote",
            buyer_id=second.buyer_id,
            buyer_name=second.buyer_name,
            supplier_id=second.supplier_id,
            supplier_name=second.supplier_name,
            title=second.title,
            category=PAPER,
            method="open",
            place=MOSCOW,
            currency="RUB",
            amount=second.amount,
            lines=(),
            signed_at=market.clock(),
        )
        await market.publish(concluded)
        await market.eventually(lambda: state(second.contract_id, "concluded"))
        async with market.browser() as browser:
            page = (await browser.get(f"/quotes/{request_id}")).text
        assert f"/contracts/{second.contract_id}" in page

    async def test_contracts_of_others_are_nothing_to_it(self, market: Market) -> None:
        buyer, supplier = await a_buyer(market), await a_supplier(market)
        stranger = self.drafted(new_id(), buyer, supplier, 1)
        await market.publish(stranger)
        request_id = await asked(market, buyer)
        own = self.drafted(request_id, buyer, supplier, 1)
        await market.publish(own)

        async def heard() -> bool:
            return bool((await seen(market, request_id))["contract"])

        await market.eventually(heard)
        assert not await market.fetch("select 1 from quotes.quote_requests where request_id = $1", stranger.process_id)


class TestPages:
    async def test_pairs_from_a_basket_become_lines_with_their_reference_prices(self, market: Market) -> None:
        buyer = await a_buyer(market)
        paper, pens = await a_sku(market, reference="100.00"), await a_sku(market)
        async with market.browser(buyer) as browser:
            page = await browser.client.get(
                f"/quotes/new?sku={paper}&quantity=3&sku={pens}&quantity=4&sku={new_id()}&quantity=1"
            )
            assert page.status_code == 200
            assert page.text.count("<fieldset>") == 2 and 'value="3"' in page.text and 'value="4"' in page.text
            assert "100.00\u00a0RUB a unit, without VAT" in page.text

    async def test_a_form_with_errors_keeps_what_was_typed_and_says_what_is_wrong_beside_it(
        self, market: Market
    ) -> None:
        buyer = await a_buyer(market)
        typed = {
            "title": "",
            "kind": "goods",
            "line-0-description": "Chalk",
            "line-0-category": "",
            "line-0-unit": "piece",
            "line-0-quantity": "many",
            "requirements": "White chalk only",
            "closes_at": "tomorrow",
            "region": "RU-MOW",
        }
        async with market.browser(buyer) as browser:
            page = await browser.post("/quotes/new", typed | {"action": "open"})
            assert page.status_code == 422
            for name in ("title", "line-0-quantity", "line-0-category", "closes_at"):
                assert f'id="{name}-note"' in page.text, name
            assert 'value="Chalk"' in page.text and "White chalk only" in page.text and 'value="many"' in page.text
            empty = await browser.post("/quotes/new", {"action": "open", "title": "", "closes_at": "tomorrow"})
            assert "A request needs at least one line." in empty.text and 'id="closes_at-note"' in empty.text
            typed |= {"title": "Chalk", "line-0-category": "37800000", "line-0-quantity": "12"}
            added = await browser.post("/quotes/new", typed | {"action": "add"})
            assert added.text.count("<fieldset>") == 2
            late = (market.clock() + timedelta(hours=3, minutes=20)).strftime("%Y-%m-%dT%H:%M")  # on Moscow's clock
            opened = await browser.post("/quotes/new", typed | {"action": "open", "closes_at": late})
        assert opened.status_code == 200 and "The request was opened" in opened.text and "Chalk" in opened.text

    async def test_a_supplier_quotes_changes_and_withdraws_by_forms(self, market: Market) -> None:
        buyer, supplier = await a_buyer(market), await a_supplier(market)
        request_id = await asked(market, buyer)
        typed = {"price-1": "", "vat_rate": "20", "delivery_days": "4", "comment": "Soft"}
        async with market.browser(supplier) as browser:
            refused = await browser.post(f"/quotes/{request_id}/mine", typed)
            assert refused.status_code == 422 and 'id="price-1-note"' in refused.text and "Soft" in refused.text
            named = await browser.post(
                f"/quotes/{request_id}/mine", typed | {"price-1": "5", "comment": supplier.organisation_name}
            )
            assert named.status_code == 422 and 'id="comment-note"' in named.text
            sealed = await browser.post(f"/quotes/{request_id}/mine", typed | {"price-1": "12,50"})
            assert sealed.status_code == 200 and "25.00" in sealed.text and "version 1" in sealed.text
            gone = await browser.post(f"/quotes/{request_id}/mine/withdrawal")
            assert "withdrawn" in gone.text and 'value="12.50"' in gone.text

    async def test_a_refusal_says_what_would_fit_in_the_readers_language(self, market: Market) -> None:
        buyer, supplier = await a_buyer(market), await a_supplier(market)
        request_id = await asked(market, buyer)
        ceiling = (await seen(market, request_id))["ceiling"]
        typed = {"vat_rate": "20", "delivery_days": "4"}
        asks = {"title": "Chalk", "line-0-description": "Chalk", "line-0-category": "37800000", "line-0-unit": "piece"}
        # on Moscow's clock
        past = (market.clock() + timedelta(hours=3) - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M")
        for language, limit, above_zero, over in (
            ("en", "may be at most", "must be above zero", "in the past"),
            ("es", "puede llegar a", "mayor que cero", "ya pasó"),
            ("ru", "не больше", "больше нуля", "уже прошёл"),
        ):
            async with market.browser(supplier) as browser:
                browser.client.cookies.set("lonja_language", language)
                for price, said in ((str(ceiling), limit), ("-2", above_zero), ("-2.1234567", above_zero)):
                    page = await browser.post(f"/quotes/{request_id}/mine", typed | {"price-1": price})
                    assert page.status_code == 422 and said in page.text, (language, price)
                    assert price == "-2" or said != limit or digits_of(ceiling) in page.text.translate(SPACES), language
            async with market.browser(buyer) as browser:
                browser.client.cookies.set("lonja_language", language)
                for quantity, closes_at, said in (("-2", past, above_zero), ("2", past, over)):
                    wanted = asks | {"line-0-quantity": quantity, "closes_at": closes_at, "action": "open"}
                    page = await browser.post("/quotes/new", wanted)
                    assert page.status_code == 422 and said in page.text, (language, quantity)

    async def test_a_request_that_waits_for_a_choice_is_first_in_the_list_of_only_its_buyer(
        self, market: Market
    ) -> None:
        request_id, buyer, dear, _ = await to_choose(market)
        for reader, shown in ((buyer, True), (await a_buyer(market), False), (dear, False)):
            async with market.browser(reader) as browser:
                page = (await browser.get("/quotes")).text
            assert ("Waiting for your choice" in page and f"/quotes/{request_id}" in page) is shown
        await choice(market, request_id, buyer, await number_of(market, request_id, dear), WHY)
        async with market.browser(buyer) as browser:
            assert "Waiting for your choice" not in (await browser.get("/quotes")).text

    async def test_a_buyer_chooses_by_the_form(self, market: Market) -> None:
        request_id, buyer, dear, _ = await to_choose(market)
        number = await number_of(market, request_id, dear)
        async with market.browser(buyer) as browser:
            none = await browser.post(f"/quotes/{request_id}/choice", {"justification": "Something that was typed"})
            assert none.status_code == 422 and "Choose one of the participants" in none.text
            short = await browser.post(
                f"/quotes/{request_id}/choice", {"participant": number, "justification": "short"}
            )
            assert short.status_code == 422 and 'id="justification-note"' in short.text and "short" in short.text
            chosen = await browser.post(f"/quotes/{request_id}/choice", {"participant": number, "justification": WHY})
        assert chosen.status_code == 200 and dear.organisation_name in chosen.text


async def test_a_request_that_cannot_be_read_does_not_hide_the_others_in_lists(market: Market) -> None:
    buyer = await a_buyer(market)
    whole, strange = [await asked(market, buyer) for _ in range(2)]
    async with only_a_newer_release_reads(market, "quotes.quote_requests", ("request_id", strange), "state.stage"):
        for reader in (None, buyer):
            async with market.client(reader) as client:
                for path in ("/api/quotes", "/quotes"):
                    said = await lists(client, path)
                    assert whole in said and strange not in said
