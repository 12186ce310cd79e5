"""The public data of the observatory: an item's reference at a place, every price behind it, and its pictures."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from catalogue import places as atlas
from catalogue.categories import plain_code, read_beginning
from catalogue.policy import ObservatoryRules
from catalogue.rules import RuleBroken
from events.values import Place, Refusal
from infra.database import Transaction
from infra.denied import Missing
from infra.service import Resources
from infra.texts import clean
from services.observatory import store
from services.observatory.domain import (
    Bin,
    ComputedReference,
    Month,
    MonthPoint,
    NoReference,
    Observation,
    ObservationVerdict,
    PricedObservation,
    histogram,
    points,
    series,
)
from services.observatory.handlers import judge
from services.observatory.intake import Item

PAGE = 50
MOST = 2000
"""An item with at most this many prices is judged while a reader waits for the answer. A larger item is judged only in
the background."""
PRICES = 200
"""Verdicts in an answer of the API."""
PICTURED = 2000
"""The most prices in pictures; the newest are chosen."""
SPOTS = 200
"""The most places to choose from; those with most prices are offered."""


class TooManyPrices(RuleBroken):
    """The item has too many prices to be judged in the web process, because all other requests would wait."""

    code = "too-many-prices"


class ReferenceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``reference``, or the ``reason`` why there is none, and one page of the verdicts on all ``judged`` prices: first
    those that count, then the others, each part newest first. ``dropped`` has the numbers of dropped prices by rule.
    ``instead`` says why this is the published snapshot and not the value for the requested place. With a
    ``reference_id`` it is that published snapshot; without, it was computed for this request and cannot be cited. Only
    a ``current`` one limits an initial price, if its grade does (:meth:`catalogue.policy.AuctionRules.is_bound_by`)."""

    item: Item
    current: bool
    reference_id: str | None = None
    version: int | None = None
    made_at: datetime | None = None
    reference: ComputedReference | None = None
    reason: Refusal | None = None
    instead: Refusal | None = None
    verdicts: tuple[ObservationVerdict, ...] = ()
    judged: int = 0
    dropped: dict[str, int] = {}
    digest: str | None = None
    """SHA-256 of all verdicts of a snapshot (docs/rules.md, section 7). Snapshots from before there were digests have
    none."""
    in_trouble: bool = False
    """The newest prices could not be judged; this is the last reference that could be computed."""


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """A place of prices: its code as in :func:`place_of`, and the number of prices."""

    code: str
    name: str
    count: int


