"""Use cases of direct purchases: a buyer sends a request to a supplier, and the supplier answers."""

import asyncpg
import msgspec
from msgspec import structs

from catalogue.offers import Need, Offer, OfferEnded, PricedOffer, price_for
from catalogue.policy import Policy
from catalogue.rules import RuleBroken
from events.accounts import OrganisationRegistered
from events.bounds import Id, Name, Quantity
from events.catalogue import OfferArchived, OfferPublished, SkuPublished
from events.contracts import PurchaseAnswered, PurchaseRequested
from events.purchases import PurchaseWaits, PurchaseWaitsNoMore
from infra.database import Reader, Transaction
from infra.denied import Missing
from infra.ids import new_id
from infra.reactions import Reactions
from infra.tokens import Principal
from services.market.places import delivered_to
from services.market.replicas import calendar_of
from services.purchases.domain import purchases
from services.purchases.domain.purchases import AnswerPurchase, LapseAnswer, Purchase, RequestPurchase
from services.purchases.store import purchases as requests
from services.purchases.store import replicas


class NotKnownYet(RuleBroken):
    """Accounts has not announced this organisation yet."""

    code = "not-known-yet"


class NewPurchase(msgspec.Struct, frozen=True, kw_only=True):
    """``quantity`` counts packs. ``region`` (ISO 3166-2 code or name) and ``locality`` are the place of delivery; if
    both are empty, it is the buyer's seat."""

    offer_id: Id
    quantity: Quantity
    region: Name = ""
    locality: Name = ""


async def offered(db: Reader, offer_id: str) -> tuple[Offer, bool, SkuPublished]:
    """Return an offer, whether it stands, and its SKU. Raise Missing."""
    found = await replicas.offer(db, offer_id)
    sku = (await replicas.skus.get(db, [found[0].sku_id])).get(found[0].sku_id) if found else None
    if found is None or sku is None:
        raise Missing("offer", offer_id)
    return *found, sku


async def quote(tx: Transaction, wanted: NewPurchase, principal: Principal, policy: Policy) -> Purchase:
    """Return the purchase as it would be requested now. Raise Missing, OfferEnded, UnknownRegion, and what
    :func:`domain.purchases.request` raises."""
    db = await tx.raw()
    offer, stands, sku = await offered(db, wanted.offer_id)
    if not stands:
        raise OfferEnded("This offer has ended: it was withdrawn, replaced or archived. Choose another offer.")
    buyer = await known(db, principal.organisation_id, principal.organisation_name)
    place = delivered_to(wanted.region, wanted.locality, buyer.place)
    calendar = calendar_of(buyer)
    rival: Offer | None = None
    if policy.purchase.cheapest_only(sku.category.code):
        need = Need(wanted.quantity, place.region or place.country or "", calendar.local(tx.now).date())
        priced = price_for(offer, need)
        if isinstance(priced, PricedOffer):
            rival = await replicas.cheaper(db, offer, priced.total, need, buyer_id=buyer.organisation_id)
    return purchases.request(
        RequestPurchase(process_id=new_id(), quantity=wanted.quantity, place=place),
        offer,
        sku,
        buyer=buyer,
        supplier=await known(db, offer.supplier_id, "The supplier"),
        policy=policy,
        calendar=calendar,
        now=tx.now,
        rivals=[rival] if rival else (),
    )


async def request_purchase(
    tx: Transaction, wanted: NewPurchase, principal: Principal, policy: Policy, request_key: str
) -> str:
    """Request a purchase and return its id; repeating the key returns the same id. Raise what :func:`quote` and
    :func:`domain.purchases.check_unanswered` raise."""
    async with tx.once("purchase", request_key, caller=principal.organisation_id, body=wanted, answer=str) as once:
        if once.first:
            purchase = await quote(tx, wanted, principal, policy)
            purchases.check_unanswered(
                policy, *await requests.count_unanswered(tx, purchase.requested, policy.purchase)
            )
            await requests.save(tx, requests.StoredPurchase(purchase=purchase, requested_at=tx.now))
            tx.emit(purchase.requested)
            once.answer = purchase.requested.process_id
    return once.answer


async def answer_purchase(tx: Transaction, process_id: str, accepts: bool, reason: str, principal: Principal) -> None:
    """Store the supplier's answer. If it accepts, a contract follows. Raise Missing and what
    :func:`domain.purchases.decide` raises."""
    kept = await requests.lock(tx, process_id)
    if kept is None or not kept.concerns(principal.organisation_id):
        raise Missing("purchase", process_id)
    command = AnswerPurchase(organisation_id=principal.organisation_id, accepts=accepts, reason=reason.strip())
    await carry_out_answer(tx, kept, command)


async def carry_out_answer(
    tx: Transaction, kept: requests.StoredPurchase, command: AnswerPurchase | LapseAnswer
) -> None:
    """Decide about a purchase that is locked."""
    for event in purchases.decide(kept.purchase, command, tx.now):
        tx.emit(event)
        after = purchases.apply(kept.purchase, event)
        await requests.save(tx, structs.replace(kept, purchase=after, answered_at=tx.now, reason=event.reason))
        if after.answer == "accepted":
            tx.emit(purchases.accepted(after, requests.contract_id_of(after.requested)))


async def known(db: asyncpg.Connection, organisation_id: str, name: str) -> OrganisationRegistered:
    """Return the organisation. Raise NotKnownYet."""
    found = await replicas.organisations.get(db, organisation_id)
    if found is None:
        raise NotKnownYet(
            f"{name} is not known here yet: try again in a moment.", organisation=organisation_id, name=name
        )
    return found


# Reactions to what other services announced, and to requests and answers of either release

reactions = Reactions(replicas.organisations.reactions, replicas.skus.reactions)
reactions.many(OfferPublished, replicas.put_offers)
reactions.many(OfferArchived, replicas.archive_offers)


@reactions.on(PurchaseRequested)
async def tell_that_it_waits(tx: Transaction, event: PurchaseRequested) -> None:
    kept = await requests.get(await tx.raw(), event.process_id)
    if kept is None or kept.purchase.answer:
        return
    same = "process_id buyer_id buyer_name supplier_id title quantity currency amount due_at"
    tx.emit(
        PurchaseWaits(
            **{name: getattr(event, name) for name in same.split()},
            supplier_name=kept.purchase.supplier_name,
            requested_at=kept.requested_at,
        )
    )


@reactions.on(PurchaseAnswered)
async def tell_that_it_waits_no_more(tx: Transaction, event: PurchaseAnswered) -> None:
    tx.emit(PurchaseWaitsNoMore(process_id=event.process_id))
