"""Claims letters: many in a few statements, so that an event with many readers does not delay the events of others. SQL
is written by hand here for arrays."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from infra.database import Transaction, columns
from services.notifications.domain import AT_ONCE, GATHERING, gathered_until
from services.notifications.letters import Digest, DutyLetter
from services.notifications.store.queue import turn_of

Claim = tuple[Digest | DutyLetter, str]
"""A letter and its slot: a reader gets one letter per slot."""


async def add_letters(tx: Transaction, claims: Sequence[Claim]) -> frozenset[str]:
    """Claim the slots, and put the letters in the queue in this order. Return the ids of those whose slot was free."""
    if not claims:
        return frozenset()
    db = await tx.raw()
    letters = [letter for letter, _ in claims]
    held = await _held(db, letters, tx.now)
    turns = _Turns(await _next_turns(db, [letter for letter in letters if letter.letter_id not in held]))
    rows = await db.fetch(
        "insert into notifications.letters (letter_id, topic, about, moot, member_id, slot, state, body, claimed_at, retry_at,"
        " attempts, trouble, kind, cause, urgency, turn)"
        " select letter_id, topic, about, false, member_id, slot, 'claimed', body::jsonb, claimed_at, retry_at, 0, '', kind, cause,"
        " urgency, turn from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],"
        " $8::timestamptz[], $9::text[], $10::text[], $11::int[], $12::bigint[])"
        " as told (letter_id, topic, about, member_id, slot, body, claimed_at, retry_at, kind, cause, urgency, turn)"
        " on conflict (member_id, slot) do nothing returning letter_id",
        *columns(
            (
                letter.letter_id,
                letter.topic,
                letter.about,
                letter.member_id,
                slot,
                msgspec.json.encode(letter).decode(),
                letter.claimed_at,
                held.get(letter.letter_id, letter.claimed_at),
                letter.kind,
                letter.cause,
                letter.urgency,
                None if letter.letter_id in held else turns.take(letter.urgency, letter.cause),
            )
            for letter, slot in claims
        ),
    )
    return frozenset(row["letter_id"] for row in rows)


async def add_digest(tx: Transaction, digest: Digest, slot: str) -> bool:
    """Claim the slot and the items. Return False if the slot is taken."""
    if not await add_letters(tx, [(digest, slot)]):
        return False
    await (await tx.raw()).execute(
        "insert into notifications.mailed (member_id, opportunity_id, letter_id) select $1, unnest($2::text[]), $3",
        digest.member_id,
        [item.opportunity_id for item in digest.items],
        digest.letter_id,
    )
    return True


class _Turns:
    """Assigns turns: each letter of a cause gets the turn after the previous one."""

    def __init__(self, first: dict[tuple[int, str], int]) -> None:
        self._first = first
        self._taken: Counter[tuple[int, str]] = Counter()

    def take(self, urgency: int, cause: str) -> int:
        turn = self._first[urgency, cause] + self._taken[urgency, cause]
        self._taken[urgency, cause] += 1
        return turn


async def _next_turns(db: asyncpg.Connection, letters: Sequence[Digest | DutyLetter]) -> dict[tuple[int, str], int]:
    wanted = sorted({(letter.urgency, letter.cause) for letter in letters})
    if not wanted:
        return {}
    rows = await db.fetch(
        f"select urgency, cause, {turn_of('one.urgency', 'one.cause')} as turn"
        " from unnest($1::int[], $2::text[]) as one (urgency, cause)",
        *columns(wanted),
    )
    return {(row["urgency"], row["cause"]): row["turn"] for row in rows}


async def _held(db: asyncpg.Connection, letters: Sequence[Digest | DutyLetter], now: datetime) -> dict[str, datetime]:
    """The time until which a letter is gathered, by letter, for letters whose readers got several of the kind
    recently."""
    duties = [letter for letter in letters if isinstance(letter, DutyLetter)]
    if not duties:
        return {}
    rows = await db.fetch(
        "select member_id, kind, since from notifications.lately where member_id = any($1::text[]) and kind = any($2::text[])"
        " and letters >= $3 and since > $4",
        list({letter.member_id for letter in duties}),
        list({letter.kind for letter in duties}),
        AT_ONCE,
        now - GATHERING,
    )
    since = {(row["member_id"], row["kind"]): row["since"] for row in rows}
    until = {
        letter.letter_id: gathered_until(since[letter.member_id, letter.kind], now, letter.duty.due_at)
        for letter in duties
        if (letter.member_id, letter.kind) in since
    }
    return {letter_id: at for letter_id, at in until.items() if at > now}
