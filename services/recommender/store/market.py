"""The copies that events feed. Events that came together are written in one statement, which can be repeated. Its rows
are in the order of their keys, so that two statements with common rows cannot deadlock. SQL is written by hand here for
upserts, guarded writes and hot paths."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, update
from sqlmodel import col

from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.auctions import AuctionExtended, AuctionOpened, BidAccepted
from events.catalogue import OfferArchived, OfferPublished, SkuPublished
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.pools import PoolExtended, PoolFrozen, PoolOpened
from events.quotes import QuoteRequestOpened
from events.transparency import TenderImported
from events.values import Category, Place
from infra.database import Transaction, columns
from services.recommender.store.marks import TAKEN
from services.recommender.store.rows import CoPurchaseRow, InterestRow, OpportunityRow

OVER = ("cancelled", "unsuccessful", "complete", "withdrawn")
"""OCDS tender statuses in which nobody can bid any more."""


def code_of(category: Category | None) -> str:
    return f"{category.scheme}:{category.code}" if category else ""


def region_of(place: Place) -> str:
    return place.region or place.country or ""


async def put_suppliers(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    """Store suppliers. Later data replace earlier data, but data of an import never replace those of an organisation of this
    market."""
    last: dict[str, OrganisationRegistered] = {}
    for event in events:
        known = last.get(event.organisation_id)
        if known is None or event.source is None or known.source is not None:
            last[event.organisation_id] = event
    if not last:
        return
    rows = [
        (
            event.organisation_id,
            event.name,
            event.state,
            region_of(event.place),
            "\n".join(code_of(category) for category in event.categories),
            event.source is None,
        )
        for _, event in sorted(last.items())
    ]
    await (await tx.raw()).execute(
        f"""insert into recommender.suppliers as old (supplier_id, name, state, region, declared, native, dirty_at)
           select id, name, state, region, string_to_array(declared, e'\\n'), native, case when native then $7::timestamptz end
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[])
               as told (id, name, state, region, declared, native)
           on conflict (supplier_id) do update set name = excluded.name, state = excluded.state, region = excluded.region,
               declared = excluded.declared, native = excluded.native,
               dirty_at = case when old.dirty_at > {TAKEN} then old.dirty_at else coalesce(excluded.dirty_at, old.dirty_at) end
           where excluded.native or not old.native""",
        *columns(rows),
        tx.now,
    )


async def set_state(tx: Transaction, event: OrganisationStateChanged) -> None:
    await (await tx.raw()).execute(
        f"""update recommender.suppliers set state = $2, dirty_at = case when dirty_at > {TAKEN} then dirty_at else $3 end
           where supplier_id = $1""",
        event.organisation_id,
        event.state,
        tx.now,
    )


async def put_skus(tx: Transaction, events: Sequence[SkuPublished]) -> None:
    names = {event.sku_id: event.name for event in events}
    await (await tx.raw()).execute(
        """insert into recommender.skus (sku_id, name) select * from unnest($1::text[], $2::text[])
           on conflict (sku_id) do update set name = excluded.name""",
        sorted(names),
        [names[sku_id] for sku_id in sorted(names)],
    )


async def put_offers(tx: Transaction, events: Sequence[OfferPublished]) -> None:
    await (await tx.raw()).execute(
        """insert into recommender.offers (offer_id, supplier_id, sku_id, category, archived)
           select *, false from unnest($1::text[], $2::text[], $3::text[], $4::text[]) on conflict do nothing""",
        *columns(
            sorted((event.offer_id, event.supplier_id, event.sku_id, code_of(event.category)) for event in events)
        ),
    )


async def archive_offers(tx: Transaction, events: Sequence[OfferArchived]) -> None:
    last = {event.offer_id: event for event in events}
    await (await tx.raw()).execute(
        """insert into recommender.offers (offer_id, supplier_id, sku_id, category, archived)
           select *, '', true from unnest($1::text[], $2::text[], $3::text[])
           on conflict (offer_id) do update set archived = true""",
        *columns(sorted((event.offer_id, event.supplier_id, event.sku_id) for event in last.values())),
    )


async def put_awards(tx: Transaction, events: Sequence[AwardMade]) -> None:
    """Store awards with all their winners. If an award comes again, the later one holds (a cancelled award does not
    count any more)."""
    rows = {
        (event.award_id, supplier_id): _award(
            event, supplier_id, "award", event.award_id, event.awarded_at, event.cancelled
        )
        for event in events
        for supplier_id in event.supplier_ids
    }
    await _put_awards(tx, [row for _, row in sorted(rows.items())])


async def put_contracts(tx: Transaction, events: Sequence[ContractConcluded]) -> None:
    """Store contracts. A contract counts as an award if it names none."""
    rows = {
        event.contract_id: _award(event, event.supplier_id, "contract", event.contract_id, event.signed_at, False)
        for event in events
    }
    await _put_awards(tx, [row for _, row in sorted(rows.items())])


def _award(
    event: AwardMade | ContractConcluded, supplier_id: str, kind: str, award_id: str, at: datetime, cancelled: bool
) -> tuple[object, ...]:
    return (
        award_id,
        supplier_id,
        event.process_id,
        kind,
        event.buyer_name,
        region_of(event.place),
        event.place.locality or "",
        code_of(event.category),
        event.method,
        event.title,
        at.date(),
        cancelled,
    )


async def _put_awards(tx: Transaction, rows: Collection[tuple[object, ...]]) -> None:
    if rows:
        await (await tx.raw()).execute(
            """insert into recommender.awards (award_id, supplier_id, process_id, kind, buyer_name, region, city, category,
                   method, title, awarded_on, cancelled, heard_at)
               select *, $13 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                   $8::text[], $9::text[], $10::text[], $11::date[], $12::bool[])
               on conflict (award_id, supplier_id) do update set buyer_name = excluded.buyer_name, region = excluded.region,
                   city = excluded.city, category = excluded.category, method = excluded.method, title = excluded.title,
                   awarded_on = excluded.awarded_on, cancelled = excluded.cancelled, heard_at = excluded.heard_at""",
            *columns(rows),
            tx.now,
        )


async def cancel_contracts(tx: Transaction, events: Sequence[ContractEnded]) -> None:
    if not events:
        return
    await (await tx.raw()).execute(
        """with ended as (select award_id, supplier_id from recommender.awards where award_id = any($1::text[]) and kind = 'contract'
             order by award_id, supplier_id for update)
           update recommender.awards one set cancelled = true, heard_at = $2 from ended
           where one.award_id = ended.award_id and one.supplier_id = ended.supplier_id""",
        [event.contract_id for event in events],
        tx.now,
    )


async def open_auction(tx: Transaction, event: AuctionOpened) -> None:
    await (await tx.raw()).execute(
        """insert into recommender.opportunities (opportunity_id, kind, open, native, title, buyer_id, buyer_name, region, city,
               category, method, currency, amount, path, closes_at, pool_id)
           values ($1, 'auction', true, true, $2, $3, $4, $5, $6, $7, 'open', $8, $9, '/auctions/' || $1, $10, $11)
           on conflict do nothing""",
        event.auction_id,
        event.title,
        event.buyer_id,
        event.buyer_name,
        region_of(event.place),
        event.place.locality or "",
        code_of(event.category),
        event.currency,
        event.initial_price,
        event.closes_at,
        event.pool_id,
    )


async def open_quote_request(tx: Transaction, event: QuoteRequestOpened) -> None:
    """Store a request for quotes. It has no price, so the amount stays unknown."""
    await (await tx.raw()).execute(
        """insert into recommender.opportunities (opportunity_id, kind, open, native, title, buyer_id, buyer_name, region, city,
               category, method, currency, path, closes_at)
           values ($1, 'quote', true, true, $2, $3, $4, $5, $6, $7, 'open', $8, '/quotes/' || $1, $9)
           on conflict do nothing""",
        event.request_id,
        event.title,
        event.buyer_id,
        event.buyer_name,
        region_of(event.place),
        event.place.locality or "",
        code_of(event.category),
        event.currency,
        event.closes_at,
    )


async def open_pool(tx: Transaction, event: PoolOpened) -> None:
    """Store a pool. Until it is frozen, its end is that of the enrolment; the first region is used for all."""
    await (await tx.raw()).execute(
        """insert into recommender.opportunities (opportunity_id, kind, open, native, title, buyer_id, buyer_name, region, city,
               category, method, currency, path, closes_at)
           values ($1, 'pool', true, true, $2, $3, $4, $5, '', $6, 'open', $7, '/pools/' || $1, $8) on conflict do nothing""",
        event.pool_id,
        event.title,
        event.lead_id,
        event.lead_name,
        next(iter(event.regions), ""),
        code_of(event.category),
        event.currency,
        event.enrolment_ends_at,
    )


async def put_tenders(tx: Transaction, events: Sequence[TenderImported]) -> None:
    """Store tenders of other markets; those that do not accept bids any more are closed if they were open."""
    if not events:
        return
    last = {event.process_id: event for event in events}
    rows = [
        (
            event.process_id,
            event.title,
            event.buyer_id or "",
            region_of(event.place),
            event.place.locality or "",
            code_of(event.category),
            event.method,
            event.closes_at,
        )
        for _, event in sorted(last.items())
        if event.closes_at is not None and event.closes_at > tx.now and event.status not in OVER
    ]
    db = await tx.raw()
    await db.execute(
        "with over as (select opportunity_id from recommender.opportunities where opportunity_id = any($1::text[]) and open"
        " order by opportunity_id for update) update recommender.opportunities one set open = false from over"
        " where one.opportunity_id = over.opportunity_id",
        sorted(last),
    )
    if rows:
        await db.execute(
            """insert into recommender.opportunities (opportunity_id, kind, open, native, title, buyer_id, buyer_name, region,
                   city, category, method, currency, path, closes_at)
               select id, 'tender', true, false, title, buyer_id, '', region, city, category, method, '', '/transparency', closes_at
               from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
                   as told (id, title, buyer_id, region, city, category, method, closes_at)
               on conflict (opportunity_id) do update set open = true, near = false, title = excluded.title, category = excluded.category,
                   region = excluded.region, city = excluded.city, method = excluded.method, closes_at = excluded.closes_at""",
            *columns(rows),
        )


async def extend_auction(tx: Transaction, event: AuctionExtended | BidAccepted) -> None:
    """Store a new end after an outage, a restart or a bid. Rounds do not count, because only earlier bidders may bid in
    them."""
    await _move_end(tx, event.auction_id, event.closes_at)


async def extend_pool(tx: Transaction, event: PoolExtended) -> None:
    await _move_end(tx, event.pool_id, event.enrolment_ends_at)
    # the end of the pool may now be beyond the horizon
    await tx.session.exec(
        update(OpportunityRow).where(col(OpportunityRow.opportunity_id) == event.pool_id).values(near=False)
    )


async def freeze_pool(tx: Transaction, event: PoolFrozen) -> None:
    """The pool will be sourced; until its mini-auction opens, its end is not known."""
    await _move_end(tx, event.pool_id, None)


async def _move_end(tx: Transaction, opportunity_id: str, closes_at: datetime | None) -> None:
    await (await tx.raw()).execute(
        "update recommender.opportunities set closes_at = $2 where opportunity_id = $1", opportunity_id, closes_at
    )


async def add_interest(tx: Transaction, shown: Iterable[tuple[str, dict[str, int]]]) -> None:
    """Add points that suppliers (ids) earned by category. Not idempotent: the caller's inbox claims each event once."""
    total: Counter[tuple[str, str]] = Counter()
    for supplier_id, points in shown:
        for category, number in points.items():
            total[supplier_id, category] += number
    await _add(tx, "interest", ("supplier_id", "category", "points"), total)


async def add_co_purchases(tx: Transaction, bought: Iterable[dict[str, dict[str, int]]]) -> None:
    """Add pairs of SKUs that were bought together. Not idempotent, as :func:`add_interest`."""
    total: Counter[tuple[str, str]] = Counter()
    for pairs in bought:
        for one, others in pairs.items():
            for other, count in others.items():
                total[one, other] += count
    await _add(tx, "co_purchases", ("sku_id", "other_sku_id", "together"), total)


async def _add(tx: Transaction, table: str, names: tuple[str, str, str], total: Mapping[tuple[str, str], int]) -> None:
    if total:
        one, other, number = names
        await (await tx.raw()).execute(
            f"""insert into recommender.{table} as old ({one}, {other}, {number})
                select * from unnest($1::text[], $2::text[], $3::int[])
                on conflict ({one}, {other}) do update set {number} = old.{number} + excluded.{number}""",
            *columns((*key, count) for key, count in sorted(total.items())),
        )


async def forget_interest(tx: Transaction) -> None:
    await tx.session.exec(delete(InterestRow))


async def forget_co_purchases(tx: Transaction) -> None:
    await tx.session.exec(delete(CoPurchaseRow))
