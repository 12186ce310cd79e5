"""How the observatory handles events. Handlers only store prices and mark items; :func:`judge_due` judges the items
later.

A single price is judged at once. Then its item is not judged for a while; the pause grows with the rate of new prices
(:func:`rest_after`), and all prices that came meanwhile are judged together. Imported prices always wait a moment, because tens of
thousands come within seconds.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from catalogue.policy import ObservatoryRules
from events import Envelope, Event
from events.auctions import BidDisclosed
from events.catalogue import OfferArchived, OfferPublished, SkuPublished
from events.contracts import AwardMade, ContractConcluded, ContractDrafted, ContractEnded
from events.imports import ProcessImported, processes_of
from events.observatory import ReferencePricePublished, ReferencePriceWithdrawn
from events.quotes import QuoteDisclosed
from events.values import Place
from infra.away import is_away
from infra.database import Transaction
from infra.due import goes_on
from infra.ids import derive_id
from infra.reactions import Reactions
from infra.reading import UnreadableKey
from services.observatory import intake, store
from services.observatory.domain import (
    ComputedReference,
    Divided,
    NoReference,
    Observation,
    Ruling,
    divided,
    home,
    reference,
    rest_after,
    same_figures,
    same_place,
    same_rulings,
    same_snapshot,
    valued_on,
)
from services.observatory.intake import Item
from services.observatory.store import ItemCard, Outcome, RulingChange, Snapshot

PAUSE = timedelta(seconds=3)
"""How long an item waits after the first imported price."""
NO_OFFER_ANY_MORE = frozenset({"replaced", "withdrawn", "supplier-suspended"})
"""If an offer ended for one of these reasons, its price does not count any more. If its last day is over, the price still counts."""
RECHECK = timedelta(days=1)
BATCH = 50
"""The most items judged in one transaction."""
ENDS_AT_ONCE = 1_000
"""The most items in one transaction of :func:`publish_ends`."""
REPEATED = (timedelta(hours=1), timedelta(days=1))
"""The end of a reference is published again after these times. A worker of the former release, which runs during an
upgrade, may get the first event, and ends nothing if the event names another version than the published one. A later
release needs no repeats."""
PRICES = 20_000
"""The most prices judged in one transaction; an item with more is judged alone."""


reactions = Reactions()


async def keep_contracts(tx: Transaction, events: Sequence[ContractConcluded]) -> None:
    await _keep_contracts(tx, events)


async def _keep_contracts(tx: Transaction, events: Sequence[ContractConcluded], *, in_bulk: bool = False) -> None:
    """The priced lines of a contract replace those of its award. If a contract has no priced lines, those of its award count."""
    seen = [intake.of_contract(event) for event in events]
    await store.put_all(tx, seen, tx.now + PAUSE if in_bulk else tx.now, in_bulk=in_bulk)
    unpriced = (event for event, one in zip(events, seen, strict=True) if not one.observations)
    await store.link_contracts(tx, {event.award_id: event.contract_id for event in unpriced if event.award_id})


async def keep_awards(tx: Transaction, events: Sequence[AwardMade]) -> None:
    await store.put_all(tx, [intake.of_award(event) for event in events], tx.now)


async def keep_offers(tx: Transaction, events: Sequence[OfferPublished]) -> None:
    await store.put_all(tx, [intake.of_offer(event) for event in events], tx.now)


async def withdraw_offers(tx: Transaction, events: Sequence[OfferArchived]) -> None:
    """Remove the prices of offers that were replaced or withdrawn, or whose supplier was suspended or closed."""
    await store.withdraw(tx, [event.offer_id for event in events if event.reason in NO_OFFER_ANY_MORE], tx.now)


async def withdraw_contracts(tx: Transaction, events: Sequence[ContractEnded]) -> None:
    await store.withdraw(tx, [event.contract_id for event in events], tx.now)


async def keep_quotes(tx: Transaction, events: Sequence[QuoteDisclosed]) -> None:
    await store.put_all(tx, [intake.of_quote(event) for event in events], tx.now)


async def keep_skus(tx: Transaction, events: Sequence[SkuPublished]) -> None:
    items = [
        Item(
            item_key=event.sku_id,
            sku_id=event.sku_id,
            title=event.name[: intake.TITLE_LENGTH],
            category=event.category,
            currency="",
            unit=event.base_unit,
            pack_size=event.pack_size,
        )
        for event in events
    ]
    await store.put_skus(tx, items, tx.now)


async def keep_processes(tx: Transaction, events: Sequence[ProcessImported]) -> None:
    """Keep the prices of other markets."""
    told = list(processes_of(events))
    awards = [intake.of_award(award) for process in told for award in process.awards]
    bids = [seen for process in told for seen in intake.of_imported_bids(process)]
    await store.put_all(tx, [*awards, *bids], tx.now + PAUSE, in_bulk=True)
    await _keep_contracts(tx, [contract for process in told for contract in process.contracts], in_bulk=True)
    endings = [ended.contract_id for process in told for ended in process.endings]
    await store.withdraw(tx, endings, tx.now + PAUSE, in_bulk=True)


reactions.many(ProcessImported, keep_processes)
reactions.many(ContractConcluded, keep_contracts)
reactions.many(ContractEnded, withdraw_contracts)
reactions.many(AwardMade, keep_awards)
reactions.many(OfferPublished, keep_offers)
reactions.many(OfferArchived, withdraw_offers)
reactions.many(QuoteDisclosed, keep_quotes)
reactions.many(SkuPublished, keep_skus)


@reactions.on(ContractDrafted)
async def link_draft(tx: Transaction, event: ContractDrafted) -> None:
    await store.link_contracts(tx, {event.award_id: event.contract_id})


@reactions.with_envelope(BidDisclosed)
async def keep_bid(tx: Transaction, event: BidDisclosed, envelope: Envelope) -> None:
    await store.put_all(tx, [intake.of_bid(event, envelope.time)], tx.now)


class JudgedItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item's assessment, which is not stored yet, and the events about it."""

    outcome: Outcome
    news: list[Event]

    @property
    def item_key(self) -> str:
        return self.outcome.card.item.item_key


