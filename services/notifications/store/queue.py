"""Letters on their way: in which order they go out, which of them go together, and what became of them.

**Turns.** Within an urgency, those whose acts cause letters (``cause``) go in rounds: a letter gets the turn after the last one of its
cause that waits, and none before the least turn that waits at all. So a thousand letters that one organisation causes have a thousand
turns, and the first of another goes beside the first of those. Both turns are found at the end of an index, and so is the next
letter.

A letter that was put off, or is gathered with others, or is in the hands of a sender, has no turn: it gets one when its ``retry_at``
has come, a few at a time. So does one of a former release, which knows no turns.

**Lists.** The letter whose turn it is takes along all of its kind that wait for the same reader and were never tried: they go within
a list, a letter of its own, and end as it ends. A list never grows, so that every attempt says the same, but for what was done
meanwhile.

**Handed over.** A sender can die, or its database freeze, after the mail server took the letter and before that is written down. So what
is given to a sender is marked before, and only the word of the server that it did not take it removes the mark. A letter that may have
gone out is sent once more as it was, with the same Message-ID, whatever was done meanwhile: then it is known, and kept, that it went out.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import asyncpg
import msgspec
from msgspec import structs

from infra.database import Transaction
from infra.ids import new_id
from infra.reading import Unreadable, readable
from services.notifications.domain import GATHERING, GIVE_UP_AFTER, retry_after
from services.notifications.letters import DutyLetter, DutyList, Letter
from services.notifications.store import PUT_OFF, QUEUED, UNTOLD, WAITING, member

LINED_UP = 20
"""Letters that were put off and whose time has come, which get their turn with one that is sent."""
LONGEST_LIST = 200
"""Letters that go within one list."""
HELD = GIVE_UP_AFTER + timedelta(days=1)
"""A list has ended by then. A letter within one that still waits goes by itself: a former release, which knows no lists, gave it up."""
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
    """The next turn of a cause, in SQL, as these arguments or columns name it."""
    queued = f"from notifications.letters letter where {QUEUED} and letter.urgency = {urgency}"
    return f"greatest((select min(turn) {queued}), (select max(turn) + 1 {queued} and letter.cause = {cause}), 0)"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in the hands of one sender; a :class:`Unreadable` one is no use to it. ``wanted`` is false when its reader unsubscribed
    since it was claimed, or when what it asks is done or its time is over; ``told`` are the letters that it stands for, if it is a list.
    ``handed``: a former attempt may have handed it over."""

    letter_id: str
    claimed_at: datetime
    number: int
    letter: Letter | Unreadable[str]
    wanted: bool
    told: tuple[str, ...] = ()
    handed: bool = False


async def claim_to_send(tx: Transaction, until: datetime, urgencies: Sequence[int]) -> Attempt | None:
    """The letter whose turn it is, taken until ``until``: of the first of ``urgencies`` of which one waits."""
    db = await tx.raw()
    await _line_up(db, tx.now)
    for urgency in urgencies:
        if (row := await db.fetchrow(NEXT, urgency, tx.now)) is not None:
            return await _attempt(tx, db, row, until)
    return None


async def _line_up(db: asyncpg.Connection, now: datetime) -> None:
    """Give a turn to what was put off until now, after what waits of the same cause."""
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
            return await _attempt_of_all(tx, db, row, letter, others, until, reads=reads)
    handed: bool = row["handed"]
    told: tuple[str, ...] = ()
    if isinstance(letter, DutyList):
        letter, told = await _filled(db, letter, tx.now, as_before=handed)
    stands = isinstance(letter, Unreadable) or letter.stands(tx.now)
    # A list that was handed over has its letters until it ends; one of a former release may have lost them.
    wanted = reads and ((handed and bool(told or not isinstance(letter, DutyList))) or (not row["moot"] and stands))
    await db.execute(
        "update notifications.letters set state = 'sending', turn = null, retry_at = $2, attempts = attempts + 1, handed = $3"
        " where letter_id = $1",
        row["letter_id"],
        until,
        handed or (wanted and not isinstance(letter, Unreadable)),
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
    db: asyncpg.Connection,
    row: asyncpg.Record,
    letter: DutyLetter,
    others: Sequence[str],
    until: datetime,
    *,
    reads: bool,
) -> Attempt:
    """A list in place of that letter and the others, in the hands of its first sender."""
    claimed = DutyList.of(letter, new_id(), len(others) + 1, tx.now.replace(microsecond=0))
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
    filled, told = await _filled(db, claimed, tx.now)
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


async def _filled(
    db: asyncpg.Connection, claimed: DutyList, now: datetime, *, as_before: bool = False
) -> tuple[DutyList, tuple[str, ...]]:
    """With what still has to be done, each page once, and the letters that say so; the others end, so that those that are left are what
    this attempt says. One that cannot be read goes by itself. ``as_before``: the same as the last attempt said."""
    rows = await db.fetch(
        "select letter_id, body::text as body, moot from notifications.letters where within = $1 and state = 'sending'"
        " order by (body -> 'duty' ->> 'due_at')::timestamptz, letter_id",
        claimed.letter_id,
    )
    moot = set() if as_before else {_id(row) for row in rows if row["moot"]}
    read = readable(rows, _id, _letter)
    strange = [each.key for each in read if isinstance(each, Unreadable)]
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
    """Of letters within a list. They are locked in the order of their ids, as by :func:`no_more_about`."""
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


async def no_more_about(tx: Transaction, abouts: Collection[str]) -> None:
    """What did not go out yet about these duties is not sent any more."""
    await (await tx.raw()).execute(
        f"with moot as (select letter_id from notifications.letters where about = any($1::text[]) and {WAITING} and not moot"
        " order by letter_id for update) update notifications.letters one set moot = true from moot"
        " where one.letter_id = moot.letter_id",
        list(abouts),
    )


async def settle(tx: Transaction, attempt: Attempt, state: str, *, trouble: str = "") -> bool:
    """The end of a letter, and of those that go within it; False if it had ended before. What never went out may be mailed another
    time."""
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
    if isinstance(attempt.letter, DutyList):
        within = await db.fetch(
            "select letter_id from notifications.letters where within = $1 and state = 'sending'", attempt.letter_id
        )
        told = set(attempt.told)
        await _end_within(db, sorted(told), state, trouble, sent_at)
        await _end_within(db, sorted({_id(each) for each in within} - told), "dropped", trouble, None)
    if isinstance(attempt.letter, DutyList | DutyLetter) and state == "sent":
        what = attempt.letter.what if isinstance(attempt.letter, DutyList) else attempt.letter.kind
        await _count(db, ended["member_id"], what, tx.now)
    if state != "sent":
        await db.execute("delete from notifications.mailed where letter_id = $1", attempt.letter_id)
    return True


async def _count(db: asyncpg.Connection, member_id: str, kind: str, now: datetime) -> None:
    """One letter more of the kind went to its reader."""
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
    """The server did not take it now; a former attempt may have handed it over all the same."""
    await (await tx.raw()).execute(
        "update notifications.letters set retry_at = $2, trouble = $3, handed = $4 where letter_id = $1 and state = 'sending'",
        attempt.letter_id,
        tx.now + retry_after(attempt.number),
        trouble,
        attempt.handed,
    )
