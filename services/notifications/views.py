"""The data of a member's own mail that the pages and the API show."""

from collections.abc import Sequence

import msgspec

from catalogue.roles import SUPPLIER_AGENT
from infra.database import Transaction
from services.notifications import handlers, store
from services.notifications.domain import TOPICS
from services.notifications.store import LetterMember, Sent


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The mail settings of a member. ``stopped`` is the answer of the mail server that refused the address for good."""

    member: LetterMember
    letters: Sequence[Sent]


async def settings(tx: Transaction, member_id: str) -> Settings:
    """Return the member's mail settings with the latest letters to it. Raise Missing."""
    member = await handlers.reader(tx, member_id)
    return Settings(member=member, letters=await store.latest(tx, member.member_id))


async def zone_of(tx: Transaction, member: LetterMember) -> str:
    """The time zone of the hours in the member's settings."""
    organisation = await store.organisations.get(await tx.raw(), member.organisation_id)
    return organisation.time_zone if organisation else "UTC"


def offered(member: LetterMember) -> tuple[str, ...]:
    """The topics that a member can choose: digests are only for suppliers."""
    return tuple(topic for topic in TOPICS if topic != "digest" or SUPPLIER_AGENT in member.roles)
