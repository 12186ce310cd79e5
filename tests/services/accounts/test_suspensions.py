"""Several suspensions may hold at once. The latest end counts, and each suspension ends separately."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.accounts import OrganisationStateChanged
from events.contracts import OrganisationSanctioned, SanctionAppealDecided
from infra.ids import new_id
from services.accounts.domain import BY_HAND, Organisation, SuspensionReason, longest, restate
from tests.market import Market
from tests.services.accounts.test_accounts import ADMIN, registered

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def a_suspension(name: str, days: int | None) -> SuspensionReason:
    return SuspensionReason(
        suspension_id=name, reason=f"because of {name}", until=None if days is None else NOW + timedelta(days=days)
    )


def an_organisation(state: str = "active", until: datetime | None = None) -> Organisation:
    return Organisation(organisation_id="mill", name="Mill", roles=("supplier",), state=state, suspended_until=until)


@pytest.mark.parametrize(
    ("suspensions", "winner"),
    [
        ([], None),
        ([a_suspension("a", 0)], None),
        ([a_suspension("a", -1), a_suspension("b", 1)], "b"),
        ([a_suspension("a", 9), a_suspension("b", 3)], "a"),
        ([a_suspension("a", 9), a_suspension(BY_HAND, None)], BY_HAND),
    ],
)
def test_the_suspension_that_ends_last_counts(suspensions: list[SuspensionReason], winner: str | None) -> None:
    found = longest(suspensions, NOW)
    assert (found.suspension_id if found else None) == winner


@given(st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=6), st.sampled_from(["active", "suspended"]))
def test_the_state_follows_from_the_suspensions_and_only_a_change_is_published(
    ends: list[int | None], state: str
) -> None:
    suspensions = [a_suspension(str(number), days) for number, days in enumerate(ends)]
    changed = restate(an_organisation(state), suspensions, NOW)
    after = an_organisation(changed.state, changed.until) if changed else an_organisation(state)
    assert (after.state == "suspended") == (any(days is None or days > 0 for days in ends))
    assert restate(after, suspensions, NOW) is None


@pytest.mark.parametrize("state", ["pending", "closed"])
def test_an_organisation_that_is_not_active_is_not_suspended(state: str) -> None:
    assert restate(an_organisation(state), [a_suspension("a", 1)], NOW) is None


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


async def wait_for_states(market: Market, organisation_id: str, *expected: tuple[str, datetime | None]) -> None:
    """Wait until exactly these changes of its state are published: (state, until)."""

    async def are_published() -> bool:
        found = await market.published("accounts", OrganisationStateChanged)
        changes = [(each.state, each.until) for each in found if each.organisation_id == organisation_id]
        return changes == list(expected)

    await market.eventually(are_published)


async def set_state(
    market: Market, organisation_id: str, state: str, reason: str = "an inquiry", until: datetime | None = None
) -> tuple[int, str]:
    """Set the state as an administrator. Return the status, and the rule of a refusal."""
    async with market.client(ADMIN) as admin:
        body = {"state": state, "reason": reason} | ({"until": until.isoformat()} if until else {})
        answer = await admin.post(f"/api/organisations/{organisation_id}/state", json=body)
        return answer.status_code, answer.json().get("rule", "")


async def test_a_repeat_is_answered_as_before_and_refused_with_another_reason(market: Market) -> None:
    mill = await a_supplier(market)
    assert await set_state(market, mill, "active") == (422, "state-change-not-allowed"), "no administrator had set it"
    for state in ("suspended", "active", "closed"):
        assert await set_state(market, mill, state) == (200, "")
        assert await set_state(market, mill, state, reason=" an  inquiry ") == (200, "")
        assert await set_state(market, mill, state, reason="another inquiry") == (422, "done-otherwise")
    await wait_for_states(market, mill, ("suspended", None), ("active", None), ("closed", None))


async def test_a_suspension_takes_another_reason_only_with_another_end(market: Market) -> None:
    mill = await a_supplier(market)
    until = market.clock() + timedelta(days=5)
    assert await set_state(market, mill, "suspended", until=until) == (200, "")
    assert await set_state(market, mill, "suspended", "it grew", until) == (422, "done-otherwise")
    assert await set_state(market, mill, "suspended", "it grew", until + timedelta(days=1)) == (200, "")
    await wait_for_states(market, mill, ("suspended", until), ("suspended", until + timedelta(days=1)))


async def test_a_suspension_that_ends_in_the_past_is_refused_and_changes_nothing(market: Market) -> None:
    mill = await a_supplier(market)
    for until in (market.clock() - timedelta(days=365), market.clock()):
        assert await set_state(market, mill, "suspended", until=until) == (422, "suspension-in-the-past")
        assert await set_state(market, mill, "suspended") == (200, "")
        assert await set_state(market, mill, "suspended", "it grew", until) == (422, "suspension-in-the-past")
    await wait_for_states(market, mill, ("suspended", None))


async def test_a_state_that_a_former_release_set_without_a_reason_can_be_repeated_with_any_reason(
    market: Market,
) -> None:
    mill = await a_supplier(market)
    await set_state(market, mill, "closed")
    await market.fetch("update accounts.organisations set state_reason = null where organisation_id = $1", mill)
    assert await set_state(market, mill, "closed", reason="another") == (200, "")


async def test_a_state_of_a_newer_release_is_shown_and_not_changed(market: Market) -> None:
    mill = await a_supplier(market)
    await market.fetch("update accounts.organisations set state = 'dormant' where organisation_id = $1", mill)
    async with market.client(ADMIN) as admin:
        page = await admin.get(f"/organisations/{mill}", headers={"accept": "text/html"})
    assert page.status_code == 200 and "dormant" in page.text
    assert await set_state(market, mill, "active") == (422, "state-change-not-allowed")


async def test_a_sanction_suspends_once_until_its_end_and_ends_by_itself(market: Market) -> None:
    mill = await a_supplier(market)
    one = sanctioned(market, mill, days=90)
    await market.publish(one, one)
    await wait_for_states(market, mill, ("suspended", one.until))
    assert await set_state(market, mill, "active") == (422, "sanction-in-force")
    market.clock.advance(timedelta(days=90, seconds=1))
    await wait_for_states(market, mill, ("suspended", one.until), ("active", None))


async def test_the_latest_end_of_two_sanctions_counts_and_a_granted_appeal_ends_only_its_sanction(
    market: Market,
) -> None:
    mill = await a_supplier(market)
    short, long = sanctioned(market, mill, days=30), sanctioned(market, mill, days=60)
    await market.publish(long, short)
    await wait_for_states(market, mill, ("suspended", long.until))
    await market.publish(lifted(long, market))
    await wait_for_states(market, mill, ("suspended", long.until), ("suspended", short.until))
    await market.publish(lifted(short, market), long)
    await wait_for_states(market, mill, ("suspended", long.until), ("suspended", short.until), ("active", None))


async def test_a_sanction_whose_appeal_was_granted_before_it_arrived_suspends_nobody(market: Market) -> None:
    mill, other = await a_supplier(market), await a_supplier(market)
    one, later = sanctioned(market, mill, days=30), sanctioned(market, other, days=30)
    await market.publish(lifted(one, market), one, later)
    await wait_for_states(market, other, ("suspended", later.until))

    async def kept() -> bool:
        rows = await market.fetch("select until from accounts.suspensions where suspension_id = $1", one.sanction_id)
        return bool(rows) and rows[0]["until"] < one.until

    await market.eventually(kept)
    await wait_for_states(market, mill)


async def test_a_suspension_by_an_administrator_outlasts_a_sanction_and_a_sanction_outlasts_it(market: Market) -> None:
    mill = await a_supplier(market)
    one = sanctioned(market, mill, days=30)
    assert (await set_state(market, mill, "suspended"))[0] == 200
    await market.publish(one)
    market.clock.advance(timedelta(days=31))
    two = sanctioned(market, mill, days=30)
    await market.publish(two)

    async def known() -> bool:
        return bool(await market.fetch("select from accounts.suspensions where suspension_id = $1", two.sanction_id))

    await market.eventually(known)
    await wait_for_states(market, mill, ("suspended", None))
    assert await set_state(market, mill, "active") == (200, "")
    await wait_for_states(market, mill, ("suspended", None), ("suspended", two.until))


async def test_a_token_whose_member_does_not_exist_makes_no_api_secret(market: Market) -> None:
    async with market.client(ADMIN) as stranger:
        assert (await stranger.post("/api/me/keys", json={"name": "robot"})).status_code == 401
    async with market.browser(ADMIN) as browser:
        answer = await browser.post("/account/keys", {"key_name": "robot"})
        assert answer.status_code in (200, 401) and "Log in" in answer.text
