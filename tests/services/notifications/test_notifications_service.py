"""Digests through a real SMTP server: sent once, also after crashes; unsubscribed with one click; stopped by a
bounce."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from events.accounts import MemberJoined, OrganisationRegistered, OrganisationStateChanged
from events.notifications import DigestSent, MailUnsubscribed
from events.recommender import Recommendation, RecommendationsMade
from infra import kept_mail
from infra.ids import new_id
from infra.tokens import Principal
from services.notifications import post, timers
from tests.market import Market
from tests.unreadable import lists, only_a_newer_release_reads


class Server:
    """A mail server that stores letters. Addresses ``gone-…`` do not exist; ``busy-…`` accepts the second try."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes]] = []
        self.asked: set[str] = set()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("gone-"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("busy-") and address not in self.asked:
            self.asked.add(address)
            return "451 4.7.1 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.kept.append((envelope.rcpt_tos[0], envelope.original_content or b""))
        return "250 kept"

    def to(self, address: str) -> list[bytes]:
        return [content for recipient, content in self.kept if recipient == address]


@pytest.fixture(scope="module")
async def server(market: Market) -> AsyncIterator[Server]:
    keeper = Server()
    port = urlsplit(kept_mail.smtp_url(market.resources.config.home)).port
    smtp = await asyncio.get_running_loop().create_server(lambda: SMTP(keeper), "127.0.0.1", port)
    async with smtp:
        yield keeper


class Agent:
    def __init__(self, prefix: str, role: str, organisation: str) -> None:
        number = new_id()
        self.email = f"{prefix}-{number}@supplies.example"
        self.supplier_id, self.member_id = f"s-{number}", f"m-{number}"
        self.principal = Principal(
            member_id=self.member_id,
            name="Ana",
            organisation_id=self.supplier_id,
            organisation_name=organisation,
            roles=(role,),
        )


async def an_agent(
    market: Market,
    prefix: str = "ana",
    language: str = "en",
    role: str = "supplier_agent",
    organisation: str = "Supplies",
) -> Agent:
    """An agent; by default of a supplier, alone in its organisation."""
    agent = Agent(prefix, role, organisation)
    side = role.partition("_")[0]
    await market.publish(
        OrganisationRegistered(
            organisation_id=agent.supplier_id, roles=(side,), name=organisation, time_zone="Europe/Moscow"
        ),
        MemberJoined(
            organisation_id=agent.supplier_id,
            member_id=agent.member_id,
            name="Ana",
            email=agent.email,
            roles=(role,),
            language=language,
        ),
    )
    await market.eventually(
        lambda: market.fetch("select 1 from notifications.members where member_id = $1", agent.member_id)
    )
    return agent


def recommended(market: Market, agent: Agent, *numbers: int) -> RecommendationsMade:
    items = tuple(
        Recommendation(
            kind="auction",
            opportunity_id=f"{agent.supplier_id}-{number}",
            title=f"Paper {number}",
            buyer_name="City Hall",
            path=f"/auctions/{number}",
            closes_at=None,
            score=1 / number,
            reasons=("You sell paper",),
        )
        for number in numbers
    )
    return RecommendationsMade(supplier_id=agent.supplier_id, model_id="m", made_at=market.clock(), items=items)


async def recommend(market: Market, agent: Agent, *numbers: int) -> None:
    event = recommended(market, agent, *numbers)
    await market.publish(event)
    await market.eventually(
        lambda: market.fetch(
            "select 1 from notifications.recommendations where supplier_id = $1 and made_at = $2",
            agent.supplier_id,
            event.made_at,
        )
    )


async def states(market: Market, agent: Agent) -> list[str]:
    rows = await market.fetch(
        "select state from notifications.letters where member_id = $1 order by claimed_at", agent.member_id
    )
    return [row["state"] for row in rows]


async def ended(market: Market, agent: Agent, *wanted: str) -> None:
    async def there() -> bool:
        assert await states(market, agent) == list(wanted)
        return True

    await market.eventually(there)


async def sent(market: Market, agent: Agent) -> list[DigestSent]:
    return [each for each in await market.published("notifications", DigestSent) if each.member_id == agent.member_id]


def read(content: bytes) -> EmailMessage:
    return message_from_bytes(content, _class=EmailMessage, policy=modern)


async def test_the_first_digest_comes_at_once_in_a_rehearsal_and_each_opportunity_once_ever(
    market: Market, server: Server
) -> None:
    agent = await an_agent(market)
    await recommend(market, agent, 1, 2)
    await ended(market, agent, "sent")
    await recommend(market, agent, 1, 2, 3)
    market.clock.advance(timedelta(days=2))  # the day of the first digest already had one
    await ended(market, agent, "sent", "sent")
    market.clock.advance(timedelta(days=2))  # nothing new: no letter
    await market.eventually(
        lambda: market.fetch(
            "select 1 from notifications.members where member_id = $1 and next_at > $2", agent.member_id, market.clock()
        )
    )
    assert [each.items for each in await sent(market, agent)] == [
        (f"{agent.supplier_id}-1", f"{agent.supplier_id}-2"),
        (f"{agent.supplier_id}-3",),
    ]
    first, second = (read(content) for content in server.to(agent.email))
    assert first["Subject"] == "New opportunities for Supplies: 2"
    assert {part.get_content_type() for part in first.walk()} == {"multipart/alternative", "text/plain", "text/html"}
    assert "Paper 3" in str(second.get_body(("plain",))) and "Paper 1" not in str(second.get_body(("plain",)))


async def test_the_same_event_again_sends_nothing_more(market: Market, server: Server) -> None:
    agent = await an_agent(market)
    event, event_id = recommended(market, agent, 1), new_id()
    await market.publish(event, event_id=event_id)
    await ended(market, agent, "sent")
    await market.publish(event, event_id=event_id)
    await market.publish(event)
    await recommend(market, agent, 1)
    await asyncio.sleep(2.2)
    assert len(server.to(agent.email)) == 1 and len(await sent(market, agent)) == 1


class Killed(Exception):
    pass


async def test_killed_before_the_server_took_it_the_next_attempt_sends_it_once(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await an_agent(market)

    async def dies(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
        raise Killed

    monkeypatch.setattr(timers.post, "send", dies)
    await recommend(market, agent, 1)
    await ended(market, agent, "sending")
    monkeypatch.undo()
    market.clock.advance(timers.LEASE)
    await ended(market, agent, "sent")
    assert len(server.to(agent.email)) == 1


async def test_killed_between_acceptance_and_commit_the_twin_letter_is_identical_and_counted_once(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, send = await an_agent(market), post.send

    async def dies_after(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
        await send(smtp_url, from_address, to, letter)
        raise Killed

    monkeypatch.setattr(timers.post, "send", dies_after)
    await recommend(market, agent, 1)
    await market.eventually(lambda: _true(server.to(agent.email)))
    monkeypatch.undo()
    market.clock.advance(timers.LEASE)
    await ended(market, agent, "sent")
    first, twin = server.to(agent.email)
    assert first == twin and read(first)["Message-ID"]
    assert len(await sent(market, agent)) == 1


async def test_an_attempt_ends_before_another_sender_may_try_and_what_may_have_gone_out_goes_as_it_was(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers every command slowly, but within the limit for a command."""
    assert timedelta(seconds=timers.ATTEMPT) < timers.LEASE
    agent = await an_agent(market)

    async def never_done(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(timers.post, "send", never_done)
    monkeypatch.setattr(timers, "ATTEMPT", 0.2)
    await recommend(market, agent, 1)
    await market.eventually(
        lambda: market.fetch(
            "select 1 from notifications.letters where member_id = $1 and trouble like '%not done%' and handed",
            agent.member_id,
        )
    )
    monkeypatch.undo()
    market.clock.advance(timedelta(seconds=30))
    await ended(market, agent, "sent")
    assert len(server.to(agent.email)) == 1


async def _true(value: Any) -> Any:
    return value


async def test_a_server_that_asks_to_come_again_is_asked_again(market: Market, server: Server) -> None:
    agent = await an_agent(market, "busy")
    await recommend(market, agent, 1)
    await market.eventually(
        lambda: market.fetch(
            "select 1 from notifications.letters where member_id = $1 and trouble like '451%'", agent.member_id
        )
    )
    assert server.to(agent.email) == []
    market.clock.advance(timedelta(seconds=30))
    await ended(market, agent, "sent")


async def test_an_address_refused_for_good_gets_no_more_mail_until_its_reader_says_so(
    market: Market, server: Server
) -> None:
    agent = await an_agent(market, "gone")
    await recommend(market, agent, 1)
    await ended(market, agent, "refused")
    async with market.browser(agent.principal) as browser:
        page = await browser.get("/notifications")
        assert "550 5.1.1 no such mailbox" in page.text and "The mailbox works again" in page.text
        market.clock.advance(timedelta(days=2))
        await asyncio.sleep(2.2)
        assert await states(market, agent) == ["refused"]
        assert "Mail to this address was resumed" in (await browser.post("/notifications/resume")).text
    market.clock.advance(timedelta(days=1))
    # a letter that was never delivered is tried again, and refused again
    await ended(market, agent, "refused", "refused")
    assert await sent(market, agent) == []


async def test_one_click_unsubscribes_without_login_and_can_be_undone(market: Market, server: Server) -> None:
    agent = await an_agent(market)
    await recommend(market, agent, 1)
    await ended(market, agent, "sent")
    mail = read(server.to(agent.email)[0])
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = urlsplit(mail["List-Unsubscribe"].strip("<>")).path
    async with market.client() as client:
        looked = await client.get(path, headers={"accept": "text/html"})
        assert "Stop these letters?" in looked.text
        clicked = await client.post(path, data={"List-Unsubscribe": "One-Click"})
        again = await client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert (clicked.status_code, again.status_code) == (200, 200) and "You are unsubscribed" in clicked.text
        await recommend(market, agent, 2)
        market.clock.advance(timedelta(days=2))
        await asyncio.sleep(2.2)
        assert await states(market, agent) == ["sent"]
        assert "again" in (await client.post(path, data={"again": "yes"})).text
        assert (await client.post(path[:-2], data={})).status_code == 404
    gone = [
        each for each in await market.published("notifications", MailUnsubscribed) if each.member_id == agent.member_id
    ]
    assert [each.topic for each in gone] == ["digest"]
    market.clock.advance(timedelta(days=1))
    await ended(market, agent, "sent", "sent")


async def test_unsubscribed_after_the_claim_nothing_goes_out(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await an_agent(market)

    async def away(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
        raise post.NotNow("away")

    monkeypatch.setattr(timers.post, "send", away)
    await recommend(market, agent, 1)
    await ended(market, agent, "sending")
    async with market.browser(agent.principal) as browser:
        await browser.post("/notifications", {"period": "daily", "hour": "8"})
    monkeypatch.undo()
    market.clock.advance(timedelta(hours=2))
    await ended(market, agent, "dropped")
    assert server.to(agent.email) == []


async def test_a_suspended_supplier_gets_no_digest(market: Market, server: Server) -> None:
    agent = await an_agent(market)
    await market.publish(
        OrganisationStateChanged(organisation_id=agent.supplier_id, state="suspended", reason="evasion")
    )
    await market.eventually(
        lambda: market.fetch(
            "select 1 from notifications.organisations where organisation_id = $1 and state = 'suspended'",
            agent.supplier_id,
        )
    )
    await recommend(market, agent, 1)
    await asyncio.sleep(2.2)
    assert await states(market, agent) == []


async def test_a_digest_can_be_asked_for_once_a_request(market: Market, server: Server) -> None:
    agent = await an_agent(market, language="ru")
    await recommend(market, agent, 1)
    await ended(market, agent, "sent")
    await recommend(market, agent, 1, 2)
    key = {"Idempotency-Key": new_id()}
    async with market.client(agent.principal) as client:
        answers = [(await client.post("/api/notifications/digest", headers=key)).json() for _ in range(2)]
        nothing = (await client.post("/api/notifications/digest")).json()
    assert answers == [{"on_its_way": True}] * 2 and nothing == {"on_its_way": False}
    await ended(market, agent, "sent", "sent")
    assert [read(each)["Subject"] for each in server.to(agent.email)] == ["Новые возможности для Supplies: 1"] * 2


async def test_preferences_are_kept_refused_by_name_and_are_agents_own(market: Market) -> None:
    agent = await an_agent(market)
    async with market.browser(agent.principal) as browser:
        saved = await browser.post("/notifications", {"period": "weekly", "hour": "17", "digest": "on"})
        assert "Saved." in saved.text
        assert (await browser.post("/notifications", {"period": "weekly", "hour": "25"})).status_code == 422
    async with market.client(agent.principal) as client:
        settings = (await client.get("/api/notifications")).json()
        assert settings["member"]["preferences"] == {"period": "weekly", "hour": 17, "topics": ["digest"]}
        refused = await client.post("/api/notifications", json={"period": "hourly"})
        assert (refused.status_code, refused.json()["rule"]) == (422, "unknown-period")
    observer = msgspec.structs.replace(agent.principal, roles=("observer",))
    async with market.browser(observer) as browser:
        assert (await browser.get("/notifications")).status_code == 403
    async with market.client() as client:
        assert (await client.get("/api/notifications")).status_code == 401


async def test_a_letter_that_cannot_be_read_does_not_hide_the_others_in_the_list(
    market: Market, server: Server
) -> None:
    agent = await an_agent(market)
    await recommend(market, agent, 1)
    await ended(market, agent, "sent")
    await recommend(market, agent, 1, 2)
    async with market.client(agent.principal) as client:
        await client.post("/api/notifications/digest")
        await ended(market, agent, "sent", "sent")
        letters = (await client.get("/api/notifications")).json()["letters"]
        whole, strange = (each["letter_id"] for each in letters)
        key = ("letter_id", strange)
        async with only_a_newer_release_reads(market, "notifications.letters", key, "body.claimed_at"):
            said = await lists(client, "/api/notifications")
            assert whole in said and strange not in said
            await lists(client, "/notifications")
