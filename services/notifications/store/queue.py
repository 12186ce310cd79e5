"""The queue of letters: in which order they go out, which of them are combined, and what became of them.

**Turns.** A turn is the position of a letter among the waiting letters of its urgency. The ``cause`` of a letter is the organisation
whose action triggered it. A new letter's turn is one more than the highest waiting turn of its cause, and at least the lowest waiting turn
of all. So a thousand letters of one cause have a thousand turns, and the first letter of another cause goes at about the same time as the
first of these. Both turns are found at the end of an index, and so is the next letter.

A letter has no turn while it is postponed, gathered with others, or given to a sender. It gets a turn when its ``retry_at`` has come, a few
letters at a time. The same holds for letters of a former release, which knows no turns.

**Combined letters.** A combined letter (``CombinedLetter``) replaces several letters. The next letter takes along all letters of its
kind that wait for the same reader and were never tried: the combined letter is a letter of its own, and they end as it ends. No letter is
added to it later, so every attempt has the same content, except for duties that were done meanwhile.

**Handed over.** A sender can die, or its database freeze, after the mail server took the letter and before that is stored. So a letter is
marked (``handed``) before it is given to a sender; the mark is removed only if the mail server says that it refused the letter. A marked
letter is sent once more as it was, with the same Message-ID, whatever was done meanwhile: after that the market knows that it went out.

SQL is written by hand here for guarded writes and JSON.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import asyncpg
import msgspec
from msgspec import structs

from infra.database import Transaction
from infra.ids import new_id
from infra.reading import UnreadableKey, readable
from services.notifications.domain import GATHERING, GIVE_UP_AFTER, retry_after
from services.notifications.letters import CombinedLetter, DutyLetter, Letter
from services.notifications.store import PUT_OFF, QUEUED, UNTOLD, WAITING, member

LINED_UP = 20
"""At most this many postponed letters whose time has come get a turn each time a letter is claimed."""
LONGEST_LIST = 200
"""The most letters in one list."""
HELD = GIVE_UP_AFTER + timedelta(days=1)
"""After this time every combined letter has ended. A letter in one that still waits is then sent
separately; this happens if a former release,
which knows no combined letters, gave it up."""
NEXT = (
    "select letter_id, member_id, topic, kind, cause, urgency, body::text as body, claimed_at, moot, attempts, handed"
    " from notifications.letters"
    f" where urgency = $1 and {QUEUED} and retry_at <= $2 order by turn limit 1 for update skip locked"
)
DUE = (
    f"select letter_id, urgency, cause from notifications.letters where {PUT_OFF} and retry_at <= $1"
    f" order by retry_at limit {LINED_UP} for update skip locked"
)
ALIKE = (
    f"select letter_id from notifications.letters where {UNTOLD} and member_id = $1 and kind = $2 and letter_id <> $3"
    f" order by claimed_at limit {LONGEST_LIST - 1} for update skip locked"
)


def turn_of(urgency: str, cause: str) -> str:
    """SQL for the next turn; the arguments are SQL expressions for the urgency and the cause."""
    queued = f"from notifications.letters letter where {QUEUED} and letter.urgency = {urgency}"
    return f"greatest((select min(turn) {queued}), (select max(turn) + 1 {queued} and letter.cause = {cause}), 0)"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A letter that is given to one sender; one that cannot be read (:class:`UnreadableKey`) cannot be sent. ``wanted`` is
    false if its reader unsubscribed after it was queued, or if its duty is done or its time is over. ``told`` are the
    letters that it replaces, if it is a combined letter. ``handed``: an earlier attempt may have handed it to the mail server."""

    letter_id: str
    claimed_at: datetime
    number: int
    letter: Letter | UnreadableKey[str]
    wanted: bool
    told: tuple[str, ...] = ()
    handed: bool = False


async def claim_to_send(tx: Transaction, until: datetime, urgencies: Sequence[int]) -> Attempt | None:
    """Claim the next letter until ``until``: of the first of ``urgencies`` that has a waiting letter."""
    db = await tx.raw()
    await _line_up(db, tx.now)
    for urgency in urgencies:
        if (row := await db.fetchrow(NEXT, urgency, tx.now)) is not None:
            return await _attempt(tx, db, row, until)
    return None


