"""The copies that events feed. Imports bring tens of thousands of them, so each is one statement, harmless when repeated."""

from datetime import date

from events.accounts import OrganisationRegistered
from events.auctions import AuctionOpened
from events.catalogue import OfferPublished
from events.contracts import AwardMade, ContractConcluded
from events.pools import PoolOpened
from events.quotes import QuoteRequestOpened
from events.transparency import TenderImported
from events.values import Category, Place
from infra.database import Transaction

OVER = ("cancelled", "unsuccessful", "complete", "withdrawn")
"""OCDS tender statuses in which nobody can bid any more."""


def code_of(category: Category | None) -> str:
    return f"{category.scheme}:{category.code}" if category else ""


def region_of(place: Place) -> str:
    return place.region or place.country or ""


async def put_supplier(tx: Transaction, event: OrganisationRegistered) -> None:
    """The later particulars hold, but those of an import never replace what an organisation of this market says of itself."""
    native = event.source is None
    await (await tx.raw()).execute(
        """insert into recommender.suppliers as old (supplier_id, name, state, region, declared, native, dirty_at)
           values ($1, $2, $3, $4, $5, $6, case when $6 then $7::timestamptz end)
           on conflict (supplier_id) do update set name = excluded.name, state = excluded.state, region = excluded.region,
               declared = excluded.declared, native = excluded.native, dirty_at = coalesce(excluded.dirty_at, old.dirty_at)
           where excluded.native or not old.native""",
        event.organisation_id,
        event.name,
        event.state,
        region_of(event.place),
        [code_of(category) for category in event.categories],
        native,
        tx.now,
    )


async def set_state(tx: Transaction, supplier_id: str, state: str) -> None:
    await (await tx.raw()).execute(
        "update recommender.suppliers set state = $2, dirty_at = $3 where supplier_id = $1", supplier_id, state, tx.now
    )


async def put_sku(tx: Transaction, sku_id: str, name: str) -> None:
    await (await tx.raw()).execute(
        "insert into recommender.skus (sku_id, name) values ($1, $2) on conflict (sku_id) do update set name = excluded.name",
        sku_id,
        name,
    )


async def put_offer(tx: Transaction, event: OfferPublished) -> None:
    await (await tx.raw()).execute(
        """insert into recommender.offers (offer_id, supplier_id, sku_id, category, archived)
           values ($1, $2, $3, $4, false) on conflict do nothing""",
        event.offer_id,
        event.supplier_id,
        event.sku_id,
        code_of(event.category),
    )


async def archive_offer(tx: Transaction, offer_id: str, supplier_id: str, sku_id: str) -> None:
    await (await tx.raw()).execute(
        """insert into recommender.offers (offer_id, supplier_id, sku_id, category, archived)
           values ($1, $2, $3, '', true) on conflict (offer_id) do update set archived = true""",
        offer_id,
        supplier_id,
        sku_id,
    )


async def put_award(tx: Transaction, event: AwardMade) -> None:
    """All its winners. Seen again, the later holds (a cancelled one no longer counts)."""
    await _put_award(tx, "award", event.award_id, event.supplier_ids, event, event.awarded_at.date(), event.cancelled)


async def put_contract(tx: Transaction, event: ContractConcluded) -> None:
    """A contract counts as an award where it names none."""
    await _put_award(tx, "contract", event.contract_id, (event.supplier_id,), event, event.signed_at.date(), False)


async def _put_award(
    tx: Transaction,
    kind: str,
    award_id: str,
    supplier_ids: tuple[str, ...],
    event: AwardMade | ContractConcluded,
    on: date,
    cancelled: bool,
) -> None:
    await (await tx.raw()).execute(
        """insert into recommender.awards (award_id, supplier_id, process_id, kind, buyer_name, region, city, category, method,
               title, awarded_on, cancelled, heard_at)
           select $1, supplier_id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
           from (select distinct unnest($2::text[]) as supplier_id) winners
           on conflict (award_id, supplier_id) do update set buyer_name = excluded.buyer_name, region = excluded.region,
               city = excluded.city, category = excluded.category, method = excluded.method, title = excluded.title,
               awarded_on = excluded.awarded_on, cancelled = excluded.cancelled, heard_at = excluded.heard_at""",
        award_id,
        list(supplier_ids),
        event.process_id,
        kind,
        event.buyer_name,
        region_of(event.place),
        event.place.locality or "",
        code_of(event.category),
        event.method,
        event.title,
        on,
        cancelled,
        tx.now,
    )


async def cancel_contract(tx: Transaction, contract_id: str) -> None:
    await (await tx.raw()).execute(
        "update recommender.awards set cancelled = true, heard_at = $2 where award_id = $1 and kind = 'contract'",
        contract_id,
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
    """It names no price: the amount stays unknown."""
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
    """Enrolment's end is shown as its own until it is frozen; the first region stands for all."""
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


async def open_tender(tx: Transaction, event: TenderImported) -> bool:
    """A tender of another market that still takes bids; False (and closed, if it was open) when it does not."""
    if event.closes_at is None or event.closes_at <= tx.now or event.status in OVER:
        await close(tx, event.process_id)
        return False
    await (await tx.raw()).execute(
        """insert into recommender.opportunities (opportunity_id, kind, open, native, title, buyer_id, buyer_name, region, city,
               category, method, currency, path, closes_at)
           values ($1, 'tender', true, false, $2, $3, '', $4, $5, $6, $7, '', '/transparency', $8)
           on conflict (opportunity_id) do update set open = true, title = excluded.title, category = excluded.category,
               region = excluded.region, city = excluded.city, method = excluded.method, closes_at = excluded.closes_at""",
        event.process_id,
        event.title,
        event.buyer_id or "",
        region_of(event.place),
        event.place.locality or "",
        code_of(event.category),
        event.method,
        event.closes_at,
    )
    return True


async def move_end(tx: Transaction, opportunity_id: str, closes_at: object) -> None:
    """A later end, or none set (None)."""
    await (await tx.raw()).execute(
        "update recommender.opportunities set closes_at = $2 where opportunity_id = $1", opportunity_id, closes_at
    )


async def close(tx: Transaction, opportunity_id: str) -> None:
    await (await tx.raw()).execute(
        "update recommender.opportunities set open = false where opportunity_id = $1 and open", opportunity_id
    )


async def add_interest(tx: Transaction, supplier_id: str, points: dict[str, int]) -> None:
    await (await tx.raw()).execute(
        """insert into recommender.interest as old (supplier_id, category, points)
           select $1, * from unnest($2::text[], $3::int[])
           on conflict (supplier_id, category) do update set points = old.points + excluded.points""",
        supplier_id,
        list(points),
        list(points.values()),
    )


async def add_co_purchases(tx: Transaction, pairs: dict[str, dict[str, int]]) -> None:
    rows = [(one, other, count) for one, others in pairs.items() for other, count in others.items()]
    await (await tx.raw()).executemany(
        """insert into recommender.co_purchases as old (sku_id, other_sku_id, together) values ($1, $2, $3)
           on conflict (sku_id, other_sku_id) do update set together = old.together + excluded.together""",
        rows,
    )


async def forget_interest(tx: Transaction) -> None:
    await (await tx.raw()).execute("delete from recommender.interest")


async def forget_co_purchases(tx: Transaction) -> None:
    await (await tx.raw()).execute("delete from recommender.co_purchases")
