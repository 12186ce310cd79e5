"""What the observatory answers to anybody: an item's reference at a place, every price behind it, and its pictures."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from catalogue import places as atlas
from events.values import Place, Refusal
from infra.database import Transaction
from services.observatory import store
from services.observatory.domain import (
    Bin,
    Month,
    MonthPoint,
    NoReference,
    Observation,
    Priced,
    Reference,
    Verdict,
    histogram,
    points,
    series,
)
from services.observatory.handlers import POLICY, judge
from services.observatory.intake import Item


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """``reference`` or the ``reason`` there is none, and the verdict on every price seen. With a ``reference_id`` it is that
    published snapshot; without, it was worked out for this question, and may not be cited. Only a ``current`` one of grade A or B
    bounds an initial price."""

    item: Item
    current: bool
    reference_id: str | None = None
    version: int | None = None
    made_at: datetime | None = None
    reference: Reference | None = None
    reason: Refusal | None = None
    verdicts: tuple[Verdict, ...] = ()
    in_trouble: bool = False
    """The newest prices could not be judged; what stands here is the last that could be."""

    @property
    def is_ceiling(self) -> bool:
        return self.current and self.reference is not None and self.reference.is_ceiling


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """A place that prices come from: its code as in :func:`place_of`, and how many there are."""

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
    """Of the kept prices: ``months``, ``bins`` and ``points``. ``rolling`` are the months of all prices in the reference's unit and
    currency as they came, outliers included."""

    unit: str
    currency: str
    months: tuple[MonthPoint, ...]
    rolling: tuple[Month, ...]
    bins: tuple[Bin, ...]
    points: tuple[MapPoint, ...]


async def answer(tx: Transaction, item_key: str, place: Place | None = None) -> Answer | None:
    """None where no such item was ever seen. Without a place: the standing snapshot, of the country most prices are from."""
    card = await store.card(tx, item_key)
    if card is None:
        return None
    if place is None and card.reference_id:
        found = of_snapshot(card.item, (await store.snapshots(tx, [card.reference_id]))[card.reference_id])
        return msgspec.structs.replace(found, in_trouble=card.trouble is not None)
    if card.trouble:
        reason = Refusal(
            rule="not-judged",
            message="The prices of this item could not be judged. They are judged again when new ones come.",
        )
        return Answer(item=card.item, current=False, reason=reason, in_trouble=True)
    seen = (await store.observations(tx, [item_key])).get(item_key, [])
    judged, current = await asyncio.to_thread(judge, card.item, seen, tx.now.date(), place)
    if isinstance(judged, NoReference):
        return Answer(item=card.item, current=current, reason=judged.reason, verdicts=_public(judged.verdicts))
    return Answer(item=card.item, current=current, reference=_bare(judged), verdicts=_public(judged.verdicts))


async def cited(tx: Transaction, reference_id: str) -> Answer | None:
    """One snapshot, standing or not."""
    snapshot = (await store.snapshots(tx, [reference_id])).get(reference_id)
    card = await store.card(tx, snapshot.reference.item_key) if snapshot else None
    return of_snapshot(card.item, snapshot) if card and snapshot else None


def of_snapshot(item: Item, snapshot: store.Snapshot) -> Answer:
    return Answer(
        item=item,
        current=snapshot.current,
        reference_id=snapshot.reference_id,
        version=snapshot.version,
        made_at=snapshot.made_at,
        reference=_bare(snapshot.reference),
        verdicts=_public(snapshot.reference.verdicts),
    )


def place_of(code: str) -> Place:
    """``BR``, ``BR-SE`` or ``BR-SE/Aracaju``, as a reference's place code is written."""
    area, _, locality = code.partition("/")
    return Place(country=area[:2].upper(), region=area.upper() if "-" in area else None, locality=locality or None)


def spots(observations: Iterable[Observation]) -> list[Spot]:
    """Countries, regions, and the localities with enough prices for a reference of their own; each kind by name."""
    counts: Counter[tuple[int, str, str]] = Counter()
    for seen in observations:
        place = seen.place
        if not place.country:
            continue
        counts[0, place.country, place.country] += 1
        if place.region:
            counts[1, place.region, _region_name(place)] += 1
        if place.locality:
            area = place.region or place.country
            counts[2, f"{area}/{place.locality}", f"{place.locality}, {_region_name(place)}"] += 1
    enough = {key: count for key, count in counts.items() if key[0] < 2 or count >= POLICY.minimum}
    ordered = sorted(enough, key=lambda key: (key[0], key[2], key[1]))
    return [Spot(code=code, name=name, count=counts[kind, code, name]) for kind, code, name in ordered]


async def pictures(tx: Transaction, found: Answer) -> Pictures:
    reference = found.reference
    if reference is None:
        return Pictures(unit="", currency=found.item.currency, months=(), rolling=(), bins=(), points=())
    kept = [
        Priced(observation=located(one.observation), price=one.price, unit=reference.unit, currency=reference.currency)
        for one in found.verdicts
        if one.dropped is None and one.price is not None
    ]
    rolling = [
        month
        for month in await store.months(tx, found.item.item_key)
        if (month.currency, month.unit) == (reference.currency, reference.unit)
    ]
    return Pictures(
        unit=reference.unit,
        currency=reference.currency,
        months=series(kept),
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
            for point in points(kept)
        ),
    )


def located(seen: Observation) -> Observation:
    """With the point of its city; a city that no table knows counts to its region, at the region's point."""
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


def _public(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    return tuple(msgspec.structs.replace(one, observation=one.observation.public) for one in verdicts)


def _bare(reference: Reference) -> Reference:
    """Without the verdicts, which stand beside it."""
    return msgspec.structs.replace(reference, verdicts=())
