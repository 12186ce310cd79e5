"""Bugs that are put into the market's code for a block. They show what the simulation can find."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec

from events.codec import Message
from events.envelope import Envelope
from infra import consumer, inbox, outbox
from infra.reactions import react
from services.auctions import judging, lane
from services.auctions.domain import auction, autobid, bids, due
from services.auctions.domain.auction import AuctionState, Bid, Verdict
from services.auctions.domain.autobid import Autobid, Cut
from services.auctions.store import pulse
from services.auctions.store.auctions import Unchanged

if TYPE_CHECKING:
    from tests.simulation.market import Market

Plant = Callable[["Market"], AbstractContextManager[None]]


def _patched(*changes: tuple[Any, str, Any]) -> Plant:
    @contextmanager
    def plant(_: "Market") -> Iterator[None]:
        with ExitStack() as stack:
            for where, name, mutant in changes:
                stack.enter_context(patch.object(where, name, mutant))
            yield

    return plant


# The rules


def _applied(state: AuctionState, fact: Any) -> AuctionState:
    after = auction.apply(state, fact)
    if isinstance(fact, Verdict) and fact.accepted is None and not state.over(fact.bid.arrived_at):
        return msgspec.structs.replace(after, closes_at=bids._end_after(state, state.price, fact.bid.arrived_at))
    return after


def _over(state: AuctionState, instant: datetime) -> bool:
    return state.closed or instant >= state.opened.closes_at or state.price <= state.floor


def _cut(state: AuctionState, autobids: Mapping[str, Autobid]) -> Cut | None:
    own = autobids.get(state.leader_id or "")
    last = state.last_of(state.leader_id or "")
    if state.rules.autobid_seconds and own and own.on and last and not state.closed:
        at = max(own.set_at, last.arrived_at + timedelta(seconds=state.rules.autobid_seconds))
        amount = state.price - state.opened.step
        if own.floor <= amount and at < state.closes_at:
            return Cut(state.leader_id or "", amount, at)
    return autobid.due_cut(state, autobids)


# The lane and its journal


@contextmanager
def _second_verdict(market: "Market") -> Iterator[None]:
    market.postgres.unique = False

    def decided(state: AuctionState, wanted: Iterable[Bid], known: object) -> bids.Decided:
        return bids.decide(state, wanted, {})

    with patch.object(judging, "decide", decided):
        yield


def _without_the_boundary(*arguments: Any) -> Any:
    written = _chained(*arguments)
    written.outgoing[:] = [row for row in written.outgoing if b'"extended":true' not in row[3]]
    return written


_chained = judging.chained


@contextmanager
def _remembered_too_early(market: "Market") -> Iterator[None]:
    write = lane.write

    async def written(db: Any, lines: Any, now: datetime, **more: Any) -> None:
        process = market.running[db.process.name]
        if hasattr(process, "lane"):
            for each in lines:
                process.lane._remembered[each.after.opened.auction_id] = each.after
        await write(db, lines, now, **more)

    with patch.object(lane, "write", written):
        yield


def _unchecked(versions: object, standings: object) -> Unchanged:
    return Unchanged({}, {})


async def _no_pulse(db: Any) -> None:
    return None


# The road


async def _marked_first(relay: Any, connection: Any) -> int:
    rows = await connection.fetch("select position, topic, envelope, data from " + f"{relay.service}.outbox")
    if rows:
        await connection.execute(f"update {relay.service}.outbox", [row["position"] for row in rows])
        await _sent(relay, rows)
    return len(rows)


async def _after_the_last(relay: Any, connection: Any) -> int:
    last = getattr(relay, "last", 0)
    found = await connection.fetch("select position, topic, envelope, data from " + f"{relay.service}.outbox")
    rows = [row for row in found if row["position"] > last]
    if rows:
        await _sent(relay, rows)
        await connection.execute(f"update {relay.service}.outbox", [row["position"] for row in rows])
        relay.last = rows[-1]["position"]
    return len(rows)


async def _sent(relay: Any, rows: list[Any]) -> None:
    sent = []
    for row in rows:
        envelope = msgspec.json.decode(row["envelope"], type=Envelope)
        key, headers = envelope.subject.encode(), envelope.headers()
        sent.append(await relay._kafka.send(row["topic"], value=row["data"], key=key, headers=headers))
    await asyncio.gather(*sent)


async def _committed_first(reader: Any) -> None:
    kafka = consumer.AIOKafkaConsumer(
        *reader.topics, bootstrap_servers=reader._bootstrap, group_id=f"lonja.{reader._inbox.service}"
    )
    await kafka.start()
    while True:
        batches = await kafka.getmany(timeout_ms=500, max_records=consumer.BATCH)
        await reader._commit(kafka)
        await reader._inbox.handle([record for batch in batches.values() for record in batch])


async def _claimed_apart(box: Any, messages: list[Message]) -> None:
    async with box._database.transaction(box.service) as tx:
        fresh = await tx.claim([message.envelope.id for message in messages])
    async with box._database.transaction(box.service) as tx:
        for message in messages:
            if message.envelope.id in fresh:
                fresh.discard(message.envelope.id)
                await react(box._reactions[type(message.event)], tx, [message])


PLANTED: dict[str, Plant] = {
    "refused-bid-extends": _patched((bids, "apply", _applied)),
    "original-end": _patched((AuctionState, "over", _over)),
    "no-settle-window": _patched((AuctionState, "settles_at", property(lambda state: state.closes_at))),
    "cut-against-own-lead": _patched((due, "due_cut", _cut)),
    "sealed-bids-shown": _patched((AuctionState, "sealed", property(lambda state: False))),
    "second-verdict": _second_verdict,
    "boundary-bid-unpublished": _patched((judging, "chained", _without_the_boundary)),
    "remembered-before-commit": _remembered_too_early,
    "guessed-and-not-checked": _patched((lane, "Unchanged", _unchecked)),
    "closed-after-outage": _patched((pulse, "last", _no_pulse)),
    "marked-before-published": _patched((outbox.Relay, "publish_batch", _marked_first)),
    "published-after-last-position": _patched((outbox.Relay, "publish_batch", _after_the_last)),
    "offset-before-handling": _patched((consumer.Consumer, "run", _committed_first)),
    "claimed-apart-from-effect": _patched((inbox.Inbox, "_in_one_transaction", _claimed_apart)),
}
"""The bugs by the name that ``--plant`` takes."""
