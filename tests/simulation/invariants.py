"""What must hold after every story. Amounts, ends and winners are computed here again by other means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from events.auctions import (
    AuctionClosed,
    AuctionExtended,
    AuctionOpened,
    BidAccepted,
    BidDeleted,
    BidDisclosed,
    BidRefused,
    RoundBegan,
    Scoring,
    TurnEnded,
)
from events.codec import Event, Message, decode
from events.contracts import ContractDrafted
from events.topics import DEAD_LETTERS
from services.auctions.domain import chain
from services.auctions.domain.auction import Fact, Verdict, replay
from services.auctions.domain.audit import Unsound, begun, follow
from services.auctions.receipts import holds
from services.auctions.store.auctions import StoredAuction
from services.auctions.store.bids import StoredVerdict
from tests.simulation.broker import Record
from tests.simulation.database import bids_of
from tests.simulation.faults import BEGINNING

if TYPE_CHECKING:
    from tests.simulation.story import Story

Wire = list[tuple[float, Message, Record]]
"""When each message was appended, its content, and its record."""
SIGNATURES = 3
"""How many of an auction's receipts are verified, because this takes the most time."""
REVEALING = (RoundBegan, TurnEnded, AuctionClosed)


class Broken(Exception):
    """An invariant does not hold."""


def hold(what: bool, why: str) -> None:
    if not what:
        raise Broken(why)


@dataclass(frozen=True)
class Line:
    """A line of a log: ``fact`` as the service has it, ``text`` as the chain has it, and ``kept`` if it is a bid."""

    number: int
    event: Event
    data: bytes
    text: bytes
    kept: StoredVerdict | None

    @property
    def fact(self) -> Verdict | Fact:
        return self.kept.verdict if self.kept else self.event  # type: ignore[return-value]


def check(story: Story) -> None:
    hold(not story.seeded.complaints, f"the market's code complains: {story.seeded.complaints[:3]}")
    tables = story.market.postgres.tables
    wire = [
        (at, decode(record.value, record.headers), record)
        for at, record in story.seen.wire
        if record.topic != DEAD_LETTERS
    ]
    hold(len(wire) == len(story.seen.wire), "there are dead letters")
    closed = Counter[str]()
    for auction_id, stored in sorted(tables["auctions"].items()):
        all_lines = lines_of(story, auction_id)
        log = _until_the_close(all_lines)
        of_it = [
            one for one in wire if one[1].event.subject == auction_id and one[1].event.TOPIC == AuctionOpened.TOPIC
        ]
        _one_log(all_lines, stored)
        _one_verdict(story, auction_id, all_lines)
        _rules(log, stored)
        _public_log(log, stored)
        _closed_once(story, all_lines, stored)
        _published(all_lines, of_it)
        _nobody_named(story, of_it)
        _nothing_sealed_shown(story, log, stored, of_it)
        closed[stored.result.outcome if stored.result else "open"] += 1
        _count(story, all_lines)
    _downstream(story, [message for _, message, _ in wire])
    story.seeded.counts.update({f"auctions {outcome}": number for outcome, number in closed.items()})


def lines_of(story: Story, auction_id: str) -> list[Line]:
    """Return the stored log, sorted by its line numbers."""
    server = story.market.postgres
    lines = [
        Line(kept.line, kept.verdict.event, kept.data, chain.line(kept.verdict.event.TYPE, kept.data), kept)
        for kept in bids_of(server, auction_id)
    ]
    for fact in server.tables["facts"].values():
        if fact.auction_id == auction_id:
            kind = _KINDS[fact.type]
            event = msgspec.json.decode(fact.data, type=kind)
            lines.append(Line(fact.line, event, fact.data, chain.line(fact.type, fact.data), None))
    return sorted(lines, key=lambda line: line.number)


_KINDS = {
    kind.TYPE: kind for kind in (AuctionOpened, BidDeleted, AuctionExtended, RoundBegan, TurnEnded, AuctionClosed)
}


def _until_the_close(lines: list[Line]) -> list[Line]:
    """Return the log of the auction. After its close there are only refusals, each with its receipt."""
    number = next((line.number for line in lines if isinstance(line.event, AuctionClosed)), -1)
    for line in lines[number + 1 :]:
        hold(isinstance(line.event, BidRefused), f"a {type(line.event).__name__} follows the close")
    return lines[: number + 1]


