"""Accounts on the real servers: registration, login, invitations, API secrets, states, and imported organisations."""

import asyncio
import json
import os
import re
import sys
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from events.accounts import MemberJoined, OrganisationRegistered, OrganisationStateChanged
from events.contracts import ContractConcluded, ContractEnded
from events.values import Place, Source
from infra.ids import new_id
from infra.tasks import background
from infra.tokens import Principal
from services.accounts import passwords, store, turns
from services.accounts.cli import app
from services.accounts.handlers import NewMember, ensure_member
from services.accounts.login import TRIES, TRIES_PER_EMAIL, LoginRefused, TooManyTries, log_in
from tests.market import Market
from tests.unreadable import lists, only_a_newer_release_reads, says_so

PASSWORD = "a quiet harbour"
ADMIN = Principal(
    member_id="admin", name="Admin", organisation_id="op", organisation_name="Operator", roles=("administrator",)
)


def a_registration(**changes: Any) -> dict[str, Any]:
    number = new_id()
    return {
        "kind": "supplier",
        "organisation": f"Supplies {number}",
        "country": "ES",
        "region": "Madrid",
        "locality": "Madrid",
        "name": "Ana Ruiz",
        "email": f"{number}@supplies.example",
        "password": PASSWORD,
        "categories": [{"code": "33000000"}],
    } | changes


def a_form(**changes: Any) -> dict[str, Any]:
    fields = a_registration() | {"request_key": new_id(), "divisions": ["33000000", "45000000"], "codes": "3019"}
    del fields["categories"]
    return fields | changes


