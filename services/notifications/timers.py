"""Claims due digests, and sends letters. The states claimed, sending and sent are committed separately; the mail server
is called between the last two."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import cycle

from msgspec import structs

from events.notifications import DigestSent, DutyMailed
from infra import kept_mail, metrics
from infra.away import in_short
from infra.database import Transaction
from infra.due import Due
from infra.reading import UnreadableKey
from infra.service import Resources, Timer
from services.notifications import post, store
from services.notifications.domain import GIVE_UP_AFTER, TURNS, LetterDuty, slot
from services.notifications.handlers import compose
from services.notifications.letters import CombinedLetter, Digest, DutyLetter, Letter, sender
from services.notifications.links import Links
from services.notifications.store import LetterMember, queue
from services.notifications.store.queue import Attempt
from services.notifications.writing import Writer

log = logging.getLogger(__name__)
AT_ONCE = 20
ATTEMPT = 2 * post.SECONDS
"""The most seconds for one letter, however slow the server's answers are, because all other letters wait behind it."""
LEASE = timedelta(seconds=ATTEMPT + post.SECONDS)
"""Longer than any attempt can take: after this time the sender counts as dead, and another may try."""


async def _lock_due(tx: Transaction, but: Sequence[str]) -> list[LetterMember]:
    return await store.lock_due(tx, AT_ONCE, but)


async def claim_digests(tx: Transaction, due: Sequence[LetterMember]) -> None:
    for member in due:
        await _claim_digest(tx, member)


async def _claim_digest(tx: Transaction, member: LetterMember) -> None:
    """Claim the member's digest. If nothing is new, there is no letter until the next due hour."""
    organisation = await store.organisations.get(await tx.raw(), member.organisation_id)
    zone = organisation.time_zone if organisation else "UTC"
    wants = member.preferences
    this = slot(wants.period, member.next_at, zone)
    made = await compose(tx, member, this)
    following = wants.next_after(tx.now, zone)
    if made and slot(wants.period, following, zone) == this:
        following = wants.next_after(following, zone)  # this day (or week) already had its digest
    await store.set_next(tx, member.member_id, following)


class Postman:
    """Sends claimed letters, one at a time. Several processes may do this at once."""

    def __init__(self, resources: Resources, links: Links) -> None:
        self._database = resources.database
        self._smtp_url = resources.config.smtp_url or kept_mail.smtp_url(resources.config.home)
        self._from = sender(self._smtp_url, resources.config.public_url)
        self._writer = Writer(links, self._from, resources.config.public_url)
        self._turns = cycle(TURNS)

    async def send_one(self, _: Transaction) -> int:
        """Send the next letter. The timer's own transaction stays empty, so that no lock is held while the mail server
        works."""
        until = asyncio.get_running_loop().time() + ATTEMPT
        async with self._database.transaction("notifications") as tx:
            attempt = await queue.claim_to_send(tx, tx.now + LEASE, next(self._turns))
        if attempt is None:
            self._writer.pause()
            return 0
        if not attempt.wanted:
            await self._settle(attempt, "dropped")
        elif isinstance(attempt.letter, UnreadableKey):
            log.error("letter %s cannot be read", attempt.letter_id, exc_info=attempt.letter.error)
            await self._put_off(attempt, in_short(attempt.letter.error))
        else:
            await self._send(attempt, attempt.letter, until)
        return 1

    async def _send(self, attempt: Attempt, letter: Letter, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                content = await self._writer.write(letter)
        except Exception as error:
            log.exception("letter %s cannot be written", attempt.letter_id)
            return await self._put_off(attempt, in_short(error))
        try:
            async with asyncio.timeout_at(until):
                await post.send(self._smtp_url, self._from, letter.email, content)
        except post.AddressRefused as refused:
            await self._settle(attempt, "refused", str(refused), stopped=letter.member_id)
        except post.LetterRefused as refused:
            await self._settle(attempt, "failed", str(refused))
        except post.NotNow as trouble:
            await self._put_off(attempt, str(trouble))
        except TimeoutError:  # the server may have accepted it
            await self._put_off(
                structs.replace(attempt, handed=True), f"the mail server was not done within {ATTEMPT} s"
            )
        else:
            await self._settle(attempt, "sent", sent=letter)

    async def _settle(
        self, attempt: Attempt, state: str, trouble: str = "", *, stopped: str = "", sent: Letter | None = None
    ) -> None:
        """Store the result. ``stopped`` is the member whose address gets no mail any more, ``sent`` the letter that was
        sent."""
        async with self._database.transaction("notifications") as tx:
            if not await queue.settle(tx, attempt, state, trouble=trouble):
                return
            metrics.MAILS.labels(state).inc()
            if stopped:
                await store.set_stopped(tx, stopped, trouble)
            if sent:
                for event in _sent(sent, tx.now):
                    tx.emit(event)

    async def _put_off(self, attempt: Attempt, trouble: str) -> None:
        async with self._database.transaction("notifications") as tx:
            if tx.now - attempt.claimed_at > GIVE_UP_AFTER:
                await queue.settle(tx, attempt, "failed", trouble=trouble)
                metrics.MAILS.labels("failed").inc()
            else:
                metrics.MAILS.labels("put-off").inc()
                await queue.postpone(tx, attempt, trouble)


def _sent(letter: Letter, at: datetime) -> list[DigestSent | DutyMailed]:
    """The events about a sent letter; for a combined letter, one for each duty."""
    match letter:
        case Digest():
            return [
                DigestSent(
                    member_id=letter.member_id,
                    organisation_id=letter.organisation_id,
                    digest_id=letter.letter_id,
                    period=letter.period,
                    items=tuple(item.opportunity_id for item in letter.items),
                    sent_at=at,
                )
            ]
        case DutyLetter():
            return [_mailed(letter, letter.duty, at)]
        case CombinedLetter():
            return [_mailed(letter, duty, at) for duty in letter.duties]


def _mailed(letter: DutyLetter | CombinedLetter, duty: LetterDuty, at: datetime) -> DutyMailed:
    return DutyMailed(
        member_id=letter.member_id,
        organisation_id=letter.organisation_id,
        letter_id=letter.letter_id,
        what=duty.what,
        path=duty.path,
        due_at=duty.due_at,
        sent_at=at,
    )


def timers(resources: Resources, links: Links) -> tuple[Timer, ...]:
    return (
        Timer("digests", 2, Due("notifications digests", _lock_due, lambda each: each.member_id, claim_digests)),
        Timer("letters", 1, Postman(resources, links).send_one),
    )