def _one_log(log: list[Line], stored: StoredAuction) -> None:
    """Check that there is one chain from the opening to the close, and that the state follows from it."""
    hold([line.number for line in log] == list(range(len(log))), "the lines of the log are not 0 to n, each once")
    hold(stored.lines == len(log), "the auction counts other lines than its log has")
    hold(chain.root(line.text for line in log) == stored.head, "the root is not that of the log's lines")
    opened = log[0].event
    hold(isinstance(opened, AuctionOpened), "the log does not begin with the opening")
    assert isinstance(opened, AuctionOpened)
    again = replay(opened, [line.fact for line in log[1:]])
    hold(again == stored.state, f"the log, replayed, gives another state: {again} instead of {stored.state}")
    for line in log:
        hold(msgspec.json.encode(line.event) == line.data, "a line is not its event")


def _one_verdict(story: Story, auction_id: str, log: list[Line]) -> None:
    """Check that every answered verdict is in the log once, and that every answer to it was the same."""
    logged = Counter(line.kept.verdict.bid.key for line in log if line.kept)
    verified = 0
    hold(set(logged.values()) <= {1}, f"a request has more than one verdict: {logged.most_common(1)}")
    for key, answers in story.seen.answers.items():
        if key[0] != auction_id:
            continue
        hold(logged[key[1:]] == 1, f"{key} was answered and is not in the log")
        hold(len({each.receipt.line for each in answers}) == 1, f"{key} was answered in more than one way")
        for each in answers:
            receipt = each.receipt
            hold(log[receipt.position].text == receipt.line.encode(), f"{key}: the receipt's line is not in the log")
            hold(each.verdict.event == log[receipt.position].event, f"{key}: the verdict is not the log's")
        if verified < SIGNATURES:
            verified += 1
            hold(holds(answers[0].receipt), f"{key}: the receipt is not sound")


@dataclass
class _Own:
    """A participant as this module follows it: amount, sequence and choices of the present bid, and of the bid
    before it."""

    last: tuple[Decimal, int, tuple[int, ...]] | None = None
    before: tuple[Decimal, int, tuple[int, ...]] | None = None


def _rules(log: list[Line], stored: StoredAuction) -> None:
    """Check sequences, amounts, ends, leads and the winner, by this module's own arithmetic."""
    opened, rules = stored.opened, stored.state.rules
    end, sequence = opened.closes_at, 0
    owns: dict[int, _Own] = {}
    numbers: dict[str, int] = {}
    sealed: dict[int, Decimal] | None = {} if rules.pauses_seconds else None
    for line in log[1:]:
        event = line.event
        match event:
            case BidAccepted():
                assert line.kept is not None
                bid = line.kept.verdict.bid
                sequence += 1
                hold(event.sequence == sequence, f"sequence {event.sequence} follows {sequence - 1}")
                hold(numbers.setdefault(bid.supplier_id, len(numbers) + 1) == event.participant, "another's number")
                hold(event.arrived_at < end, "a bid was accepted that arrived after the end")
                hold(bid.standing == "active", "somebody was accepted who may not bid")
                _improves(event, opened, stored, owns, sealed)
                if bid.automatic:
                    hold(_leader(owns, opened.scoring) != event.participant, "an automatic cut against one's own lead")
                end = _moved(end, event, stored)
                hold(event.closes_at == end, f"the end after bid {sequence} is {event.closes_at}, not {end}")
                own = owns.setdefault(event.participant, _Own())
                own.before, own.last = own.last, (event.amount, sequence, event.choices)
            case BidRefused():
                assert line.kept is not None
                fair = not line.kept.verdict.bid.automatic or event.standing != "active"
                hold(fair, f"the market's own cut was refused: {event.refusal.rule}")
                if event.refusal.rule == "auction-over":
                    hold(
                        _end_said(event) == end, f"a refusal named {_end_said(event)} as the end, but the end is {end}"
                    )
            case BidDeleted():
                own = owns[event.participant]
                own.last, own.before = own.before, None
            case AuctionExtended():
                hold(event.closes_at > end, "an extension brought the end nearer")
                end = event.closes_at
            case RoundBegan():
                end = event.closes_at
        if isinstance(event, RoundBegan | TurnEnded):
            sealed = {number: own.last[0] for number, own in owns.items() if own.last}
    hold(stored.state.closes_at == end, f"the effective end is {stored.state.closes_at}, not {end}")
    result = log[-1].event
    assert isinstance(result, AuctionClosed)
    best = _leader(owns, opened.scoring)
    won = result.outcome == "successful"
    if result.outcome in ("successful", "unsuccessful"):
        hold(won == (best is not None) and result.winner == best, f"{result.winner} won instead of {best}")
    if won:
        last = owns[best or 0].last
        assert last is not None
        hold(result.amount == last[0], "the price is not the winner's")
        hold(sum(line.amount or 0 for line in result.lines) == result.amount, "the lines do not make the price")
        hold(numbers[result.winner_id or ""] == best, "somebody else is named as the winner")


