"""SKUs: propose, moderate, archive."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from catalogue.calendar import RegionCalendar
from catalogue.categories import MalformedCategory, normalise
from catalogue.policy import Policy
from catalogue.rules import RuleBroken, Several, require_repeat
from catalogue.skus import (
    Similar,
    Sku,
    SkuAttribute,
    SkuState,
    SkuStep,
    WrongState,
    check_new_version,
    next_state,
)
from catalogue.skus import broken_rules as broken_sku_rules
from catalogue.units import read_unit
from events.bounds import Code, Few, Name, Packs, Phrase, Text, Title
from events.catalogue import SkuArchived, SkuProposed, SkuPublished, SkuReturned
from events.values import Refusal
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import new_id
from infra.tokens import Principal
from services.catalogue import store
from services.catalogue.handlers.offers import active, category_of, end_all
from services.catalogue.store import Version, proposals
from services.catalogue.store.endings import EndingOffers
from services.market.replicas import calendar_of

MOST_AWAITING = 50
"""The most cards of one organisation that await moderation. More cards that a former release accepted stay."""


class NearDuplicates(RuleBroken):
    """The catalogue has similar cards; the proposer must check them first."""

    code = "near-duplicates"


class NotTheProposer(RuleBroken):
    code = "not-the-proposer"


class TooManyAwaiting(RuleBroken):
    code = "too-many-awaiting"


class NewAttribute(msgspec.Struct, frozen=True, kw_only=True):
    name: Name
    value: Phrase
    unit: Code = ""


class SkuProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A proposed card. ``none_of_these``: the proposer checked the near-duplicates, and the card is none of them."""

    name: Title
    category: Code
    attributes: Few[NewAttribute]
    base_unit: Code
    pack_size: Packs = Decimal(1)
    description: Text = ""
    gtin: Code = ""
    group: Name = ""
    language: Code = "en"
    none_of_these: bool = False


class ProposedCard(msgspec.Struct, frozen=True, kw_only=True):
    """``sku_id`` is "" for a new SKU, else that of the published one that gets a new version, or of the returned one
    that is corrected. ``alike`` are the near-duplicates that were found before."""

    proposal: SkuProposal
    sku_id: str = ""
    alike: tuple[Similar, ...] = ()


def card_of(proposal: SkuProposal, sku_id: str, number: int = 1) -> Sku:
    """The proposed card; its category gets eight digits if it has the form of a CPV code. Raise UnknownUnit."""
    fields = {name: getattr(proposal, name) for name in proposal.__struct_fields__ if name != "none_of_these"}
    try:
        fields["category"] = normalise(proposal.category)
    except MalformedCategory:
        fields["category"] = proposal.category.strip()
    fields["base_unit"] = read_unit(proposal.base_unit, "base_unit").code
    fields["attributes"] = tuple(SkuAttribute(each.name, each.value, each.unit) for each in proposal.attributes)
    return Sku(sku_id=sku_id, version=number, **fields)


async def propose(
    tx: Transaction, proposed: ProposedCard, principal: Principal, policy: Policy, request_key: str = ""
) -> Version:
    """Send a card to moderation. Raise NearDuplicates if there are any, TooManyAwaiting, WrongState, NotTheProposer,
    and the first rule that the card breaks. A repeat of the request returns the same version.
    """
    body = [proposed.sku_id, proposed.proposal]
    async with tx.once("propose", request_key, caller=principal.member_id, body=body, answer=Version) as once:
        if once.first:
            once.answer = await _propose(tx, proposed, principal, policy)
    return once.answer


async def _propose(tx: Transaction, proposed: ProposedCard, principal: Principal, policy: Policy) -> Version:
    organisation = await active(tx, principal.organisation_id)
    card, before = await _next_card(tx, proposed, principal)
    for error in broken_sku_rules(card, policy.catalogue):
        raise error
    if proposed.alike and not proposed.proposal.none_of_these:
        raise _near_duplicates(proposed.alike)
    await _check_share(tx, principal)
    calendar = calendar_of(organisation) if organisation else RegionCalendar("UTC")
    made = Version(
        sku=card,
        state=next_state(SkuState.DRAFT, SkuStep.SUBMIT, card, rules=policy.catalogue),
        proposed_by=principal.organisation_id,
        proposer_name=principal.organisation_name,
        proposed_at=tx.now,
        decide_by=policy.due(tx.now, policy.catalogue.moderation_days, calendar),
    )
    await store.save(tx, made, before)
    tx.emit(
        SkuProposed(sku_id=card.sku_id, version=card.version, name=card.name, proposed_by=principal.organisation_id)
    )
    return made


