"""Limits for one member: API secrets, invitations, colleagues."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from infra.ids import new_id
from services.accounts import invitations, keys
from services.accounts.domain import MOST_INVITATIONS, MOST_KEYS
from tests.market import Market
from tests.services.accounts.test_accounts import an_invitation, registered, session


@asynccontextmanager
async def a_member(market: Market) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """(logged in, its organisation's id)"""
    async with market.client() as visitor:
        sent, member = await registered(visitor)
        token = (await session(visitor, sent["email"])).json()["token"]
    async with httpx.AsyncClient(base_url=market.url, headers={"authorization": f"Bearer {token}"}) as client:
        yield client, member["organisation_id"]


async def test_a_member_has_twenty_secrets_and_revoking_one_makes_room(market: Market) -> None:
    async with a_member(market) as (client, _):
        key = {"idempotency-key": new_id()}
        first = await client.post("/api/me/keys", json={"name": "first"}, headers=key)
        for _ in range(MOST_KEYS - 1):
            assert (await client.post("/api/me/keys", json={"name": "robot"})).status_code == 201
        refused = await client.post("/api/me/keys", json={"name": "one too many"})
        assert (refused.status_code, refused.json()["rule"]) == (422, "too-many-api-secrets")
        assert "at most 20" in refused.json()["detail"] and "revoke one" in refused.json()["detail"]
        again = await client.post("/api/me/keys", json={"name": "first"}, headers=key)
        assert (again.status_code, again.json()) == (201, first.json())
        own = (await client.get("/api/me/keys")).json()
        assert len(own) == MOST_KEYS
        assert (await client.post(f"/api/me/keys/{own[-1]['key_id']}/revoke")).status_code == 204
        assert (await client.post("/api/me/keys", json={"name": "another"})).status_code == 201
    async with a_member(market) as (other, _):
        assert (await other.post("/api/me/keys", json={"name": "robot"})).status_code == 201


async def test_secrets_made_at_the_same_time_do_not_pass_the_limit(market: Market) -> None:
    async with a_member(market) as (client, _):
        answers = await asyncio.gather(
            *(client.post("/api/me/keys", json={"name": f"robot {n}"}) for n in range(MOST_KEYS + 5))
        )
        assert sorted(answer.status_code for answer in answers) == [201] * MOST_KEYS + [422] * 5


async def test_making_and_revoking_in_turn_leaves_no_heap(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "REVOKED_KEPT", 2)
    async with a_member(market) as (client, _):
        for number in range(6):
            await client.post("/api/me/keys", json={"name": f"robot {number}"})
            (own,) = (await client.get("/api/me/keys")).json()
            for _ in range(2):
                assert (await client.post(f"/api/me/keys/{own['key_id']}/revoke")).status_code == 204
        kept = await market.fetch(
            "select name from accounts.api_keys where member_id = (select member_id from accounts.api_keys where key_id = $1)"
            " order by made_at",
            own["key_id"],
        )
    assert [row["name"] for row in kept] == ["robot 3", "robot 4", "robot 5"]


async def test_an_organisation_has_fifty_open_invitations_and_withdrawing_one_makes_room(market: Market) -> None:
    async with a_member(market) as (client, _):
        key, body = {"idempotency-key": new_id()}, an_invitation()
        first = await client.post("/api/members", json=body, headers=key)
        for _ in range(MOST_INVITATIONS - 1):
            assert (await client.post("/api/members", json=an_invitation())).status_code == 201
        refused = await client.post("/api/members", json=an_invitation())
        assert (refused.status_code, refused.json()["rule"]) == (422, "too-many-invitations")
        assert "at most 50" in refused.json()["detail"] and "withdraw one" in refused.json()["detail"]
        again = await client.post("/api/members", json=body, headers=key)
        assert (again.status_code, again.json()) == (201, first.json())
        opened = (await client.get("/api/invitations")).json()
        assert len(opened) == MOST_INVITATIONS
        (mine,) = [each for each in opened if each["email"] == body["email"]]
        async with a_member(market) as (stranger, _):
            assert (await stranger.post(f"/api/invitations/{mine['invitation_id']}/withdraw")).status_code == 404
        assert (await client.get(first.json()["path"])).status_code == 200
        assert (await client.post(f"/api/invitations/{mine['invitation_id']}/withdraw")).status_code == 204
        assert (await client.post(f"/api/invitations/{mine['invitation_id']}/withdraw")).status_code == 404
        assert (await client.get(first.json()["path"])).status_code == 404
        assert (await client.post("/api/members", json=an_invitation())).status_code == 201


async def test_invitations_that_lapsed_take_no_room(market: Market) -> None:
    async with a_member(market) as (client, organisation_id):
        await client.post("/api/members", json=an_invitation())
        await market.fetch(
            "insert into accounts.invitations (digest, organisation_id, name, email, roles, language, expires_at)"
            " select $1 || n, $1, '', '', '{}', 'en', now() - interval '1 hour' from generate_series(1, 60) n",
            organisation_id,
        )
        assert (await client.post("/api/members", json=an_invitation())).status_code == 201
        assert len((await client.get("/api/invitations")).json()) == 2


async def test_members_and_invited_have_a_limit_and_the_invited_always_have_their_place(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MOST_MEMBERS", 2)
    async with a_member(market) as (client, _):
        path = (await client.post("/api/members", json=an_invitation())).json()["path"]
        refused = await client.post("/api/members", json=an_invitation())
        assert (refused.status_code, refused.json()["rule"]) == (422, "too-many-members")
        async with market.browser() as invited:
            await invited.post(path, {"password": "a quiet harbour"})
        assert len((await client.get("/api/members")).json()) == 2
        assert (await client.post("/api/members", json=an_invitation())).json()["rule"] == "too-many-members"


@pytest.mark.parametrize(
    ("language", "key_said", "invited_said", "gone", "already"),
    [
        ("en", "revoke one", "withdraw one", "was withdrawn", "it was used or withdrawn"),
        ("es", "revoque uno", "retire una", "Se retiró la invitación", "ya se usó o se retiró"),
        ("ru", "отзовите тот", "отзовите одно", "отозвано", "уже использовали или отозвали"),
    ],
)
async def test_the_page_says_the_limit_in_the_readers_language_and_withdraws(
    market: Market,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    key_said: str,
    invited_said: str,
    gone: str,
    already: str,
) -> None:
    monkeypatch.setattr(keys, "MOST_KEYS", 1)
    monkeypatch.setattr(invitations, "MOST_INVITATIONS", 1)
    async with market.client() as client:
        sent, _ = await registered(client)
        token = (await session(client, sent["email"])).json()["token"]
    async with market.browser() as own:
        own.client.cookies.set("lonja_session", token, domain="127.0.0.1")
        own.client.cookies.set("lonja_language", language)
        await own.post("/account/keys", {"key_name": "robot"})
        refused = await own.post("/account/keys", {"key_name": "another"})
        assert refused.status_code == 422 and key_said in refused.text and 'value="another"' in refused.text
        invitation = an_invitation() | {"language": "en"}
        await own.post("/account/members", invitation)
        refused = await own.post("/account/members", an_invitation() | {"language": "en"})
        assert refused.status_code == 422 and invited_said in refused.text
        page = (await own.get("/account")).text
        assert invitation["email"] in page
        found = re.search(r'action="(/account/invitations/[^"]+/withdraw)"', page)
        assert found is not None
        assert gone in (await own.post(found[1])).text
        assert invitation["email"] not in (await own.get("/account")).text
        over = await own.post(found[1], {"seen_in": "another tab"})
        assert over.status_code == 422 and already in over.text and 'action="/account/members"' in over.text