def _improves(
    event: BidAccepted,
    opened: AuctionOpened,
    stored: StoredAuction,
    owns: dict[int, _Own],
    sealed: dict[int, Decimal] | None,
) -> None:
    amount, step, rules = event.amount, opened.step, stored.state.rules
    hold(amount > 0 and amount == round(amount, 2), "an amount that is no money")
    prices = [own.last[0] for own in owns.values() if own.last]
    price = min(prices, default=opened.initial_price)
    if rules.improve_on == "price":
        hold(price - amount >= step, f"{amount} is no step below {price}")
        hold((price - amount) % step == 0, f"{amount} is not whole steps below {price}")
        return
    own = owns.get(event.participant)
    before = sealed.get(event.participant) if sealed is not None else own.last[0] if own and own.last else None
    hold(
        amount <= (opened.initial_price if before is None else before - step), f"{amount} does not improve on {before}"
    )
    if sealed is None and prices and amount < price:
        hold(price - amount >= step, f"{amount} covers {price} by less than a step")


def _moved(end: datetime, event: BidAccepted, stored: StoredAuction) -> datetime:
    rules, initial = stored.state.rules, stored.opened.initial_price
    if event.amount * 100 <= initial * rules.floor_percent:
        return event.arrived_at
    if (end - event.arrived_at).total_seconds() < rules.extension_window_seconds:
        return event.arrived_at + timedelta(seconds=rules.extension_seconds)
    return end


def _end_said(refused: BidRefused) -> datetime:
    """Return the end by which the bid was judged."""
    (said,) = (number.value for number in refused.refusal.numbers if number.name == "closes_at")
    return datetime.fromisoformat(said)


def _leader(owns: dict[int, _Own], scoring: Scoring) -> int | None:
    standing = [(_rank(*own.last, scoring), number) for number, own in owns.items() if own.last]
    return min(standing)[1] if standing else None


def _rank(amount: Decimal, sequence: int, choices: tuple[int, ...], scoring: Scoring) -> tuple[Fraction, int]:
    """Return the order of bids: the scored value, then the earlier bid."""
    if scoring.by == "price":
        return Fraction(amount), sequence
    (criterion,) = scoring.criteria
    value = Fraction(criterion.options[choices[0]].value)
    if scoring.by == "life-cycle":
        return Fraction(amount) + value, sequence
    most = max(Fraction(option.value) for option in criterion.options)
    return Fraction(amount) / (1 + value / (1 - most)), sequence


def _public_log(log: list[Line], stored: StoredAuction) -> None:
    """Check that a reader of the public log gets the same result."""
    opened = log[0].event
    assert isinstance(opened, AuctionOpened)
    try:
        audit = begun(opened)
        for line in log[1:]:
            audit = follow(audit, line.event, line.number)
    except Unsound as error:
        raise Broken(f"an auditor of the log objects: {error}") from error
    hold(audit.state.closes_at == stored.state.closes_at, "an auditor comes to another end")
    hold(audit.state.price == stored.state.price, "an auditor comes to another price")


def _closed_once(story: Story, log: list[Line], stored: StoredAuction) -> None:
    closings = [line for line in log if isinstance(line.event, AuctionClosed)]
    hold(len(closings) == 1 and closings[0].event == stored.result, "an auction is closed once")
    result = stored.result
    assert result is not None
    if result.outcome == "withdrawn":
        return
    beaten = story.seen.beaten[stored.opened.auction_id]
    hold(beaten >= result.closed_at, f"it was closed although bids could be decided until {beaten} only")
    if story.seen.jumped:
        return
    settle = stored.state.rules.settle_seconds
    for line in log:
        event = line.event
        if isinstance(event, BidRefused) and event.refusal.rule == "auction-over" and line.kept:
            if event.arrived_at >= _end_said(event) or stored.state.price <= stored.state.floor:
                continue
            decided = story.seen.committed[stored.opened.auction_id, line.number]
            late = decided - (event.arrived_at - BEGINNING).total_seconds()
            hold(late >= settle, f"a bid that arrived in time was lost {late:.3f} s later: settle window {settle} s")
    closed_at = story.seen.committed[stored.opened.auction_id, closings[0].number]
    ends_at = (result.closed_at - BEGINNING).total_seconds()
    hold(
        closed_at >= ends_at + settle,
        f"it was closed {closed_at - ends_at:.3f} s after its end: settle window {settle} s",
    )