async def registered(client: httpx.AsyncClient, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the request, the member)"""
    sent = a_registration(**changes)
    answer = await client.post("/api/register", json=sent)
    assert answer.status_code == 201, answer.text
    return sent, answer.json()


async def session(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/api/login", json={"email": email, "password": password})


async def test_registration_makes_an_active_organisation_with_its_first_member(market: Market) -> None:
    async with market.client() as client:
        sent, member = await registered(client)
        answer = (await session(client, sent["email"])).json()
    principal = answer["principal"]
    assert (principal["country"], principal["region"], principal["roles"]) == ("ES", "ES-MD", ["supplier_agent"])
    assert principal["organisation_id"] == member["organisation_id"]
    told = [
        event
        for event in await market.published("accounts", OrganisationRegistered)
        if event.organisation_id == member["organisation_id"]
    ]
    assert [(event.state, event.time_zone, event.categories[0].code) for event in told] == [
        ("active", "Europe/Madrid", "33000000")
    ]
    joined = await market.published("accounts", MemberJoined)
    assert [event.email for event in joined if event.member_id == member["member_id"]] == [sent["email"]]


async def test_registration_sent_twice_makes_one_member(market: Market) -> None:
    sent, key = a_registration(), {"idempotency-key": new_id()}
    async with market.client() as client:
        first = await client.post("/api/register", json=sent, headers=key)
        second = await client.post("/api/register", json=sent, headers=key)
    assert first.json() == second.json()


@pytest.mark.parametrize(
    "change", [{"password": "another password entirely"}, {"name": "Eva"}, {"email": "eva@supplies.example"}]
)
async def test_a_stranger_with_the_key_of_a_registration_learns_nothing_of_it(
    market: Market, change: dict[str, Any]
) -> None:
    sent, key = a_registration(), {"idempotency-key": new_id()}
    async with market.client() as client:
        first = await client.post("/api/register", json=sent, headers=key)
        stranger = await client.post("/api/register", json=sent | change, headers=key)
        entirely = await client.post("/api/register", json=a_registration(), headers=key)
        again = await client.post("/api/register", json=sent, headers=key)
    for answer in (stranger, entirely):
        assert (answer.status_code, answer.json()["rule"]) == (422, "idempotency-key-reused")
        assert first.json()["member_id"] not in answer.text and sent["email"] not in answer.text
    assert again.json() == first.json()


async def test_the_form_of_a_registration_edited_and_sent_again_says_so_and_gets_a_new_key(market: Market) -> None:
    form = a_form()
    async with market.browser() as browser:
        await browser.post("/register", form)
        for language, said in (
            ("en", "with other content"),
            ("es", "con otro contenido"),
            ("ru", "с другим содержанием"),
        ):
            browser.client.cookies.set("lonja_language", language)
            edited = await browser.post("/register", form | {"organisation": "Edited"})
            assert edited.status_code == 422 and said in edited.text and 'value="Edited"' in edited.text
            key = re.search(r'name="request_key" value="([^"]+)"', edited.text)
            assert key is not None and key[1] != form["request_key"]


async def test_a_secret_and_an_invitation_requested_twice_are_made_once_and_answered_twice(market: Market) -> None:
    async with market.client() as visitor:
        sent, _ = await registered(visitor)
        token = (await session(visitor, sent["email"])).json()["token"]
    async with httpx.AsyncClient(base_url=market.url, headers={"authorization": f"Bearer {token}"}) as client:
        for path, body, other in (
            ("/api/me/keys", {"name": "robot"}, {"name": "other"}),
            ("/api/members", an_invitation(), an_invitation()),
        ):
            key = {"idempotency-key": new_id()}
            first, again = [await client.post(path, json=body, headers=key) for _ in range(2)]
            assert first.status_code == again.status_code == 201 and first.json() == again.json()
            reused = await client.post(path, json=other, headers=key)
            assert (reused.status_code, reused.json()["rule"]) == (422, "idempotency-key-reused")
            assert (await client.post(path, json=other)).json() != first.json()
        assert [each["name"] for each in (await client.get("/api/me/keys")).json()] == ["robot", "other"]
        used = await client.post(
            "/api/token", json={"secret": (await client.post("/api/me/keys", json={"name": "x"})).json()["secret"]}
        )
        assert used.status_code == 200


def an_invitation() -> dict[str, Any]:
    return {"name": "Eva", "email": f"{new_id()}@supplies.example", "roles": ["supplier_agent"]}


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"country": "Atlantis"}, "unknown-country"),
        ({"region": "Nowhere"}, "unknown-region"),
        ({"categories": [{"code": "banana"}]}, "malformed-category"),
        ({"categories": [{"code": "99"}]}, "unknown-division"),
        ({"identifier_scheme": "banana", "identifier": "7707083893"}, "unknown-register"),
        ({"identifier_scheme": "RU-INN", "identifier": "0"}, "malformed-identifier"),
        ({"time_zone": "Mars/Olympus"}, "unknown-time-zone"),
        ({"email": "ana"}, "email-not-valid"),
        ({"email": "(x)ana@x.example"}, "email-not-valid"),
        ({"email": "ana:x@x.example"}, "email-not-valid"),
        ({"password": "short"}, "password-too-short"),
        ({"language": "tlh"}, "language-not-spoken"),
        ({"kind": "operator"}, "not-self-registered"),
        ({"organisation": "  "}, "name-missing"),
    ],
)
async def test_registration_that_breaks_a_rule_is_refused_by_its_name(
    market: Market, wrong: dict[str, Any], rule: str
) -> None:
    async with market.client() as client:
        answer = await client.post("/api/register", json=a_registration(**wrong))
    assert (answer.status_code, answer.json()["rule"]) == (422, rule)


async def test_second_registration_with_an_identifier_or_address_is_refused(market: Market) -> None:
    identifier = {"identifier_scheme": "ES-NIF", "identifier": new_id()}
    async with market.client() as client:
        sent, _ = await registered(client, **identifier)
        same_address = await client.post("/api/register", json=a_registration(email=sent["email"].upper()))
        spelt = identifier | {
            "identifier": f" {identifier['identifier'].lower()[:4]}.{identifier['identifier'].lower()[4:]}"
        }
        same_identifier = await client.post("/api/register", json=a_registration(**spelt))
    assert (same_address.json()["rule"], same_address.json()["field"]) == ("email-taken", "email")
    assert (same_identifier.json()["rule"], same_identifier.json()["field"]) == ("identifier-taken", "identifier")


async def test_form_registers_and_logs_in_and_says_what_is_wrong_beside_the_field(market: Market) -> None:
    form = a_form()
    async with market.browser() as browser:
        answer = await browser.post("/register", form)
        account = await browser.get("/account")
        assert form["organisation"] in account.text and form["email"] in account.text
        again = await browser.post("/register", a_form(email=form["email"]))
        wrong = await browser.post("/register", a_form(country="XX", organisation="Kept as typed"))
    assert answer.history[0].status_code == 303
    cookie = next(line for line in answer.history[0].headers.get_list("set-cookie") if line.startswith("lonja_session"))
    assert "HttpOnly" in cookie and "samesite=lax" in cookie.lower() and "Path=/" in cookie
    assert again.status_code == 422 and 'id="email-note"' in again.text and "log in instead" in again.text
    assert wrong.status_code == 422 and 'id="country-note"' in wrong.text and "Kept as typed" in wrong.text
    assert PASSWORD not in again.text + wrong.text
    told = [e for e in await market.published("accounts", OrganisationRegistered) if e.name == form["organisation"]]
    assert [c.code for c in told[0].categories] == ["33000000", "45000000", "30190000"]


async def test_a_stranger_registers_and_is_refused_in_the_language_that_the_browser_asks_for(market: Market) -> None:
    async with market.browser() as browser:
        browser.client.headers["accept-language"] = "es-AR, es;q=0.9"
        empty = (await browser.get("/register")).text
        assert '<main id="main">' in empty and "Registre su organización" in empty and ">España<" in empty
        assert '<option value="es" selected>' in empty  # and the mail's
        short = (await browser.post("/register", a_form(password="short", organisation="Guantes y más"))).text
        assert "Una contraseña debe tener al menos 10 caracteres; esta tiene 5." in short and "Guantes y más" in short
        wrong = await browser.post("/login", {"email": "nobody@agency.example", "password": PASSWORD})
        assert wrong.status_code == 401 and "El correo y la contraseña no coinciden." in wrong.text


async def test_unknown_address_and_wrong_password_get_the_same_answer(market: Market) -> None:
    async with market.client() as client:
        sent, _ = await registered(client)
        wrong = await session(client, sent["email"], "not the password")
        unknown = await session(client, f"{new_id()}@nobody.example", "not the password")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


async def test_login_is_limited_even_for_guesses_at_once_and_opens_again_after_a_minute(market: Market) -> None:
    async with market.client() as client:
        sent, _ = await registered(client)
        guesses = await asyncio.gather(*(session(client, sent["email"], f"guess number {n}") for n in range(TRIES + 5)))
        statuses = [guess.status_code for guess in guesses]
        assert (statuses.count(401), statuses.count(429)) == (TRIES, 5)
        refused = await session(client, sent["email"])
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        market.clock.advance(timedelta(minutes=1, seconds=1))
        assert (await session(client, sent["email"])).status_code == 200


async def test_tries_at_once_keep_nobody_from_the_database_and_never_wait_for_each_other_in_a_ring(
    market: Market,
) -> None:
    """Two network addresses, each of which is used as an e-mail address by the other."""
    here, there = (f"2001:db8:{new_id()[-4:]}::{number}" for number in (1, 2))
    pool, most = market.resources.database.engine.pool, 0

    async def a_try(number: int) -> None:
        nonlocal most
        with pytest.raises((LoginRefused, TooManyTries)):
            await log_in(market.resources, *((here, "wrong", there) if number % 2 else (there, "wrong", here)))

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, pool.checkedout())  # type: ignore[attr-defined]
            await asyncio.sleep(0.002)

    async with background(watch(), name="watch"):
        await asyncio.gather(*map(a_try, range(80)))
    assert 0 < most < 10


async def test_tries_of_one_address_wait_for_each_other_alone_and_more_than_may_fail_are_refused_at_once(
    market: Market,
) -> None:
    busy, here = f"{new_id()}@busy.example", "198.51.100.5"
    async with market.client() as client:
        sent, _ = await registered(client)
        async with market.resources.database.transaction("accounts") as tx:
            await store.hold(tx, "try of e-mail", busy)  # another request counts, and takes long
            tries = [asyncio.create_task(log_in(market.resources, busy, "wrong", here)) for _ in range(TRIES + 20)]
            assert (await session(client, sent["email"])).status_code == 200
            early = [each for each in tries if each.done()]
            assert [type(each.exception()) for each in early] == [TooManyTries] * 20
        found = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(each) for each in found].count(LoginRefused) == TRIES
    assert not turns._under_way and not turns._turns


async def test_a_stranger_elsewhere_keeps_nobody_out_but_all_strangers_together_are_limited(market: Market) -> None:
    async with market.client() as client:
        sent, _ = await registered(client)

        async def guess(address: str) -> None:
            with pytest.raises((LoginRefused, TooManyTries)):
                await log_in(market.resources, sent["email"], "a wrong guess", address)

        for _ in range(TRIES + 2):
            await guess("198.51.100.7")
        assert (await session(client, sent["email"])).status_code == 200
        for number in range(TRIES_PER_EMAIL):
            await guess(f"198.51.100.{10 + number // 5}")
        assert (await session(client, sent["email"])).status_code == 429


async def test_right_passwords_are_never_counted(market: Market) -> None:
    async with market.client() as client:
        sent, _ = await registered(client)
        answers = [(await session(client, sent["email"])).status_code for _ in range(TRIES + 2)]
    assert set(answers) == {200}


async def test_token_tampered_with_or_expired_is_no_login(market: Market) -> None:
    token = market.token(ADMIN)
    head, claims, signature = token.split(".")
    expired = market.resources.tokens.issue(ADMIN, market.clock() - timedelta(hours=13))
    forged = f"{head}.{claims[:-2]}{'AA' if claims[-2:] != 'AA' else 'BB'}.{signature}"
    async with market.client() as client:
        for bad in (forged, expired, f"{head}.{claims}.", "nonsense"):
            answer = await client.get("/api/me", headers={"authorization": f"Bearer {bad}"})
            assert answer.status_code == 401
            assert (await client.get("/account", headers={"cookie": f"lonja_session={bad}"})).status_code == 401
        assert (await client.get("/api/me", headers={"authorization": f"Bearer {token}"})).status_code == 200


async def test_login_page_goes_back_to_where_one_was_but_never_to_another_site(market: Market) -> None:
    async with market.client() as client:
        sent, _ = await registered(client)
    async with market.browser() as browser:
        asked = await browser.get("/account")
        assert asked.url.path == "/login" and 'value="/account"' in asked.text
        evil = await browser.get("/login", next="//evil.example/")
        assert 'name="next" value="/"' in evil.text
        for goal, reached in (("https://evil.example/", "/"), ("/\\evil.example", "/"), ("/account", "/account")):
            browser.client.follow_redirects = False
            answer = await browser.post("/login", {"email": sent["email"], "password": PASSWORD, "next": goal})
            assert (answer.status_code, answer.headers["location"]) == (303, reached)
        browser.client.follow_redirects = True
        await browser.post("/logout")
        assert (await browser.get("/account")).url.path == "/login"


async def test_a_second_tab_of_an_invitation_says_that_its_reader_has_joined(market: Market) -> None:
    async with market.client() as client:
        sent, _ = await registered(client, kind="buyer")
        bearer = {"authorization": f"Bearer {(await session(client, sent['email'])).json()['token']}"}
        colleague = {"name": "Luz", "email": f"{new_id()}@supplies.example", "roles": ["buyer_approver"]}
        path = (await client.post("/api/members", json=colleague, headers=bearer)).json()["path"]
    async with market.browser() as browser:
        await browser.get(path)
        token = browser.client.cookies["lonja_csrf"]
        await browser.post(path, {"password": PASSWORD})
        html = {"accept": "text/html"}
        tab = await browser.client.post(path, data={"_csrf_token": token, "password": PASSWORD}, headers=html)
        assert tab.status_code == 200 and f"You have joined {sent['organisation']}" in tab.text
        other = await browser.client.post("/account/members", data={"_csrf_token": token, "name": "Ana"}, headers=html)
        assert other.status_code == 403 and "Ask a member of your organisation" not in other.text


async def test_invited_colleague_sets_a_password_once_and_acts_for_the_organisation(market: Market) -> None:
    async with market.client() as client:
        sent, member = await registered(client, kind="buyer")
        bearer = {"authorization": f"Bearer {(await session(client, sent['email'])).json()['token']}"}
        colleague = {"name": "Luz", "email": f"{new_id()}@supplies.example", "roles": ["buyer_approver"]}
        invited = await client.post("/api/members", json=colleague, headers=bearer)
        assert invited.status_code == 201, invited.text
        above = await client.post("/api/members", json=colleague | {"roles": ["administrator"]}, headers=bearer)
        assert above.json()["rule"] == "role-not-of-organisation"
    path = invited.json()["path"]
    async with market.browser() as browser:
        assert sent["organisation"] in (await browser.get(path)).text
        assert "at least 10" in (await browser.post(path, {"password": "short"})).text
        await browser.post(path, {"password": PASSWORD})
        assert colleague["email"] in (await browser.get("/account")).text
        back = await browser.get(path)
        assert back.status_code == 200 and f"You have joined {sent['organisation']}" in back.text
        assert 'href="/account"' in back.text and colleague["name"] in back.text
        again = await browser.post(path, {"password": PASSWORD})
        assert again.status_code == 200 and f"You have joined {sent['organisation']}" in again.text
    async with market.browser() as other:
        shown = await other.get(path)
        assert shown.status_code == 200 and 'href="/login"' in shown.text and colleague["email"] not in shown.text
        assert "was used already" in shown.text and "ask for a new one" in shown.text
        assert "You have joined" not in shown.text and sent["organisation"] not in shown.text
        await other.post("/login", {"email": sent["email"], "password": PASSWORD})
        shown = await other.get(path)
        assert "was used already" in shown.text and "ask for a new one" in shown.text
        assert "You have joined" not in shown.text
    events = [e for e in await market.published("accounts", MemberJoined) if e.email == colleague["email"]]
    assert [(e.organisation_id, e.roles) for e in events] == [(member["organisation_id"], ("buyer_approver",))]


async def test_invitation_lapses_after_seven_days(market: Market) -> None:
    async with market.client() as client:
        sent, _ = await registered(client)
        bearer = {"authorization": f"Bearer {(await session(client, sent['email'])).json()['token']}"}
        colleague = {"name": "Late", "email": f"{new_id()}@supplies.example", "roles": ["supplier_agent"]}
        path = (await client.post("/api/members", json=colleague, headers=bearer)).json()["path"]
        market.clock.advance(timedelta(days=7, seconds=1))
        late = await client.get(path, headers={"accept": "text/html"})
        assert late.status_code == 404 and "older than 7 days. Ask for a new one" in late.text


async def test_an_address_is_invited_once_to_an_organisation_and_again_when_that_was_withdrawn(market: Market) -> None:
    async with market.client() as client:
        sent, _ = await registered(client)
        other, _ = await registered(client)
        bearers = [
            {"authorization": f"Bearer {(await session(client, each['email'])).json()['token']}"}
            for each in (sent, other)
        ]
        colleague = {"name": "Twice", "email": f"{new_id()}@supplies.example", "roles": ["supplier_agent"]}
        assert (await client.post("/api/members", json=colleague, headers=bearers[0])).status_code == 201
        again = colleague | {"name": "Once more", "email": colleague["email"].upper()}
        refused = await client.post("/api/members", json=again, headers=bearers[0])
        assert (refused.status_code, refused.json()["rule"], refused.json()["field"]) == (
            422,
            "invited-already",
            "email",
        )
        assert (await client.post("/api/members", json=colleague, headers=bearers[1])).status_code == 201
        (waiting,) = (await client.get("/api/invitations", headers=bearers[0])).json()
        gone = await client.post(f"/api/invitations/{waiting['invitation_id']}/withdraw", headers=bearers[0])
        assert gone.status_code == 204
        assert (await client.post("/api/members", json=again, headers=bearers[0])).status_code == 201


async def test_api_secret_is_shown_once_gives_an_hour_and_can_be_revoked(market: Market) -> None:
    async with market.client() as client:
        sent, _ = await registered(client)
        bearer = {"authorization": f"Bearer {(await session(client, sent['email'])).json()['token']}"}
        secret = (await client.post("/api/me/keys", json={"name": "price robot"}, headers=bearer)).json()["secret"]
        issued = (await client.post("/api/token", json={"secret": secret})).json()
        assert issued["principal"]["roles"] == ["supplier_agent"]
        keys = await client.get("/api/me/keys", headers=bearer)
        assert secret not in keys.text
        key_id = keys.json()[0]["key_id"]
        assert issued["principal"]["token_id"] == key_id
        stranger = {"authorization": f"Bearer {market.token(ADMIN)}"}
        assert (await client.post(f"/api/me/keys/{key_id}/revoke", headers=stranger)).status_code == 404
        assert (await client.post(f"/api/me/keys/{key_id}/revoke", headers=bearer)).status_code == 204
        assert (await client.post("/api/token", json={"secret": secret})).status_code == 401
        market.clock.advance(timedelta(hours=1, seconds=1))
        late = await client.get("/api/me", headers={"authorization": f"Bearer {issued['token']}"})
        assert late.status_code == 401


async def test_password_is_changed_only_by_who_knows_the_current_one(market: Market) -> None:
    async with market.client() as client:
        sent, _ = await registered(client)
        bearer = {"authorization": f"Bearer {(await session(client, sent['email'])).json()['token']}"}
        wrong = await client.post(
            "/api/me/password", json={"current": "not this one", "password": "another harbour"}, headers=bearer
        )
        assert wrong.json()["rule"] == "password-wrong"
        right = await client.post(
            "/api/me/password", json={"current": PASSWORD, "password": "another harbour"}, headers=bearer
        )
        assert right.status_code == 204
        assert (await session(client, sent["email"])).status_code == 401
        assert (await session(client, sent["email"], "another harbour")).status_code == 200


async def test_passwords_and_secrets_are_in_no_event_and_no_log(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    password = f"unique harbour {new_id()}"
    async with market.client() as client:
        sent, _ = await registered(client, password=password)
        await session(client, sent["email"], password)
        await session(client, sent["email"], password + " wrong")
        bearer = {"authorization": f"Bearer {(await session(client, sent['email'], password)).json()['token']}"}
        secret = (await client.post("/api/me/keys", json={"name": "robot"}, headers=bearer)).json()["secret"]
    written = await market.fetch("select convert_from(data, 'UTF8') as text from accounts.outbox")
    stored = await market.fetch(
        "select m::text as text from accounts.members m union all select k::text from accounts.api_keys k"
        " union all select convert_from(answer, 'UTF8') from accounts.requests union all select t::text from accounts.tries t"
    )
    assert any(sent["email"] in row["text"] for row in written)
    everything = "\n".join(row["text"] for row in [*written, *stored]) + caplog.text
    assert password not in everything and secret not in everything
    hashes = await market.fetch("select password from accounts.members where email = $1", sent["email"])
    assert hashes[0]["password"].startswith("$argon2id$")


async def test_suspension_ends_by_itself_and_each_change_is_published_once(market: Market) -> None:
    async with market.client() as client:
        _, member = await registered(client)
    path = f"/api/organisations/{member['organisation_id']}/state"
    async with market.client(ADMIN) as admin:
        until = (market.clock() + timedelta(days=1)).isoformat()
        body = {"state": "suspended", "reason": "three evasions", "until": until}
        assert (await admin.post(path, json=body)).json()["state"] == "suspended"
        assert (await admin.post(path, json=body)).json()["state"] == "suspended"
        refused = await admin.post(path, json={"state": "pending", "reason": "no way back"})
        assert refused.json()["rule"] == "state-change-not-allowed"
        market.clock.advance(timedelta(days=1, seconds=1))

        async def active() -> bool:
            return (await admin.get(path.removesuffix("/state"))).json()["state"] == "active"

        await market.eventually(active)
    told = await market.published("accounts", OrganisationStateChanged)
    assert [e.state for e in told if e.organisation_id == member["organisation_id"]] == ["suspended", "active"]


async def test_closed_organisation_cannot_log_in(market: Market) -> None:
    async with market.client() as client:
        sent, member = await registered(client)
        async with market.client(ADMIN) as admin:
            await admin.post(
                f"/api/organisations/{member['organisation_id']}/state", json={"state": "closed", "reason": "dissolved"}
            )
        assert (await session(client, sent["email"])).status_code == 401


async def test_ensured_member_is_made_once(market: Market) -> None:
    wanted = NewMember(
        email=f"{new_id()}@operator.example",
        name="Mo",
        roles=("moderator",),
        organisation=f"Operator {new_id()}",
        country="ES",
    )
    password_hash = await passwords.hashed(PASSWORD)
    found = []
    for roles in (("moderator",), ("moderator",)):
        async with market.resources.database.transaction("accounts") as tx:
            found.append(await ensure_member(tx, wanted, password_hash))
        assert found[-1].roles == roles
    assert found[0] == found[1]
    async with market.client() as client:
        assert (await session(client, wanted.email)).json()["principal"]["roles"] == ["moderator"]


async def test_command_line_adds_staff_and_a_repeat_changes_nothing(market: Market) -> None:
    config, email = market.resources.config, f"{new_id()}@operator.example"
    command = (
        f"add --email {email} --name Root --organisation Operator-{email} --role administrator --role moderator"
        f" --country ES --password {PASSWORD.replace(' ', '-')} --json"
    )
    answers = []
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from services.accounts.cli import app; app()",
            *command.split(),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **config.environment()},
        )
        output, _ = await process.communicate()
        answers.append(output)
    assert answers[0] == answers[1]
    assert json.loads(answers[0])["roles"] == ["administrator", "moderator"]
    async with market.client() as client:
        assert (await session(client, email, PASSWORD.replace(" ", "-"))).status_code == 200


async def test_imported_organisation_and_its_contracts_are_on_its_public_card(market: Market) -> None:
    buyer, supplier, contract = new_id(), new_id(), new_id()
    source = Source(publisher="A city", document="file 1")
    for name, role in ((f"Old name {buyer}", "buyer"), (f"City {buyer}", "supplier")):
        await market.publish(
            OrganisationRegistered(
                organisation_id=buyer, roles=(role,), name=name, place=Place(country="MD"), source=source
            )
        )
    concluded = ContractConcluded(
        process_id=new_id(),
        contract_id=contract,
        award_id=None,
        origin="import",
        buyer_id=buyer,
        buyer_name="City",
        supplier_id=supplier,
        supplier_name="Paper Ltd",
        title="Paper",
        category=None,
        method="open",
        place=Place(),
        currency="MDL",
        amount=Decimal("10.50"),
        lines=(),
        signed_at=market.clock(),
        source=source,
    )
    await market.publish(concluded, concluded)
    async with market.browser() as browser:

        async def shown() -> bool:
            text = (await browser.get(f"/organisations/{buyer}")).text
            return f"City {buyer}" in text and "As buyer: 1 contract" in text and "Paper Ltd" in text

        await market.eventually(shown)
        card = (await browser.client.get(f"/api/organisations/{buyer}")).json()
        assert (card["roles"], card["contracts_as_buyer"]) == (["buyer", "supplier"], 1)
        await market.publish(
            ContractEnded(
                process_id=concluded.process_id,
                contract_id=contract,
                supplier_id=supplier,
                buyer_id=buyer,
                reason="cancelled",
                by="buyer",
                evasion=False,
            )
        )

        async def gone() -> bool:
            return (await browser.client.get(f"/api/organisations/{buyer}")).json()["contracts_as_buyer"] == 0

        await market.eventually(gone)


async def test_import_never_overwrites_an_organisation_that_registered_here(market: Market) -> None:
    async with market.client() as client:
        sent, member = await registered(client)
        marker = new_id()
        source = Source(publisher="A city", document="file 1")
        for number in (member["organisation_id"], marker):
            await market.publish(
                OrganisationRegistered(organisation_id=number, roles=("buyer",), name="Overwritten", source=source)
            )

        async def handled() -> bool:
            rows = await market.fetch(
                "select 1 from accounts.inbox i where (select count(*) from accounts.organisations"
                " where organisation_id = $1) = 1 limit 1",
                marker,
            )
            return bool(rows)

        await market.eventually(handled)
        card = (await client.get(f"/api/organisations/{member['organisation_id']}")).json()
    assert (card["name"], card["roles"]) == (sent["organisation"], ["supplier"])


async def test_pages_answer_every_visitor(market: Market) -> None:
    async with market.client() as client:
        sent, member = await registered(client)
        token = (await session(client, sent["email"])).json()["token"]
    async with market.browser() as visitor:
        for path in ("/login", "/register", "/register?as=buyer", "/organisations", "/organisations?q=supp"):
            assert (await visitor.client.get(path)).status_code == 200
        assert "ES-MD" in (await visitor.get("/register/regions", country="ES")).text
        assert "Change the state" not in (await visitor.get(f"/organisations/{member['organisation_id']}")).text
        assert (await visitor.get(f"/organisations/{new_id()}")).status_code == 404
    async with market.browser(ADMIN) as admin:
        assert "Change the state" in (await admin.get(f"/organisations/{member['organisation_id']}")).text
        answer = await admin.post(
            f"/organisations/{member['organisation_id']}/members",
            {"name": "Sol", "email": f"{new_id()}@supplies.example", "roles": "supplier_agent"},
        )
        assert "/join/join_" in answer.text and "for 15 minutes at most" in answer.text
    async with market.browser() as own:
        own.client.cookies.set("lonja_session", token, domain="127.0.0.1")
        await own.get("/account")
        refused = await own.post("/account/keys", {"key_name": "n" * 3000})
        assert refused.status_code == 422 and "must have at most 300 characters" in refused.text
        made = await own.post("/account/keys", {"key_name": "robot"})
        assert "lonja_" in made.text and "for 15 minutes at most" in made.text
        assert "robot" in made.text and "for 15 minutes at most" in (await own.client.get(own.page)).text
        assert "lonja_" not in (await own.get("/account")).text.replace("lonja_csrf", "")


async def test_a_refused_invitation_keeps_the_roles_that_were_ticked(market: Market) -> None:
    async with market.client() as client:
        _, member = await registered(client, kind="buyer")
    async with market.browser(ADMIN) as admin:
        path = f"/organisations/{member['organisation_id']}/members"
        wrong = await admin.post(path, {"name": "Sol", "email": "sol", "roles": ["buyer_approver"]})
    assert wrong.status_code == 422 and 'value="sol"' in wrong.text
    assert re.findall(r'name="roles" value="(\w+)" checked', wrong.text) == ["buyer_approver"]


async def test_an_organisation_that_cannot_be_read_does_not_affect_the_others(market: Market) -> None:
    name = f"Beacon {new_id()[-6:]}"
    async with market.client() as client:
        whole, strange = [
            (await registered(client, organisation=f"{name} {number}"))[1]["organisation_id"] for number in range(2)
        ]
        key = ("organisation_id", strange)
        async with only_a_newer_release_reads(market, "accounts.organisations", key, "place.latitude"):
            said = await lists(client, f"/organisations?q={name}")
            assert whole in said and strange not in said
            for path in (f"/organisations/{strange}", f"/api/organisations/{strange}"):
                await says_so(client, path)
            assert name in await lists(client, f"/organisations/{whole}")


async def test_a_member_that_cannot_be_read_does_not_affect_the_others(market: Market) -> None:
    async with market.client() as client:
        sent, strange = await registered(client)
        answer = (await session(client, sent["email"])).json()
        client.headers["authorization"] = f"Bearer {answer['token']}"
        key = ("member_id", strange["member_id"])
        async with only_a_newer_release_reads(market, "accounts.members", key, "roles"):
            for path in ("/api/members", "/account"):
                assert sent["email"] not in await lists(client, path)
            assert (await session(client, sent["email"])).status_code == 503
        assert sent["email"] in await lists(client, "/api/members")


async def test_who_runs_the_market_lists_its_members(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONJA_DATABASE_URL", market.resources.config.database_url or "")
    first = new_id()
    async with market.client() as client:
        for letter in "abc":
            await registered(client, organisation=f"Mill {first}{letter}", email=f"{first}{letter}@mill.example")

    async def listed(*arguments: str) -> str:
        ran = await asyncio.to_thread(CliRunner().invoke, app, ["list", "--most", "2", *arguments])
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    shown = json.loads(await listed("--after", first, "--json"))
    assert [(one["email"], one["organisation"], one["roles"][-1:]) for one in shown] == [
        (f"{first}{letter}@mill.example", f"Mill {first}{letter}", ["supplier_agent"]) for letter in "ab"
    ]
    assert not [one for one in shown if "password" in one]
    assert f"--after {first}b@mill.example" in await listed("--after", first)
    assert [one["email"] for one in json.loads(await listed("--after", f"{first}b@mill.example", "--json"))][:1] == [
        f"{first}c@mill.example"
    ]