async def claim_due(tx: Transaction) -> list[ItemCard | UnreadableKey[str]]:
    """Items with prices that were not judged yet. An item that failed before is returned after a while, or as soon as new prices come,
    and then alone."""
    claimed = await store.claim_due(tx, BATCH, PRICES)
    troubled = [each for each in claimed if isinstance(each, ItemCard) and each.trouble]
    return [troubled[0]] if troubled else claimed


async def judge_due(
    tx: Transaction, claimed: Sequence[ItemCard | UnreadableKey[str]], rules: ObservatoryRules
) -> list[JudgedItem | UnreadableKey[str]]:
    """Judge items; nothing is written, and no row is locked. If some items fail, only these are returned, to be set aside; the others are
    judged again. So the rows are locked later, in the order of their keys, as by the handlers that keep prices."""
    unreadable = [each for each in claimed if isinstance(each, UnreadableKey)]
    if unreadable or not claimed:
        return [*unreadable]
    judged = await _judge_apart(tx, [each for each in claimed if isinstance(each, ItemCard)], rules)
    return [each for each in judged if isinstance(each, UnreadableKey)] or judged


async def _judge_apart(
    tx: Transaction, cards: Sequence[ItemCard], rules: ObservatoryRules
) -> list[JudgedItem | UnreadableKey[str]]:
    """Judge all together; if that fails, judge each by itself. If the database is unavailable, its error is raised."""
    try:
        async with tx.savepoint():
            return [*await judge_all(tx, cards, rules)]
    except Exception as error:
        if is_away(error) and not await goes_on(tx, "observatory judging"):
            raise
        if len(cards) == 1:
            return [UnreadableKey(cards[0].item.item_key, error)]
    return [each for card in cards for each in await _judge_apart(tx, [card], rules)]


async def judge_all(tx: Transaction, cards: Sequence[ItemCard], rules: ObservatoryRules) -> list[JudgedItem]:
    """Judge by the ``rules`` in force. A changed figure becomes a new version, and an event if it is current."""
    keys = [card.item.item_key for card in cards]
    seen = await store.observations(tx, keys)
    standing = await store.snapshots(tx, [card.reference_id for card in cards if card.reference_id])
    stood = await store.standing_rulings(tx, keys)
    last = await store.last_versions(tx, keys)
    judged = []
    for card in cards:
        key = card.item.item_key
        before = _Before(
            snapshot=standing.get(card.reference_id or ""), rulings=stood.get(key, {}), version=last.get(key, 0)
        )
        prices = seen.get(key, [])
        found = await asyncio.to_thread(_found, card.item, prices, tx.now.date(), rules)
        outcome = _decide(card, before, prices, found, tx.now)
        judged.append(JudgedItem(outcome=outcome, news=_news(card, before.snapshot, outcome, found.answer)))
    return judged


async def keep_judged(tx: Transaction, judged: Sequence[JudgedItem]) -> None:
    """Store what was found. An item that another process judged meanwhile is left as it is: that process may have known more prices."""
    others = await store.overtaken(tx, (each.outcome.card for each in judged))
    while judged := [each for each in judged if each.item_key not in others]:
        try:
            async with tx.savepoint():
                await store.settle(tx, [each.outcome for each in judged])
                for event in (event for each in judged for event in each.news):
                    tx.emit(event)
        except store.Overtaken as error:
            others = error.item_keys
        else:
            return


async def assess(tx: Transaction, cards: Sequence[ItemCard], rules: ObservatoryRules) -> None:
    """Judge items and store what was found."""
    await keep_judged(tx, await judge_all(tx, cards, rules))


class _Before(msgspec.Struct, frozen=True, kw_only=True):
    """The current snapshot and rulings of an item, and the number of its last version, 0 if it has none."""

    snapshot: Snapshot | None
    rulings: dict[str, Ruling]
    version: int


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """``made``: the verdicts, if there is a reference."""

    answer: ComputedReference | NoReference
    current: bool
    made: Divided | None = None


