"""JSON of the observatory. All of it is public."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from urllib.parse import quote, urlencode

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter

from catalogue.money import QuantityNotPositive, round_money
from catalogue.policy import load
from catalogue.rules import QuantityAbsurd
from events.values import Refusal
from infra.denied import Missing
from infra.web import PUBLIC, FromResources, PathId
from infra.web import PageNumber as ListPage
from infra.web.arguments import NUMBER, number_in
from services.observatory import store, views
from services.observatory.arguments import Grade, PageNumber, PlaceCode, ShortWords
from services.observatory.store import ItemFilter, ListedItem, SnapshotFigures
from services.observatory.views import (
    PAGE,
    PRICES,
    Pictures,
    ReferenceAnswer,
    category_of,
    place_of,
    snapshot,
    whole_answer,
)

BELOW = 10**12
"""Quantities that a price is asked for are smaller: the arithmetic with them is exact."""


class FoundItems(msgspec.Struct, frozen=True, kw_only=True):
    """``total`` is the number of matching items, up to 1,000; ``more``: there are more. A search that matches more than
    10,000 items looks only at the first ones, and ``total`` counts these."""

    total: int
    more: bool
    page: int
    items: list[ListedItem]


class ItemAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``next`` is the address of the next page of the verdicts, None on the last one. ``versions`` are the newest 100."""

    answer: ReferenceAnswer
    versions: list[SnapshotFigures]
    next: str | None


class Cited(ReferenceAnswer, frozen=True, kw_only=True):
    """``next`` is the address of the next page of the verdicts, None on the last one."""

    next: str | None


class PriceAtReference(msgspec.Struct, frozen=True, kw_only=True):
    """The price of ``quantity`` base units at the reference. ``is_ceiling``: it limits an initial price. ``instead``:
    why the reference is the published one and not that of the requested region."""

    item_key: str
    level: str
    place_code: str
    unit: str
    currency: str
    median: Decimal
    p25: Decimal
    p75: Decimal
    grade: str
    is_ceiling: bool
    valued_on: date
    quantity: Decimal
    amount: Decimal
    instead: Refusal | None


def _further(found: ReferenceAnswer, number: int, place: str) -> str | None:
    """The address of the next page of verdicts. For a snapshot it is the snapshot's own address, where they never
    change."""
    if number * PRICES >= found.judged:
        return None
    if found.reference_id:
        return f"/api/observatory/references/{found.reference_id}?{urlencode({'page': number + 1})}"
    asked = {"place": place} if place else {}
    return f"/api/observatory/items/{quote(found.item.item_key)}?{urlencode({**asked, 'page': number + 1})}"


class ObservatoryApi(Controller):
    path = "/api/observatory"
    opt = PUBLIC
    tags = ("observatory",)

    @get("/items")
    async def items(
        self,
        resources: FromResources,
        q: ShortWords = "",
        category: ShortWords = "",
        grade: Grade = "",
        page: ListPage = 1,
    ) -> FoundItems:
        """Search items by words or their beginnings, the beginning of a category code (CPV, or the classification of an
        import), and grade. Items with a reference come first, then those with most observations; 50 per page."""
        async with resources.database.transaction("observatory") as tx:
            wanted = ItemFilter(q=q, category=await category_of(tx, category), grade=grade)
            found = await store.find(tx, wanted, offset=(page - 1) * PAGE, most=PAGE)
        return FoundItems(total=found.total, more=found.more, page=page, items=found.rows)

    @get("/items/{item_key:str}")
    async def item(
        self, resources: FromResources, item_key: PathId, place: PlaceCode = "", page: PageNumber = 1
    ) -> ItemAnswer:
        """The current snapshot with the verdict on every price, 200 per page; with ``place``, the reference is computed
        for that place. For an item with more than 2000 prices it is not computed: the answer is the published snapshot,
        and ``instead`` says why."""
        async with resources.database.transaction("observatory") as tx:
            found = await whole_answer(tx, item_key, place_of(place), load(resources.config.policy).observatory)
            return ItemAnswer(
                answer=await views.page(tx, found, page),
                versions=await store.versions(tx, item_key),
                next=_further(found, page, place),
            )

    @get("/items/{item_key:str}/pictures")
    async def pictures(self, resources: FromResources, item_key: PathId, place: PlaceCode = "") -> Pictures:
        """Prices by month, their distribution, and by place: for the newest 2000 prices that count."""
        rules = load(resources.config.policy).observatory
        async with resources.database.transaction("observatory") as tx:
            return await views.pictures(tx, await whole_answer(tx, item_key, place_of(place), rules), rules)

    @get("/references/{reference_id:str}")
    async def reference_by_id(self, resources: FromResources, reference_id: PathId, page: PageNumber = 1) -> Cited:
        """An immutable snapshot: it can be cited by this address for ever. It has 200 verdicts per page."""
        found = await snapshot(resources, reference_id, page)
        return Cited(**msgspec.structs.asdict(found), next=_further(found, page, ""))

    @get("/reference")
    async def quote(
        self,
        resources: FromResources,
        sku: ShortWords,
        region: PlaceCode = "",
        quantity: Annotated[str, QueryParameter(pattern=NUMBER)] = "1",
    ) -> PriceAtReference:
        """What a quantity of a SKU, in base units, should cost in a region. 404 if there is no reference."""
        wanted = number_in(quantity) or Decimal(0)
        if wanted <= 0:
            raise QuantityNotPositive(
                f"A quantity must be above zero, not {wanted}.", field="quantity", quantity=wanted
            )
        if wanted >= BELOW:
            raise QuantityAbsurd(
                f"A quantity must be below {BELOW:,}, not {wanted}.", field="quantity", quantity=wanted, below=BELOW
            )
        policy = load(resources.config.policy)
        async with resources.database.transaction("observatory") as tx:
            found = await whole_answer(tx, sku, place_of(region, "region"), policy.observatory)
        reference = found.reference
        if reference is None:
            raise Missing("reference price", sku)
        return PriceAtReference(
            item_key=reference.item_key,
            level=reference.level,
            place_code=reference.place_code,
            unit=reference.unit,
            currency=reference.currency,
            median=reference.median,
            p25=reference.p25,
            p75=reference.p75,
            grade=reference.grade,
            is_ceiling=found.current and policy.auction.is_bound_by(reference.grade),
            valued_on=reference.valued_on,
            quantity=wanted,
            amount=round_money(reference.median * wanted, reference.currency),
            instead=found.instead,
        )