class MapPoint(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    latitude: float
    longitude: float
    median: Decimal
    count: int


class Pictures(msgspec.Struct, frozen=True, kw_only=True):
    """``months``, ``bins`` and ``points`` of the newest kept prices (``shown`` of ``kept``). ``rolling`` are the months
    of all prices in the reference's unit and currency as they came, including outliers."""

    unit: str
    currency: str
    months: tuple[MonthPoint, ...]
    rolling: tuple[Month, ...]
    bins: tuple[Bin, ...]
    points: tuple[MapPoint, ...]
    shown: int = 0
    kept: int = 0


async def answer(
    tx: Transaction, item_key: str, rules: ObservatoryRules, place: Place | None = None
) -> ReferenceAnswer | None:
    """The answer about an item; None if the item is unknown. Without a place: the current snapshot, for the country
    with most prices. The verdicts of a snapshot are not read yet (see :func:`page`); an answer that was computed now
    has all of its verdicts."""
    card = await store.card(tx, item_key)
    if card is None:
        return None
    large = await too_many(tx, item_key)
    why = Refusal.of(large) if large else None
    if card.reference_id and (place is None or large):
        standing = await store.snapshot(tx, card.reference_id)
        assert standing is not None, "an item and its standing snapshot are written together"
        found = await _of_snapshot(tx, card.item, standing)
        return msgspec.structs.replace(
            found, in_trouble=card.trouble is not None, instead=why if place is not None else None
        )
    if card.trouble:
        reason = Refusal(
            rule="not-judged",
            message="The prices of this item could not be judged. They are judged again when new ones come.",
        )
        return ReferenceAnswer(item=card.item, current=False, reason=reason, in_trouble=True)
    if why:
        return ReferenceAnswer(item=card.item, current=False, reason=why)
    seen = (await store.observations(tx, [item_key])).get(item_key, [])
    return await asyncio.to_thread(_worked_out, card.item, seen, tx.now.date(), rules, place)


async def too_many(tx: Transaction, item_key: str) -> TooManyPrices | None:
    """The error that says why the item's prices are not judged now."""
    if not await store.has_more(tx, item_key, MOST):
        return None
    return TooManyPrices(
        f"The item has more than {MOST} prices. A value for one place is computed on request from up to {MOST} prices;"
        " for this item only the reference price of its country is published.",
        most=MOST,
    )


def _worked_out(
    item: Item, seen: Sequence[Observation], today: date, rules: ObservatoryRules, place: Place | None
) -> ReferenceAnswer:
    judged, current = judge(item, seen, today, rules, place)
    verdicts = sorted(reversed(judged.verdicts), key=lambda one: one.dropped is not None)
    found = ReferenceAnswer(
        item=item,
        current=current,
        verdicts=_public(verdicts),
        judged=len(verdicts),
        dropped=_by_size(Counter(one.dropped.rule for one in verdicts if one.dropped)),
    )
    if isinstance(judged, NoReference):
        return msgspec.structs.replace(found, reason=judged.reason)
    return msgspec.structs.replace(found, reference=msgspec.structs.replace(judged, verdicts=()))


async def cited(tx: Transaction, reference_id: str) -> ReferenceAnswer | None:
    """One snapshot, current or not."""
    snapshot = await store.snapshot(tx, reference_id)
    card = await store.card(tx, snapshot.reference.item_key) if snapshot else None
    return await _of_snapshot(tx, card.item, snapshot) if card and snapshot else None


async def _of_snapshot(tx: Transaction, item: Item, snapshot: store.Snapshot) -> ReferenceAnswer:
    tally = await store.tally(tx, snapshot.reference_id)
    return ReferenceAnswer(
        item=item,
        current=snapshot.current,
        reference_id=snapshot.reference_id,
        version=snapshot.version,
        made_at=snapshot.made_at,
        reference=snapshot.reference,
        judged=sum(tally.values()),
        dropped=_by_size(Counter({rule: count for rule, count in tally.items() if rule})),
        digest=snapshot.digest,
    )


async def page(tx: Transaction, found: ReferenceAnswer, number: int, size: int = PRICES) -> ReferenceAnswer:
    """The answer with that page of its verdicts, counted from 1."""
    start = (number - 1) * size
    if found.reference_id is None:
        return msgspec.structs.replace(found, verdicts=found.verdicts[start : start + size])
    verdicts = await store.verdicts(tx, found.reference_id, offset=start, most=size)
    return msgspec.structs.replace(found, verdicts=_public(verdicts))


def place_of(code: str, field: str = "place") -> Place | None:
    """The place of a code in the form of a reference's place code (``BR``, ``BR-SE`` or ``BR-SE/Aracaju``); None for "".
    Raise UnknownRegion."""
    area, _, locality = code.strip().partition("/")
    known = atlas.read_area(area or code, field)
    if not known:
        return None
    return Place(country=known[:2], region=known if "-" in known else None, locality=locality or None)


def spots(places: Iterable[tuple[Place, int]], rules: ObservatoryRules) -> list[Spot]:
    """The places to choose from, given the number of prices of each place: countries, regions, and localities with
    enough prices for their own reference; each kind sorted by name."""
    counts: Counter[tuple[int, str, str]] = Counter()
    for place, prices in places:
        if not place.country:
            continue
        counts[0, place.country, place.country] += prices
        if place.region:
            counts[1, place.region, _region_name(place)] += prices
        if place.locality:
            area = place.region or place.country
            counts[2, f"{area}/{place.locality}", f"{place.locality}, {_region_name(place)}"] += prices
    enough = Counter({key: count for key, count in counts.items() if key[0] < 2 or count >= rules.fewest_prices})
    ordered = sorted((key for key, _ in enough.most_common(SPOTS)), key=lambda key: (key[0], key[2], key[1]))
    return [Spot(code=code, name=name, count=counts[kind, code, name]) for kind, code, name in ordered]


async def pictures(tx: Transaction, found: ReferenceAnswer, rules: ObservatoryRules) -> Pictures:
    """The pictures. ``found`` is a result of :func:`answer`."""
    reference = found.reference
    if reference is None:
        return Pictures(unit="", currency=found.item.currency, months=(), rolling=(), bins=(), points=())
    verdicts: Sequence[ObservationVerdict] = found.verdicts
    if found.reference_id:
        verdicts = await store.verdicts(tx, found.reference_id, offset=0, most=PICTURED)
    rolling = [
        month
        for month in await store.months(tx, found.item.item_key)
        if (month.currency, month.unit) == (reference.currency, reference.unit)
    ]
    return await asyncio.to_thread(_drawn, reference, verdicts, rolling, rules.supplier_share_one_in)


def _drawn(
    reference: ComputedReference, verdicts: Iterable[ObservationVerdict], rolling: Sequence[Month], share_one_in: int
) -> Pictures:
    kept = [
        PricedObservation(
            observation=located(one.observation), price=one.price, unit=reference.unit, currency=reference.currency
        )
        for one in verdicts
        if one.dropped is None and one.price is not None
    ]
    return Pictures(
        unit=reference.unit,
        currency=reference.currency,
        months=series(kept, share_one_in),
        rolling=tuple(rolling),
        bins=histogram(kept),
        points=tuple(
            MapPoint(
                name=_name(point.place),
                latitude=point.place.latitude or 0,
                longitude=point.place.longitude or 0,
                median=point.median,
                count=point.count,
            )
            for point in points(kept, share_one_in)
        ),
        shown=len(kept),
        kept=reference.observations,
    )


def located(seen: Observation) -> Observation:
    """The observation with the coordinates of its city; an unknown city counts as its region, with the region's
    coordinates."""
    place = seen.place
    if place.country is None or place.latitude is not None:
        return seen
    found = atlas.locate(place.country, place.region, place.locality)
    if found is None or found.latitude is None:
        return seen
    middle = atlas.locate(place.country, found.region)
    if middle and (middle.latitude, middle.longitude) == (found.latitude, found.longitude):
        found = msgspec.structs.replace(found, locality=None)
    return msgspec.structs.replace(seen, place=found)


def _name(place: Place) -> str:
    return ", ".join(part for part in (place.locality, _region_name(place)) if part)


def _region_name(place: Place) -> str:
    country = place.country or ""
    return atlas.regions(country).get(place.region or "", place.region or country)


def _public(verdicts: Iterable[ObservationVerdict]) -> tuple[ObservationVerdict, ...]:
    return tuple(msgspec.structs.replace(one, observation=one.observation.public) for one in verdicts)


def _by_size(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())


async def category_of(tx: Transaction, typed: str) -> str:
    """The beginning of codes that a list is asked for. Imports bring other classifications than the CPV, whose codes are not known
    here: the beginning of any item's code is accepted, too. Raise MalformedCategory, UnknownDivision."""
    code = clean(typed)
    code = plain_code(code) if "-" in code else code
    return code if await store.is_category(tx, code) else read_beginning(code)


async def whole_answer(tx: Transaction, item_key: str, place: Place | None, rules: ObservatoryRules) -> ReferenceAnswer:
    """An answer whose page of verdicts is not read yet. Raise Missing."""
    found = await answer(tx, item_key, rules, place)
    if found is None:
        raise Missing("priced item", item_key)
    return found


async def snapshot(resources: Resources, reference_id: str, number: int, size: int = PRICES) -> ReferenceAnswer:
    """A snapshot with a page of its verdicts. Raise Missing."""
    async with resources.database.transaction("observatory") as tx:
        found = await cited(tx, reference_id)
        if found is None:
            raise Missing("reference price", reference_id)
        return await page(tx, found, number, size)