def _found(item: Item, seen: Sequence[Observation], today: date, rules: ObservatoryRules) -> _Found:
    answer, current = judge(item, seen, today, rules)
    made = divided(answer, rules.decimal_places) if isinstance(answer, ComputedReference) else None
    return _Found(answer=answer, current=current, made=made)


def judge(
    item: Item, seen: Sequence[Observation], today: date, rules: ObservatoryRules, place: Place | None = None
) -> tuple[ComputedReference | NoReference, bool]:
    """Return the reference for a buyer at ``place``, and whether it is current. Without a place: for the country with
    most prices."""
    observations = [intake.with_unit_of(item, one) for one in seen]
    at = valued_on(observations, today, rules)
    where = home(observations) if place is None else place
    return reference(observations, at=at, place=where, rules=rules), at == today


def _decide(card: ItemCard, before: _Before, prices: Sequence[Observation], found: _Found, now: datetime) -> Outcome:
    """A current figure is judged again every day, because prices leave the window as time passes, or enter it."""
    key, answer, made = card.item.item_key, found.answer, found.made
    old, version = before.snapshot, before.version + 1
    waits = (made and found.current) or any(one.date > now.date() for one in prices)
    outcome = Outcome(
        card=card,
        observations=len(prices),
        reference_id=old.reference_id if old and made else None,
        published=made is not None and found.current,
        due_at=now + RECHECK if waits else None,
        rest=rest_after(now, card.rest),
    )
    if isinstance(answer, NoReference) or made is None:
        return outcome
    if old and old.current == found.current and _stands(old, before.rulings, answer, made):
        return outcome
    new = Snapshot(
        reference_id=derive_id("reference", key, str(version)),
        version=version,
        made_at=now,
        current=found.current,
        reference=msgspec.structs.replace(answer, verdicts=()),
        terms=made.terms,
        digest=made.digest,
    )
    change = RulingChange(item_key=key, version=version, stood=before.rulings, made=made)
    return msgspec.structs.replace(outcome, reference_id=new.reference_id, snapshot=new, change=change)


def _stands(old: Snapshot, stood: dict[str, Ruling], answer: ComputedReference, made: Divided) -> bool:
    """Whether the snapshot says the same as the answer. A snapshot without ``terms`` (older release) contains its verdicts; for others
    they are ``stood``."""
    if old.terms is None:
        return same_snapshot(old.reference, answer)
    return same_figures(old.reference, answer) and same_rulings(made, stood, old.terms)


def _news(
    card: ItemCard, old: Snapshot | None, outcome: Outcome, answer: ComputedReference | NoReference
) -> list[Event]:
    """Events for others: a new current figure, the end of the published one, or both if the new one does not take its
    place: others store a reference by currency, level and place, and would keep the old one beside the new one."""
    if card.published and old and not outcome.published:
        reason = answer.reason.message if isinstance(answer, NoReference) else "All its prices are out of date."
        return [_withdrawn(old, reason)]
    new = outcome.snapshot
    if new is None or not new.current:
        return []
    if card.published and old and same_figures(old.reference, new.reference):
        return []
    made = new.reference
    ended: list[Event] = []
    if card.published and old and not same_place(old.reference, made):
        ended.append(_withdrawn(old, f"The reference is now for {made.place_code}, in {made.currency}."))
    return [
        *ended,
        ReferencePricePublished(
            item_key=made.item_key,
            reference_id=new.reference_id,
            version=new.version,
            sku_id=card.item.sku_id,
            title=card.item.title,
            category=card.item.category,
            unit=made.unit,
            currency=made.currency,
            level=made.level,
            place_code=made.place_code,
            median=made.median,
            p25=made.p25,
            p75=made.p75,
            observations=made.observations,
            suppliers=made.suppliers,
            variation=made.variation,
            grade=made.grade,
            valued_at=datetime.combine(made.valued_on, time(), UTC),
        ),
    ]


def _withdrawn(old: Snapshot, reason: str) -> ReferencePriceWithdrawn:
    made = old.reference
    return ReferencePriceWithdrawn(
        item_key=made.item_key,
        reference_id=old.reference_id,
        reason=reason,
        currency=made.currency,
        level=made.level,
        place_code=made.place_code,
        version=old.version,
    )


async def publish_ends(tx: Transaction) -> int:
    """Publish the ends of former references of items that wait for it, because other services may still use them. Return
    how many items were examined."""
    keys = await store.lock_ends_due(tx, ENDS_AT_ONCE)
    ended = await store.ended_references(tx, keys)
    for each in ended:
        for reference_id in sorted(
            {each.first_id, each.reference_id}
        ):  # the former release ends a reference by its id only
            tx.emit(
                ReferencePriceWithdrawn(
                    item_key=each.item_key,
                    reference_id=reference_id,
                    reason="It was replaced or withdrawn.",
                    currency=each.currency,
                    level=each.level,
                    place_code=each.place_code,
                    version=each.version,
                )
            )
    await store.put_off_ends(tx, keys, {each.item_key for each in ended}, [tx.now + pause for pause in REPEATED])
    return len(keys)