async def _next_card(tx: Transaction, proposed: ProposedCard, principal: Principal) -> tuple[Sku, SkuState | None]:
    """The next version of the card, with the state of its row (None if there is no row yet)."""
    sku_id, proposal = proposed.sku_id, proposed.proposal
    if not sku_id:
        return card_of(proposal, new_id()), None
    latest = await _known(tx, sku_id)
    number = latest.sku.version
    if latest.state is SkuState.RETURNED:
        if latest.proposed_by != principal.organisation_id:
            raise NotTheProposer("Only the organisation that proposed a card can correct it after it was returned.")
        return card_of(proposal, sku_id, number), latest.state
    if latest.state is not SkuState.PUBLISHED:
        raise WrongState(f"Version {number} is in state {latest.state}.", state=str(latest.state), version=number)
    card = card_of(proposal, sku_id, number + 1)
    check_new_version(latest.sku, card)
    return card, None


def _near_duplicates(alike: Sequence[Similar]) -> NearDuplicates:
    return NearDuplicates(
        f"The catalogue has {len(alike)} card{'s' if len(alike) > 1 else ''} like this one."
        f" Look at {'them' if len(alike) > 1 else 'it'} first.",
        field="none_of_these",
        number=len(alike),
        sku_ids=Several(each.sku_id for each in alike),
        likeness=Several(f"{each.score:.2f}" for each in alike),
    )


async def _check_share(tx: Transaction, principal: Principal) -> None:
    awaiting = await proposals.count_own_awaiting(tx, principal.organisation_id)
    if awaiting >= MOST_AWAITING:
        raise TooManyAwaiting(
            f"{awaiting} cards of your organisation await moderation, {MOST_AWAITING} at most may; propose further ones when some of"
            " these are decided.",
            awaiting=awaiting,
            most=MOST_AWAITING,
        )


async def publish(tx: Transaction, sku_id: str, number: int | None = None) -> Version:
    """A moderator publishes the version (default: the newest); the former published version is archived. A repeat
    changes nothing."""
    judged = await _known(tx, sku_id, number)
    if judged.state is SkuState.PUBLISHED:
        return judged
    after = replace(judged, state=next_state(judged.state, SkuStep.PUBLISH, judged.sku), reasons=())
    former = (await store.published(tx, [sku_id])).get(sku_id)
    if former:
        replaced = (f"replaced by version {judged.sku.version}",)
        state = next_state(former.state, SkuStep.ARCHIVE, former.sku, reasons=replaced)
        await store.save(tx, replace(former, state=state, reasons=replaced), former.state)
    await store.save(tx, after, judged.state)
    await store.note_changes(tx, [sku_id])
    tx.emit(
        msgspec.convert({**msgspec.to_builtins(judged.sku), "category": category_of(judged.sku.category)}, SkuPublished)
    )
    return after


async def send_back(tx: Transaction, sku_id: str, reasons: tuple[str, ...], number: int | None = None) -> Version:
    """A moderator returns the version with reasons. A repeat changes nothing. Raise DoneOtherwise if it was returned
    with other reasons."""
    judged = await _known(tx, sku_id, number)
    reasons = tuple(reason.strip() for reason in reasons if reason.strip())
    if judged.state is SkuState.RETURNED:
        require_repeat(reasons == judged.reasons, "; ".join(judged.reasons))
        return judged
    after = replace(
        judged, state=next_state(judged.state, SkuStep.RETURN, judged.sku, reasons=reasons), reasons=reasons
    )
    await store.save(tx, after, judged.state)
    told = tuple(Refusal(rule="moderation", message=reason) for reason in reasons)
    tx.emit(SkuReturned(sku_id=sku_id, version=judged.sku.version, reasons=told))
    return after


async def archive(tx: Transaction, sku_id: str, reason: str) -> Version:
    """A moderator archives a SKU and its offers. A repeat changes nothing. Raise DoneOtherwise if it was archived for
    another reason."""
    judged = (await store.published(tx, [sku_id])).get(sku_id) or await _known(tx, sku_id)
    if judged.state is SkuState.ARCHIVED:
        require_repeat(judged.reasons == (reason,), "; ".join(judged.reasons))
        return judged
    after = replace(
        judged, state=next_state(judged.state, SkuStep.ARCHIVE, judged.sku, reasons=(reason,)), reasons=(reason,)
    )
    await store.save(tx, after, judged.state)
    await end_all(tx, EndingOffers(of="sku", subject=sku_id, reason="sku-archived"))
    await store.note_changes(tx, [sku_id])
    tx.emit(SkuArchived(sku_id=sku_id, reason=reason))
    return after


async def _known(tx: Transaction, sku_id: str, number: int | None = None) -> Version:
    """Lock and return the version of that number, or the newest one."""
    found = (
        await store.newest(tx, sku_id, lock=True)
        if number is None
        else await store.version(tx, sku_id, number, lock=True)
    )
    if found is None:
        raise Missing("SKU", sku_id)
    return found
