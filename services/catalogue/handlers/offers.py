"""Offers: publish, edit by copy, withdraw, end."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from catalogue import places
from catalogue.categories import short_cpv
from catalogue.offers import EcoLabel, Offer, OfferEnded, PriceTier, months_later
from catalogue.offers import broken_rules as broken_offer_rules
from catalogue.policy import Policy
from catalogue.rules import NotASupplier, OrganisationNotActive, RuleBroken, SkuNotPublished
from events import catalogue as said
from events.accounts import OrganisationRegistered
from events.bounds import Code, Days, Few, Id, Name, Packs, Percent, Price
from events.catalogue import OfferArchived, OfferPublished
from events.values import Category
from infra.answered import Answered
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import new_id
from infra.tokens import Principal
from services.catalogue import store
from services.catalogue.store import StandingOffer, endings
from services.catalogue.store.endings import Ended, EndingOffers
from services.market.replicas import local_date

MOST_STANDING = 20
"""The most current offers of one supplier on one SKU: it needs one for each group of regions with the same price. More
offers that a former release accepted stay."""
MOST_A_DAY = 50
"""The most offers that one supplier can publish on one SKU within 24 hours, including edits."""
PORTION = 500
"""The most offers that are ended in one transaction."""


class NotYourOffer(RuleBroken):
    code = "not-your-offer"


class OfferOfOtherSku(RuleBroken):
    code = "offer-of-other-sku"


class OffersEnding(RuleBroken):
    """Many former offers of the supplier, or on the SKU, are still being ended."""

    code = "offers-ending"


class TooManyOffers(RuleBroken):
    code = "too-many-offers"


class TooManyOffersOfDay(RuleBroken):
    code = "too-many-offers-of-a-day"


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """The place of the goods, by codes or names. A client may send back the place from an answer: its coordinates are
    ignored, because the market determines them itself."""

    AS_ANSWERED: ClassVar = Answered(places.Place)

    country: Name
    region: Name = ""
    locality: Name = ""


class NewTier(msgspec.Struct, frozen=True, kw_only=True):
    """The price of a pack that applies from this quantity on."""

    from_quantity: Packs
    price: Price


class OfferTerms(msgspec.Struct, frozen=True, kw_only=True):
    """An offer as a supplier enters it. Defaults are the market's currency, the longest validity, and stock at the
    supplier's seat.

    ``replaces`` is the offer of which this one is an edited copy: it is archived in the same step.
    """

    sku_id: Id
    price: Price
    vat_rate: Percent
    regions: Few[Code]
    delivery_days: Days
    max_quantity: Packs
    min_quantity: Packs = Decimal(1)
    vat_included: bool = True
    currency: Code = ""
    tiers: Few[NewTier] = ()
    eco_labels: Few[said.EcoLabel] = ()
    stock: Stock | None = None
    valid_until: date | None = None
    replaces: Id = ""


async def drafted(tx: Transaction, terms: OfferTerms, principal: Principal, policy: Policy) -> Offer:
    """The offer that these terms give today, by the supplier's local date. Raise NotASupplier, NotActive,
    UnknownCountry, UnknownRegion."""
    supplier = await active(tx, principal.organisation_id, lock=True)
    if supplier is None or "supplier" not in supplier.roles:
        raise NotASupplier(
            "Only a registered supplier can publish offers. If you have just registered, try again in a moment."
        )
    seat = supplier.place
    stock = terms.stock or Stock(country=seat.country or "", region=seat.region or "", locality=seat.locality or "")
    located = await asyncio.to_thread(places.read_place, stock.country, stock.region, stock.locality, "stock")
    today = local_date(supplier, tx.now)
    fields = {name: getattr(terms, name) for name in terms.__struct_fields__ if name in Offer.__struct_fields__}
    fields |= {
        "regions": places.written_areas(terms.regions),
        "currency": (terms.currency or policy.currency).upper(),
        "tiers": tuple(
            sorted(
                (PriceTier(each.from_quantity, each.price) for each in terms.tiers), key=lambda tier: tier.from_quantity
            )
        ),
        "eco_labels": tuple(EcoLabel(each.label, each.certificate, each.expires) for each in terms.eco_labels),
        "stock": located,
        "valid_until": terms.valid_until or months_later(today, policy.catalogue.offer_months),
    }
    return Offer(offer_id=new_id(), supplier_id=principal.organisation_id, valid_from=today, **fields)


async def check(tx: Transaction, terms: OfferTerms, principal: Principal, policy: Policy) -> tuple[RuleBroken, ...]:
    """Every rule that these terms break, for display beside the fields. Raise the errors of :func:`drafted`."""
    return broken_offer_rules(await drafted(tx, terms, principal, policy), policy.catalogue)


async def publish_offer(
    tx: Transaction, terms: OfferTerms, principal: Principal, policy: Policy, request_key: str = ""
) -> StandingOffer:
    """Publish an offer. Raise the errors of :func:`drafted`, SkuNotPublished, OffersEnding, NotYourOffer, OfferEnded, OfferOfOtherSku,
    TooManyOffers, TooManyOffersOfDay, and the first rule that the offer breaks.

    A repeat of the request returns the same offer.
    """
    async with tx.once("offer", request_key, caller=principal.member_id, body=terms, answer=StandingOffer) as once:
        if once.first:
            once.answer = await _publish(tx, terms, principal, policy)
    return once.answer


async def _publish(tx: Transaction, terms: OfferTerms, principal: Principal, policy: Policy) -> StandingOffer:
    offer = await drafted(tx, terms, principal, policy)
    sku = (await store.published(tx, [terms.sku_id], lock=True)).get(terms.sku_id)
    if sku is None:
        raise SkuNotPublished("An offer must be on a published SKU.", field="sku_id", sku_id=terms.sku_id)
    for error in broken_offer_rules(offer, policy.catalogue):
        raise error
    if await endings.is_ending(tx, terms.sku_id, principal.organisation_id):
        raise OffersEnding("Former offers are still being archived; try again in a moment.", field="sku_id")
    if terms.replaces:
        former = await _own(tx, terms.replaces, principal)
        if former.offer.sku_id != terms.sku_id:
            raise OfferOfOtherSku("An offer can replace only an offer on the same SKU.", field="replaces")
        if former.ended:
            raise OfferEnded(
                f"Nothing was published: the offer that you edited has ended already ({_word(former.ended)}).",
                field="replaces",
                replaced=_word(former.ended),
            )
        await _require_room(tx, terms.sku_id, principal, one_more=False)
        await end_offers(tx, [former], "replaced")
    else:
        await _require_room(tx, terms.sku_id, principal, one_more=True)
    made = StandingOffer(offer=offer, supplier_name=principal.organisation_name, published_at=tx.now)
    store.add_offer(tx, made)
    await tx.session.flush()
    await store.note_changes(tx, [offer.sku_id])
    facts = {"supplier_name": made.supplier_name, "category": category_of(sku.sku.category)}
    tx.emit(msgspec.convert({**msgspec.to_builtins(offer), **facts}, OfferPublished))
    return made


async def withdraw(tx: Transaction, offer_id: str, principal: Principal) -> StandingOffer:
    """The supplier withdraws its own offer; repeating it changes nothing. Raise NotYourOffer, Missing, and OfferEnded if
    it ended otherwise; its ``standing`` is another current offer of the supplier on this SKU, if there is one."""
    own = await _own(tx, offer_id, principal)
    if own.ended == "withdrawn":
        return own
    if own.ended:
        another = await store.newest_own(tx, own.offer.sku_id, principal.organisation_id)
        if another:
            raise OfferEnded(
                f"The offer was not withdrawn: it had ended before ({_word(own.ended)}). Another offer of yours on this"
                " SKU is valid.",
                ended=_word(own.ended),
                standing=another,
            )
        raise OfferEnded(
            f"The offer was not withdrawn: it had ended before ({_word(own.ended)}).", ended=_word(own.ended)
        )
    await end_offers(tx, [own], "withdrawn")
    return replace(own, ended="withdrawn", ended_at=tx.now)


def _word(ended: str) -> str:
    """How an offer ended, as a word for people."""
    return ended.replace("-", " ")


async def end_offers(tx: Transaction, ending: Iterable[StandingOffer], reason: str) -> None:
    """Archive current offers and publish this."""
    await _say_ended(tx, await endings.end_offers(tx, [each.offer.offer_id for each in ending], reason), reason)


async def end_all(tx: Transaction, ending: EndingOffers) -> None:
    """Archive the first portion of these offers and publish this; a timer archives the others. The caller must have
    locked the supplier or SKU, so that no offer is published unseen meanwhile."""
    if await end_portion(tx, ending):
        await endings.note_ending(tx, ending)


async def end_portion(tx: Transaction, ending: EndingOffers) -> bool:
    """Archive the next portion. Return whether there may be more."""
    ended = await endings.end_some(tx, ending, PORTION)
    await _say_ended(tx, ended, ending.reason)
    return len(ended) == PORTION


async def _say_ended(tx: Transaction, ended: Sequence[Ended], reason: str) -> None:
    await store.note_changes(tx, [each.sku_id for each in ended])
    for each in ended:
        tx.emit(OfferArchived(**msgspec.structs.asdict(each), reason=reason))


async def _require_room(tx: Transaction, sku_id: str, principal: Principal, *, one_more: bool) -> None:
    """Check the limits for ``one_more`` offer, or for one that replaces another. There are limits because each offer
    stays among the observed prices for ever."""
    count, of_day = await store.count_own(tx, sku_id, principal.organisation_id)
    if of_day >= MOST_A_DAY:
        raise TooManyOffersOfDay(
            f"You published {of_day} offers on this SKU within a day, and at most {MOST_A_DAY} are possible: edit it tomorrow.",
            field="sku_id",
            offers=of_day,
            most=MOST_A_DAY,
        )
    if one_more and count >= MOST_STANDING:
        raise TooManyOffers(
            f"You have {count} valid offers on this SKU, and at most {MOST_STANDING} are possible: edit or withdraw one of them.",
            field="sku_id",
            offers=count,
            most=MOST_STANDING,
        )


async def _own(tx: Transaction, offer_id: str, principal: Principal) -> StandingOffer:
    """The supplier's own offer, locked. Raise NotYourOffer, Missing."""
    found = await store.offer(tx, offer_id, lock=True)
    if found is None:
        raise Missing("offer", offer_id)
    if found.offer.supplier_id != principal.organisation_id:
        raise NotYourOffer("This is another supplier's offer.")
    return found


async def active(tx: Transaction, organisation_id: str, *, lock: bool = False) -> OrganisationRegistered | None:
    """The organisation if it is active; None if it is not known yet."""
    found = await store.organisations.get(await tx.raw(), organisation_id, lock=lock)
    if found and found.state != "active":
        raise OrganisationNotActive(f"Your organisation is {found.state}.", state=found.state)
    return found


def category_of(code: str) -> Category:
    return Category(code=code, title=short_cpv().name(code))
