"""Old lists, rankings and dismissals are deleted, except the lists of suppliers of this market and the dismissals of
open opportunities."""

from infra.config import Keep
from infra.ids import new_id
from infra.pruning import Pruner
from services.recommender.store.pruning import PRUNES
from tests.market import Market
from tests.services.recommender.builders import PAPER, a_supplier, an_auction


async def test_old_rows_are_deleted_except_lists_of_this_markets_suppliers_and_dismissals_of_open_opportunities(
    market: Market,
) -> None:
    native, imported, auction = a_supplier(PAPER), new_id(), an_auction(market.clock())
    await market.publish(native, auction)

    async def both_are_known() -> bool:
        found = await market.fetch(
            "select (select count(*) from recommender.lists where supplier_id = $1)"
            " + (select count(*) from recommender.opportunities where opportunity_id = $2) as found",
            native.organisation_id,
            auction.auction_id,
        )
        return bool(found[0]["found"] == 2)

    await market.eventually(both_are_known, 90)
    ages = {"lists": ("made_at", 31), "invitees": ("made_at", 31), "dismissals": ("dismissed_at", 181)}
    await market.fetch("insert into recommender.lists values ($1, '', now(), '[]')", imported)
    await market.fetch("insert into recommender.invitees values ($1, now(), '[]')", imported)
    for opportunity in (imported, auction.auction_id):
        await market.fetch("insert into recommender.dismissals values ($1, $2, now())", imported, opportunity)
    pruner = Pruner("recommender", [], Keep(), PRUNES)

    async def prune() -> dict[str, set[str]]:
        """Prune all tables once. Return the keys that are left, by table."""
        while True:
            async with market.resources.database.transaction("recommender") as tx:
                if not await pruner.step(tx):
                    break
        found = {}
        for table, key in (("lists", "supplier_id"), ("invitees", "opportunity_id"), ("dismissals", "opportunity_id")):
            keys = [native.organisation_id, imported, auction.auction_id]
            rows = await market.fetch(
                f"select {key} as key from recommender.{table} where {key} = any($1::text[])", keys
            )
            found[table] = {row["key"] for row in rows}
        return found

    before = await prune()
    assert before["lists"] == {native.organisation_id, imported} and imported in before["invitees"]
    assert before["dismissals"] == {imported, auction.auction_id}
    for table, (column, days) in ages.items():
        await market.fetch(f"update recommender.{table} set {column} = now() - make_interval(days => {days})")
    after = await prune()
    assert after["lists"] == {native.organisation_id} and imported not in after["invitees"]
    assert after["dismissals"] == {auction.auction_id}