async def _line_up(db: asyncpg.Connection, now: datetime) -> None:
    """Give postponed letters whose time has come a turn, after the waiting letters of the same cause."""
    due = sorted(await db.fetch(DUE, now), key=lambda row: (row["urgency"], row["cause"]))
    for (urgency, cause), rows in groupby(due, lambda row: (row["urgency"], row["cause"])):
        await db.execute(
            "update notifications.letters one set turn = $2::bigint + had.number - 1, within = null"
            " from unnest($1::text[]) with ordinality had (letter_id, number) where one.letter_id = had.letter_id",
            [row["letter_id"] for row in rows],
            await db.fetchval(f"select {turn_of('$1', '$2')}", urgency, cause),
        )


async def _attempt(tx: Transaction, db: asyncpg.Connection, row: asyncpg.Record, until: datetime) -> Attempt:
    [letter] = readable([row], _id, _letter)
    reader = await member(tx, row["member_id"])
    reads = reader is not None and reader.stopped is None and row["topic"] in reader.preferences.topics
    if isinstance(letter, DutyLetter) and not row["attempts"] and row["kind"]:
        others = [_id(each) for each in await db.fetch(ALIKE, row["member_id"], row["kind"], row["letter_id"])]
        if others:
            return await _attempt_of_all(tx, row, letter, others, until, reads=reads)
    handed: bool = row["handed"]
    told: tuple[str, ...] = ()
    if isinstance(letter, CombinedLetter):
        letter, told = await _fill(db, letter, tx.now, as_before=handed)
    stands = isinstance(letter, UnreadableKey) or letter.stands(tx.now)
    # A combined letter that was handed over keeps its letters until it ends; one of a former release may have lost them.
    wanted = reads and (
        (handed and bool(told or not isinstance(letter, CombinedLetter))) or (not row["moot"] and stands)
    )
    await db.execute(
        "update notifications.letters set state = 'sending', turn = null, retry_at = $2, attempts = attempts + 1, handed = $3"
        " where letter_id = $1",
        row["letter_id"],
        until,
        handed or (wanted and not isinstance(letter, UnreadableKey)),
    )
    return Attempt(
        letter_id=row["letter_id"],
        claimed_at=row["claimed_at"],
        number=row["attempts"] + 1,
        letter=letter,
        wanted=wanted,
        told=told,
        handed=handed,
    )


async def _attempt_of_all(
    tx: Transaction,
    row: asyncpg.Record,
    letter: DutyLetter,
    others: Sequence[str],
    until: datetime,
    *,
    reads: bool,
) -> Attempt:
    """Create a combined letter that replaces that letter and the others, and give it to its first sender."""
    db = await tx.raw()
    claimed = CombinedLetter.of(letter, new_id(), len(others) + 1, tx.now.replace(microsecond=0))
    await db.execute(
        "insert into notifications.letters (letter_id, topic, about, moot, member_id, slot, state, body, claimed_at, retry_at, attempts,"
        " trouble, kind, cause, urgency) values ($1, $2, '', false, $3, 'list/' || $1, 'sending', $4::text::jsonb, $5, $6, 1, '', '',"
        " $7, $8)",
        claimed.letter_id,
        claimed.topic,
        claimed.member_id,
        msgspec.json.encode(claimed).decode(),
        claimed.claimed_at,
        until,
        row["cause"],
        row["urgency"],
    )
    await db.execute(
        "update notifications.letters set state = 'sending', turn = null, retry_at = $2, within = $3 where letter_id = any($1::text[])",
        [row["letter_id"], *others],
        tx.now + HELD,
        claimed.letter_id,
    )
    filled, told = await _fill(db, claimed, tx.now)
    wanted = reads and filled.stands(tx.now)
    await db.execute("update notifications.letters set handed = $2 where letter_id = $1", claimed.letter_id, wanted)
    return Attempt(
        letter_id=claimed.letter_id,
        claimed_at=claimed.claimed_at,
        number=1,
        letter=filled,
        wanted=wanted,
        told=told,
    )


