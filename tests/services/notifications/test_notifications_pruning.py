"""How long letters are kept, and how long it is known which opportunities were mailed."""

from infra.config import Keep
from infra.ids import new_id
from infra.pruning import Pruner
from services.notifications.store import PRUNES
from tests.market import Market

DAYS = Keep().letters_days


async def a_letter(market: Market, member_id: str, state: str, days: int, opportunity_id: str) -> str:
    letter_id = new_id()
    await market.fetch(
        "insert into notifications.letters (letter_id, topic, about, moot, member_id, slot, state, body, claimed_at, retry_at,"
        " attempts, trouble) values ($1, 'digest', '', false, $2, $1, $3, '{}', now() - make_interval(days => $4),"
        " 'infinity', 1, '')",
        letter_id,
        member_id,
        state,
        days,
    )
    await market.fetch("insert into notifications.mailed values ($1, $2, $3)", member_id, opportunity_id, letter_id)
    return letter_id


async def a_reader(market: Market, member_id: str, supplier_id: str) -> None:
    """A reader of digests whose due hour does not come."""
    await market.fetch(
        "insert into notifications.members (member_id, organisation_id, name, email, language, roles, stopped, period, hour,"
        " topics, next_at) values ($1, $2, '', '', 'en', '{}', null, 'day', 8, '{digest}', 'infinity')",
        member_id,
        supplier_id,
    )


async def prune(market: Market) -> None:
    pruner = Pruner("notifications", [], Keep(), PRUNES)
    for _ in range(2):  # the record of mailed opportunities is deleted after its letter
        while True:
            async with market.resources.database.transaction("notifications") as tx:
                if not await pruner.step(tx):
                    break


async def test_an_old_letter_goes_and_what_it_told_is_known_while_it_is_recommended(market: Market) -> None:
    member, supplier = new_id(), new_id()
    await a_reader(market, member, supplier)
    await market.fetch(
        "insert into notifications.recommendations values"
        " ($1, now(), jsonb_build_array(jsonb_build_object('opportunity_id', 'open')))",
        supplier,
    )
    young = await a_letter(market, member, "sent", DAYS - 1, "young")
    waiting = await a_letter(market, member, "sending", DAYS + 1, "waiting")
    await a_letter(market, member, "sent", DAYS + 1, "over")
    await a_letter(market, member, "sent", DAYS + 1, "open")
    await prune(market)
    letters = await market.fetch("select letter_id from notifications.letters where member_id = $1", member)
    assert {row["letter_id"] for row in letters} == {young, waiting}
    mailed = await market.fetch("select opportunity_id from notifications.mailed where member_id = $1", member)
    assert {row["opportunity_id"] for row in mailed} == {"young", "waiting", "open"}
    await market.fetch("delete from notifications.letters where member_id = $1", member)
    await market.fetch("delete from notifications.mailed where member_id = $1", member)


async def test_a_letter_that_cannot_be_read_holds_up_no_other(market: Market) -> None:
    member = new_id()
    await a_reader(market, member, new_id())
    broken = await a_letter(market, member, "claimed", 0, "broken")
    await market.fetch("update notifications.letters set retry_at = '-infinity' where letter_id = $1", broken)

    async def put_off() -> bool:
        query = "select trouble, retry_at > now() as later from notifications.letters where letter_id = $1"
        [row] = await market.fetch(query, broken)
        return bool(row["later"] and "ValidationError" in row["trouble"])

    await market.eventually(put_off)
    await market.fetch("delete from notifications.letters where letter_id = $1", broken)
