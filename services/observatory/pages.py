"""Pages of the observatory: the items, one item with its pictures and prices, and each snapshot for citation. All public."""

import asyncio
import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from litestar import Controller, get
from litestar.response import Response, Template

from catalogue.policy import Policy, load
from catalogue.rules import RuleBroken
from events.values import Refusal
from infra.cells import cell
from infra.web import PUBLIC, FromResources, PathId, Visit, leafed, page
from infra.web import PageNumber as ListPage
from infra.web.languages import kept_refusal, refusal_text, unit_name
from services.observatory import store, views
from services.observatory.arguments import Grade, PageNumber, PlaceCode, ShortWords
from services.observatory.domain import Bin, ComputedReference
from services.observatory.views import PAGE, ReferenceAnswer, category_of, place_of, snapshot, whole_answer

SHOWN = 50
"""The most prices on a page: fewer than in an answer of the API, because on a phone each is shown as a card."""
ROWS = 5000
"""The most observations in a CSV file."""
COLUMNS = """
    observation_id kept reason price_per_unit unit currency weight_percent kind date stated_price stated_unit pack_size quantity
    vat_rate vat_included country region locality supplier buyer title publisher document
"""


class ObservatoryPages(Controller):
    path = "/observatory"
    opt = PUBLIC
    include_in_schema = False

    @get()
    async def index(
        self,
        resources: FromResources,
        request: Visit,
        q: ShortWords = "",
        category: ShortWords = "",
        grade: Grade = "",
        number: ListPage = 1,
    ) -> Template:
        async with resources.database.transaction("observatory") as tx:
            categories = await store.categories(tx)
            code, errors = "", {}
            try:
                code = await category_of(tx, category)
            except RuleBroken as broken:
                errors = {"category": refusal_text(broken)}
            wanted = store.ItemFilter(q=q, category=code, grade=grade)
            found = await store.find(tx, wanted, offset=(number - 1) * PAGE, most=PAGE)
        leafed(request, number, found.last)
        asked = {"q": q, "category": category, "grade": grade}
        return page(
            request,
            "observatory/index.html",
            status_code=422 if errors else 200,
            errors=errors,
            found=found,
            categories=categories,
            asked=asked,
            unit=unit_name,
            number=number,
            link=_links("/observatory", asked),
            **_told(load(resources.config.policy)),
        )

    @get("/items/{item_key:str}")
    async def item(
        self,
        resources: FromResources,
        request: Visit,
        item_key: PathId,
        place: PlaceCode = "",
        number: PageNumber = 1,
    ) -> Template:
        policy = load(resources.config.policy)
        rules = policy.observatory
        asked, errors = None, {}
        try:
            asked = place_of(place)
        except RuleBroken as broken:
            place, errors = "", {"place": refusal_text(broken)}
        async with resources.database.transaction("observatory") as tx:
            whole = await whole_answer(tx, item_key, asked, rules)
            pages = leafed_through(request, number, whole)
            large = await views.too_many(tx, item_key)
            return page(
                request,
                "observatory/item.html",
                status_code=422 if errors else 200,
                errors=errors,
                values=dict(request.query_params),
                versions=await store.versions(tx, item_key),
                place=place,
                large=refusal_text(large) if large else None,
                spots=[] if large else views.spots(await store.places(tx, item_key), rules),
                pictures=(pictures := await views.pictures(tx, whole, rules)),
                histogram=bars(pictures.bins, whole.reference),
                **_told(policy),
                **_listing(
                    await views.page(tx, whole, number, SHOWN), f"/observatory/items/{item_key}", {"place": place}
                ),
                number=number,
                pages=pages,
            )

    @get("/references/{reference_id:str}")
    async def reference(
        self,
        resources: FromResources,
        request: Visit,
        reference_id: PathId,
        number: PageNumber = 1,
    ) -> Template:
        found = await snapshot(resources, reference_id, number, SHOWN)
        pages = leafed_through(request, number, found)
        return page(
            request,
            "observatory/reference.html",
            parts=-(-found.judged // ROWS),
            **_told(load(resources.config.policy)),
            **_listing(found, f"/observatory/references/{reference_id}", {}),
            number=number,
            pages=pages,
        )

    @get("/references/{reference_id:str}/observations.csv")
    async def download(self, resources: FromResources, reference_id: PathId, number: PageNumber = 1) -> Response[str]:
        """5000 rows per file; a file after the last one has no rows, so that a program knows when it has all."""
        found = await snapshot(resources, reference_id, number, ROWS)
        part = f"-{number}" if found.judged > ROWS else ""
        return Response(
            await asyncio.to_thread(as_csv, found),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="reference-{found.reference_id}{part}.csv"'},
        )


def bars(bins: Sequence[Bin], reference: ComputedReference | None) -> dict[str, Any] | None:
    """Geometry of the histogram in a box of 600 x 180: bars of equal width, and the position of the median on the log
    scale."""
    if reference is None or not bins:
        return None
    most, width = max(one.count for one in bins), Decimal(600) / len(bins)
    low, high = bins[0].low, bins[-1].high
    along = (reference.median / low).ln() / (high / low).ln() if high > low else Decimal("0.5")
    return {
        "bars": [
            {
                "x": round(width * number + 1, 1),
                "width": round(width - 2, 1),
                "height": round(Decimal(150 * one.count) / most, 1),
                "bin": one,
            }
            for number, one in enumerate(bins)
        ],
        "median": round(600 * min(max(along, Decimal(0)), Decimal(1)), 1),
        "low": low,
        "high": high,
    }


def as_csv(found: ReferenceAnswer) -> str:
    """One row for each observation, kept or dropped."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS.split())
    unit, currency = (found.reference.unit, found.reference.currency) if found.reference else ("", "")
    for one in found.verdicts:
        seen, place = one.observation, one.observation.place
        row: tuple[object, ...] = (
            seen.observation_id,
            "no" if one.dropped else "yes",
            one.dropped.message if one.dropped else "",
            one.price,
            unit if one.price is not None else "",
            currency if one.price is not None else "",
            one.weight,
            seen.kind,
            seen.date,
            seen.unit_price,
            seen.unit or seen.unit_text,
            seen.pack_size,
            seen.quantity,
            seen.vat_rate,
            seen.vat_included,
            place.country,
            place.region,
            place.locality,
            seen.supplier_name or seen.supplier_id,
            seen.buyer_name or seen.buyer_id,
            seen.title,
            seen.source.publisher if seen.source else "Lonja",
            seen.document,
        )
        writer.writerow([cell(value) for value in row])
    return out.getvalue()


def _told(policy: Policy) -> dict[str, Any]:
    """The numbers in force, for pages."""
    return {"rules": policy.observatory, "is_bound_by": policy.auction.is_bound_by, "why": why}


def why(kept: Refusal) -> str:
    """Why a price does not count, or why an item has no reference, in the reader's language."""
    return kept_refusal(kept)


def leafed_through(request: Visit, number: int, found: ReferenceAnswer) -> int:
    """The number of pages of verdicts. Raise BeyondLast."""
    pages = max(1, -(-found.judged // SHOWN))
    leafed(request, number, pages)
    return pages


def _listing(found: ReferenceAnswer, path: str, asked: dict[str, str]) -> dict[str, Any]:
    """The page of verdicts in ``found``, with links to the pages around it."""
    return {"answer": found, "unit": unit_name, "link": _links(path, asked)}


def _links(path: str, asked: dict[str, str]) -> Any:
    given = {name: value for name, value in asked.items() if value}
    return lambda number: f"{path}?{urlencode({**given, 'page': number})}"
