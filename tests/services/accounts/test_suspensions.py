"""Suspensions: several may hold at once, the latest end counts, and each ends separately."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.accounts import OrganisationStateChanged
from events.contracts import OrganisationSanctioned, SanctionAppealDecided
from infra.ids import new_id
from services.accounts.domain import BY_HAND, Organisation, Suspension, longest, restate
from tests.market import Market
from tests.services.accounts.test_accounts import ADMIN, registered

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def held(name: str, days: int | None) -> Suspension:
    return Suspension(
        suspension_id=name, reason=f"because of {name}", until=None if days is None else NOW + timedelta(days=days)
    )


def an_organisation(state: str = "active", until: datetime | None = None) -> Organisation:
    return Organisation(organisation_id="mill", name="Mill", roles=("supplier",), state=state, suspended_until=until)


@pytest.mark.parametrize(
    ("suspensions", "winner"),
    [
        ([], None),
        ([held("a", 0)], None),
        ([held("a", -1), held("b", 1)], "b"),
        ([held("a", 9), held("b", 3)], "a"),
        ([held("a", 9), held(BY_HAND, None)], BY_HAND),
    ],
)
def test_of_several_the_one_that_ends_last_holds(suspensions: list[Suspension], winner: str | None) -> None:
    found = longest(suspensions, NOW)
    assert (found.suspension_id if found else None) == winner


@given(st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=6), st.sampled_from(["active", "suspended"]))
def test_the_state_follows_from_the_suspensions_and_is_told_only_where_it_differs(
    ends: list[int | None], state: str
) -> None:
    suspensions = [held(str(number), days) for number, days in enumerate(ends)]
    changed = restate(an_organisation(state), suspensions, NOW)
    after = an_organisation(changed.state, changed.until) if changed else an_organisation(state)
    assert (after.state == "suspended") == (any(days is None or days > 0 for days in ends))
    assert restate(after, suspensions, NOW) is None


@pytest.mark.parametrize("state", ["pending", "closed"])
def test_nobody_is_suspended_who_is_not_active(state: str) -> None:
    assert restate(an_organisation(state), [held("a", 1)], NOW) is None


def sanctioned(market: Market, organisation_id: str, *, days: int) -> OrganisationSanctioned:
    now = market.clock()
    return OrganisationSanctioned(
        sanction_id=new_id(),
        organisation_id=organisation_id,
        side="supplier",
        level=1,
        contract_ids=("a", "b", "c"),
        since=now,
        until=now + timedelta(days=days),
        appeal_until=now + timedelta(days=10),
    )


def lifted(sanction: OrganisationSanctioned, market: Market) -> SanctionAppealDecided:
    return SanctionAppealDecided(
        sanction_id=sanction.sanction_id,
        organisation_id=sanction.organisation_id,
        decision="lifted",
        explanation="It burnt",
        decided_at=market.clock(),
    )


async def a_supplier(market: Market) -> str:
    async with market.client() as client:
        _, member = await registered(client)
    return str(member["organisation_id"])


async def told(market: Market, organisation_id: str, *expected: tuple[str, datetime | None]) -> None:
    async def all_told() -> bool:
        found = await market.published("accounts", OrganisationStateChanged)
        changes = [(each.state, each.until) for each in found if each.organisation_id == organisation_id]
        return changes == list(expected)

    await market.eventually(all_told)


async def by_hand(
    market: Market, organisation_id: str, state: str, reason: str = "an inquiry", until: datetime | None = None
) -> tuple[int, str]:
    async with market.client(ADMIN) as admin:
        body = {"state": state, "reason": reason} | ({"until": until.isoformat()} if until else {})
        answer = await admin.post(f"/api/organisations/{organisation_id}/state", json=body)
        return answer.status_code, answer.json().get("rule", "")


async def test_a_state_is_set_again_as_it_was_and_for_another_reason_is_refused(market: Market) -> None:
    mill = await a_supplier(market)
    assert await by_hand(market, mill, "active") == (422, "state-change-not-allowed"), "nobody had set it"
    for state in ("suspended", "active", "closed"):
        assert await by_hand(market, mill, state) == (200, "")
        assert await by_hand(market, mill, state, reason=" an  inquiry ") == (200, "")
        assert await by_hand(market, mill, state, reason="another inquiry") == (422, "done-otherwise")
    await told(market, mill, ("suspended", None), ("active", None), ("closed", None))


async def test_a_suspension_is_given_another_end_and_another_reason_with_it(market: Market) -> None:
    mill = await a_supplier(market)
    until = market.clock() + timedelta(days=5)
    assert await by_hand(market, mill, "suspended", until=until) == (200, "")
    assert await by_hand(market, mill, "suspended", "it grew", until) == (422, "done-otherwise")
    assert await by_hand(market, mill, "suspended", "it grew", until + timedelta(days=1)) == (200, "")
    await told(market, mill, ("suspended", until), ("suspended", until + timedelta(days=1)))


async def test_a_suspension_that_would_be_over_already_is_refused_and_frees_nobody(market: Market) -> None:
    mill = await a_supplier(market)
    for until in (market.clock() - timedelta(days=365), market.clock()):
        assert await by_hand(market, mill, "suspended", until=until) == (422, "suspension-in-the-past")
        assert await by_hand(market, mill, "suspended") == (200, "")
        assert await by_hand(market, mill, "suspended", "it grew", until) == (422, "suspension-in-the-past")
    await told(market, mill, ("suspended", None))


async def test_a_state_that_a_former_release_set_is_not_compared_since_its_reason_was_not_kept(market: Market) -> None:
    mill = await a_supplier(market)
    await by_hand(market, mill, "closed")
    await market.fetch("update accounts.organisations set state_reason = null where organisation_id = $1", mill)
    assert await by_hand(market, mill, "closed", reason="another") == (200, "")


async def test_a_state_of_a_newer_release_is_shown_and_not_changed(market: Market) -> None:
    mill = await a_supplier(market)
    await market.fetch("update accounts.organisations set state = 'dormant' where organisation_id = $1", mill)
    async with market.client(ADMIN) as admin:
        page = await admin.get(f"/organisations/{mill}", headers={"accept": "text/html"})
    assert page.status_code == 200 and "dormant" in page.text
    assert await by_hand(market, mill, "active") == (422, "state-change-not-allowed")


async def test_a_sanction_suspends_once_until_its_end_and_ends_by_itself(market: Market) -> None:
    mill = await a_supplier(market)
    one = sanctioned(market, mill, days=90)
    await market.publish(one, one)
    await told(market, mill, ("suspended", one.until))
    assert await by_hand(market, mill, "active") == (422, "sanction-in-force")
    market.clock.advance(timedelta(days=90, seconds=1))
    await told(market, mill, ("suspended", one.until), ("active", None))


async def test_of_two_sanctions_the_latest_end_holds_and_a_granted_appeal_leaves_the_other(market: Market) -> None:
    mill = await a_supplier(market)
    short, long = sanctioned(market, mill, days=30), sanctioned(market, mill, days=60)
    await market.publish(long, short)
    await told(market, mill, ("suspended", long.until))
    await market.publish(lifted(long, market))
    await told(market, mill, ("suspended", long.until), ("suspended", short.until))
    await market.publish(lifted(short, market), long)
    await told(market, mill, ("suspended", long.until), ("suspended", short.until), ("active", None))


async def test_an_appeal_granted_before_its_sanction_arrives_suspends_nobody(market: Market) -> None:
    mill, other = await a_supplier(market), await a_supplier(market)
    one, mark = sanctioned(market, mill, days=30), sanctioned(market, other, days=30)
    await market.publish(lifted(one, market), one, mark)
    await told(market, other, ("suspended", mark.until))

    async def kept() -> bool:
        rows = await market.fetch("select until from accounts.suspensions where suspension_id = $1", one.sanction_id)
        return bool(rows) and rows[0]["until"] < one.until

    await market.eventually(kept)
    await told(market, mill)


async def test_an_administrators_suspension_outlasts_a_sanction_and_the_other_way_round(market: Market) -> None:
    mill = await a_supplier(market)
    one = sanctioned(market, mill, days=30)
    assert (await by_hand(market, mill, "suspended"))[0] == 200
    await market.publish(one)
    market.clock.advance(timedelta(days=31))
    two = sanctioned(market, mill, days=30)
    await market.publish(two)

    async def known() -> bool:
        return bool(await market.fetch("select from accounts.suspensions where suspension_id = $1", two.sanction_id))

    await market.eventually(known)
    await told(market, mill, ("suspended", None))
    assert await by_hand(market, mill, "active") == (200, "")
    await told(market, mill, ("suspended", None), ("suspended", two.until))


async def test_a_token_of_nobody_makes_no_api_secret(market: Market) -> None:
    async with market.client(ADMIN) as stranger:
        assert (await stranger.post("/api/me/keys", json={"name": "robot"})).status_code == 401
    async with market.browser(ADMIN) as browser:
        answer = await browser.post("/account/keys", {"key_name": "robot"})
        assert answer.status_code in (200, 401) and "Log in" in answer.text
