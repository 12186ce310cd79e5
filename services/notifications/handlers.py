"""Use cases and reactions of notifications."""

import msgspec

from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events.accounts import MemberJoined
from events.notifications import MailUnsubscribed
from events.recommender import RecommendationsMade
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import derive_id
from infra.reactions import Reactions
from services.notifications import duties, store
from services.notifications.domain import Preferences, choose, spoken
from services.notifications.letters import Digest
from services.notifications.store import LetterMember, claiming

READERS = {SUPPLIER_AGENT, BUYER_OFFICER}
"""The roles of members who get letters: those who act for their organisation."""


async def reader(tx: Transaction, member_id: str) -> LetterMember:
    """The reader with that id. Raise Missing if the member is neither a supplier's agent nor a buyer's officer, or is
    not known yet."""
    found = await store.member(tx, member_id, lock=True)
    if found is None:
        raise Missing("mail settings of member", member_id)
    return found


async def set_preferences(tx: Transaction, member_id: str, wanted: Preferences) -> LetterMember:
    """Set the preferences of a member. Raise the errors of :meth:`Preferences.check`, and Missing. A repeat changes
    nothing."""
    wanted.check()
    before = await reader(tx, member_id)
    if wanted == before.preferences:
        return before
    next_at = wanted.next_after(tx.now, await _zone(tx, before.organisation_id))
    await store.save_preferences(tx, member_id, wanted, next_at)
    for topic in before.preferences.topics:
        if topic not in wanted.topics:
            tx.emit(MailUnsubscribed(member_id=member_id, organisation_id=before.organisation_id, topic=topic))
    return msgspec.structs.replace(before, preferences=wanted, next_at=next_at)


async def set_topic(tx: Transaction, member_id: str, topic: str, *, on: bool) -> LetterMember:
    """Switch one topic on or off, by a link from a letter."""
    before = await reader(tx, member_id)
    rest = tuple(each for each in before.preferences.topics if each != topic)
    topics = (*rest, topic) if on else rest
    if (topic in before.preferences.topics) is on:
        return before
    return await set_preferences(tx, member_id, msgspec.structs.replace(before.preferences, topics=topics))


async def resume_mail(tx: Transaction, member_id: str) -> None:
    """The reader says that its address works again: it gets mail from its next due hour on."""
    member = await reader(tx, member_id)
    if member.stopped is not None:
        await store.set_stopped(tx, member_id, None)
        zone = await _zone(tx, member.organisation_id)
        await store.set_next(tx, member_id, member.preferences.next_after(tx.now, zone))


async def compose(tx: Transaction, member: LetterMember, slot: str) -> Digest | None:
    """Claim a digest of what is new to this member; None if nothing is new, if the member wants no digest, or if the
    slot had its digest."""
    organisation = await store.organisations.get(await tx.raw(), member.organisation_id)
    if organisation is None or organisation.state != "active" or "digest" not in member.preferences.topics:
        return None
    if SUPPLIER_AGENT not in member.roles:
        return None
    recommended = await store.recommendations(tx, member.organisation_id)
    items = choose(recommended, await store.mailed(tx, member.member_id), tx.now)
    if not items:
        return None
    digest = Digest(
        letter_id=derive_id("digest", member.member_id, slot),
        member_id=member.member_id,
        organisation_id=member.organisation_id,
        period=member.preferences.period,
        name=member.name,
        organisation=organisation.name,
        email=member.email,
        language=spoken(member.language),
        zone=organisation.time_zone,
        items=items,
        claimed_at=tx.now.replace(microsecond=0),
    )
    return digest if await claiming.add_digest(tx, digest, slot) else None


async def digest_now(tx: Transaction, member_id: str, request_key: str) -> bool:
    """Send a digest that its reader asked for, in addition to that of the period. Return whether one is sent; a repeat
    of the request returns the first answer."""
    member = await reader(tx, member_id)
    async with tx.once("now", request_key, caller=member_id, body="", answer=str) as once:
        if once.first and member.stopped is None and await compose(tx, member, f"asked/{request_key}") is not None:
            once.answer = "claimed"
    return once.answered


async def _zone(tx: Transaction, organisation_id: str) -> str:
    organisation = await store.organisations.get(await tx.raw(), organisation_id)
    return organisation.time_zone if organisation else "UTC"


# Reactions to events of other services


def reactions(*, rehearsal: bool) -> Reactions:
    """The reactions. In a rehearsal the first digest is sent as soon as there is something in it, not in the
    morning."""
    reactions = Reactions(store.organisations.reactions, duties.reactions)

    @reactions.on(MemberJoined)
    async def put_reader(tx: Transaction, event: MemberJoined) -> None:
        if READERS & set(event.roles) and event.email:
            usual = Preferences()
            first = tx.now if rehearsal else usual.next_after(tx.now, await _zone(tx, event.organisation_id))
            await store.put_member(tx, event, usual, first)

    @reactions.on(RecommendationsMade)
    async def put_recommendations(tx: Transaction, event: RecommendationsMade) -> None:
        await store.put_recommendations(tx, event)
        if rehearsal and event.items:
            await store.hasten(tx, event.supplier_id)

    return reactions