async def _fill(
    db: asyncpg.Connection, claimed: CombinedLetter, now: datetime, *, as_before: bool = False
) -> tuple[CombinedLetter, tuple[str, ...]]:
    """The list filled with the duties that are still open, one per page, and the ids of the letters that it covers. Letters whose duty is
    done are dropped. A letter that cannot be read is sent separately. ``as_before``: with the same duties as in the last attempt."""
    rows = await db.fetch(
        "select letter_id, body::text as body, moot from notifications.letters where within = $1 and state = 'sending'"
        " order by (body -> 'duty' ->> 'due_at')::timestamptz, letter_id",
        claimed.letter_id,
    )
    moot = set() if as_before else {_id(row) for row in rows if row["moot"]}
    read = readable(rows, _id, _letter)
    strange = [each.key for each in read if isinstance(each, UnreadableKey)]
    if strange:
        await db.execute(
            "update notifications.letters set retry_at = $2, within = null where letter_id = any($1::text[])",
            sorted(strange),
            now,
        )
    letters = [each for each in read if isinstance(each, DutyLetter)]
    if not as_before:
        done = sorted(each.letter_id for each in letters if each.letter_id in moot or not each.stands(now))
        await _end_within(db, done, "dropped", "", None)
        letters = [each for each in letters if each.letter_id not in done]
    duties = tuple({each.duty.path: each.duty for each in letters}.values())
    return structs.replace(claimed, duties=duties, count=len(duties)), tuple(each.letter_id for each in letters)


async def _end_within(
    db: asyncpg.Connection, letter_ids: Sequence[str], state: str, trouble: str, sent_at: datetime | None
) -> None:
    """End letters of a combined letter. They are locked in the order of their ids, as in :func:`cancel_about`."""
    if letter_ids:
        await db.execute(
            "with ended as (select letter_id from notifications.letters where letter_id = any($1::text[]) and state = 'sending'"
            " order by letter_id for update) update notifications.letters one set state = $2, trouble = $3, sent_at = $4"
            " from ended where one.letter_id = ended.letter_id",
            letter_ids,
            state,
            trouble,
            sent_at,
        )


def _id(row: asyncpg.Record) -> str:
    return str(row["letter_id"])


def _letter(row: asyncpg.Record) -> Letter:
    found: Letter = msgspec.json.decode(row["body"], type=Letter)
    return found


async def cancel_about(tx: Transaction, abouts: Collection[str]) -> None:
    """Cancel the waiting letters about these duties."""
    await (await tx.raw()).execute(
        f"with moot as (select letter_id from notifications.letters where about = any($1::text[]) and {WAITING} and not moot"
        " order by letter_id for update) update notifications.letters one set moot = true from moot"
        " where one.letter_id = moot.letter_id",
        list(abouts),
    )


async def settle(tx: Transaction, attempt: Attempt, state: str, *, trouble: str = "") -> bool:
    """End a letter, and those in it if it is combined; False if it had ended before. Items of a letter that was never sent may go into a
    later letter."""
    db = await tx.raw()
    sent_at = tx.now if state == "sent" else None
    ended = await db.fetchrow(
        "update notifications.letters set state = $2, trouble = $3, sent_at = $4, turn = null"
        " where letter_id = $1 and state = 'sending' returning member_id",
        attempt.letter_id,
        state,
        trouble,
        sent_at,
    )
    if ended is None:
        return False
    if isinstance(attempt.letter, CombinedLetter):
        within = await db.fetch(
            "select letter_id from notifications.letters where within = $1 and state = 'sending'", attempt.letter_id
        )
        told = set(attempt.told)
        await _end_within(db, sorted(told), state, trouble, sent_at)
        await _end_within(db, sorted({_id(each) for each in within} - told), "dropped", trouble, None)
    if isinstance(attempt.letter, CombinedLetter | DutyLetter) and state == "sent":
        what = attempt.letter.what if isinstance(attempt.letter, CombinedLetter) else attempt.letter.kind
        await _count(db, ended["member_id"], what, tx.now)
    if state != "sent":
        await db.execute("delete from notifications.mailed where letter_id = $1", attempt.letter_id)
    return True


async def _count(db: asyncpg.Connection, member_id: str, kind: str, now: datetime) -> None:
    """Count one more letter of the kind to this reader."""
    await db.execute(
        "insert into notifications.lately as had (member_id, kind, since, letters) values ($1, $2, $3, 1)"
        " on conflict (member_id, kind) do update set"
        " letters = case when had.since > $4 then had.letters + 1 else 1 end,"
        " since = case when had.since > $4 then had.since else $3 end",
        member_id,
        kind,
        now,
        now - GATHERING,
    )


async def postpone(tx: Transaction, attempt: Attempt, trouble: str) -> None:
    """The server refused the letter for now; an earlier attempt may have handed it over all the same."""
    await (await tx.raw()).execute(
        "update notifications.letters set retry_at = $2, trouble = $3, handed = $4 where letter_id = $1 and state = 'sending'",
        attempt.letter_id,
        tx.now + retry_after(attempt.number),
        trouble,
        attempt.handed,
    )