def _published(log: list[Line], wire: Wire) -> None:
    """Check that the wire has every line of the log in its order, possibly repeated. Sealed verdicts must come with the
    fact that ends their turn."""
    seen: dict[str, bytes | None] = {}
    for _, message, record in wire:
        if not isinstance(message.event, BidDisclosed):
            seen.setdefault(message.envelope.id, record.value)
    told = list(seen.values())
    if told != [line.data for line in _unsealed(log)]:
        lost = [line.event for line in log if line.data not in told]
        raise Broken(f"the wire has {len(told)} events, the log {len(log)}, or another order; it lacks {lost[:2]}")
    for line in log:
        if line.kept:
            hold(line.kept.verdict.bid.bid_id in seen, "a verdict went out under another id")


def _unsealed(log: list[Line]) -> Iterator[Line]:
    waiting: list[Line] = []
    opened = log[0].event
    assert isinstance(opened, AuctionOpened) and opened.rules is not None
    sealed = bool(opened.rules.pauses_seconds)
    for line in log:
        sealed = sealed and not isinstance(line.event, AuctionClosed)
        if sealed and line.kept:
            waiting.append(line)
            continue
        if isinstance(line.event, REVEALING):
            yield from waiting
            waiting.clear()
        yield line
    yield from waiting


def _nobody_named(story: Story, wire: Wire) -> None:
    """Check that no bidder is named before the close."""
    for _, message, record in wire:
        if isinstance(message.event, BidDisclosed | AuctionClosed):
            return
        said = repr(record)
        for supplier in story.suppliers:
            hold(supplier not in said, f"{supplier} is named in a {type(message.event).__name__} before the close")


def _nothing_sealed_shown(story: Story, log: list[Line], stored: StoredAuction, wire: Wire) -> None:
    if not stored.state.rules.pauses_seconds:
        return
    revealed = [line.number for line in log if isinstance(line.event, REVEALING)]
    lines = {line.kept.verdict.bid.bid_id: line.number for line in log if line.kept}
    for at, message, _ in wire:
        number = lines.get(message.envelope.id)
        if number is None:
            continue
        ended = next(each for each in revealed if each > number)
        hold(
            at >= story.seen.committed[stored.opened.auction_id, ended],
            "a sealed bid was published before its turn ended",
        )


def _downstream(story: Story, messages: list[Message]) -> None:
    """Check that each event had its effect once in every consumer, and that each won auction has one contract, for its
    winner."""
    tables = story.market.postgres.tables
    once = {message.envelope.id: message.event for message in messages}
    expected = Counter(type(event).__name__ for event in once.values())
    for name in ("BidAccepted", "AuctionClosed", "ContractDrafted"):
        counted = tables["ledger"].get(name, 0)
        hold(counted == expected[name], f"{expected[name]} {name} had their effect {counted} times")
    drafted = [event for event in once.values() if isinstance(event, ContractDrafted)]
    for stored in tables["auctions"].values():
        result = stored.result
        contracts = [
            (each.supplier_id, each.amount, each.rank) for each in drafted if each.process_id == result.auction_id
        ]
        won = [(result.winner_id, result.amount, 1)] if result.outcome == "successful" else []
        hold(contracts == won, f"{result.auction_id}: contracts {contracts} for the result {won}")
        if won:
            ranked = [(bid.supplier_id, bid.amount) for bid in tables["contracts.rankings"][result.auction_id]]
            standing = [
                (_rank(last.amount, last.sequence, last.choices, stored.opened.scoring), supplier, last.amount)
                for supplier, participant in stored.state.participants.items()
                if (last := participant.last) is not None
            ]
            hold(ranked == [each[1:] for each in sorted(standing)], "the cascade has another ranking than the auction")


def _count(story: Story, log: list[Line]) -> None:
    counts = story.seeded.counts
    for line in log:
        counts[type(line.event).__name__] += 1
        if line.kept:
            counts["bids"] += 1
            counts["automatic cuts"] += line.kept.verdict.bid.automatic
            counts["extended"] += bool(line.kept.verdict.accepted and line.kept.verdict.accepted.extended)
        if isinstance(line.event, AuctionExtended):
            counts[f"extended for {line.event.reason}"] += 1
