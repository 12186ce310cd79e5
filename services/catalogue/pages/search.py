"""The search and the page of one SKU: prices are for the reader's region; if it is not known, the page asks for it."""

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Template
from msgspec import Meta

from catalogue import places
from catalogue.categories import normalise, prefixes, short_cpv
from catalogue.numbers import unambiguous
from catalogue.policy import load
from catalogue.roles import BUYER_OFFICER
from events.bounds import Packs, Price
from infra.database import Transaction
from infra.service import Resources
from infra.tokens import Principal
from infra.web import PUBLIC, Filled, FromResources, PathId, Visit, form_page, leafed, page, read_form
from infra.web.filters import read_filters
from infra.web.languages import gettext, pgettext, refusal_text, unit_name, unit_text
from services.catalogue import store, views
from services.catalogue.finder import Finder
from services.catalogue.pricing import broken_quantity, home_region
from services.catalogue.views import Search, WantedPrices

COUNTRIES_OFFERED = 3
VALUES_SHOWN = 8
NAMES_SHOWN = 4
Attributes = Annotated[
    list[Annotated[str, Meta(max_length=700, pattern=views.NAMED_VALUE)]] | None, QueryParameter(max_items=100)
]
Region = Annotated[str | None, QueryParameter(max_length=200)]
"""None is the reader's own."""


class SearchForm(msgspec.Struct, kw_only=True):
    q: Annotated[str, Meta(max_length=300)] = ""
    category: Annotated[str, Meta(max_length=20)] = ""
    served: bool = False
    price_from: Price | None = None
    price_to: Price | None = None
    eco: Annotated[str, Meta(max_length=100)] = ""
    sort: Literal["relevance", "price"] = "relevance"
    page: Annotated[int, Meta(ge=1, le=views.MOST_PAGES)] = 1


class PricesForm(msgspec.Struct, kw_only=True):
    quantity: Packs | None = None
    page: Annotated[int, Meta(ge=1, le=views.MOST_PAGES_OF_OFFERS)] = 1


class FacetLink(msgspec.Struct, frozen=True):
    """A value of a facet as a link; a second click removes the filter."""

    label: str
    count: int
    href: str
    chosen: bool
    language: str = ""
    """The language of the label, if it differs from that of the page."""


class SearchPages(Controller):
    include_in_schema = False
    path = "/catalogue"
    opt = PUBLIC

    @get()
    async def search(
        self,
        resources: FromResources,
        finder: NamedDependency[Finder],
        request: Visit,
        region: Region = None,
        attribute: Attributes = None,
    ) -> Template:
        values = dict(request.query_params)
        read, refused = read_filters({"region"}, category=values.get("category", ""), region=region or "")
        asked_region = region_of(request, region if region is None else read["region"])
        values["region"] = region if region and "region" in refused else asked_region
        form, errors = read_form(values, SearchForm)
        if form is not None:
            errors = wrong_prices(form)
        if form is None or errors:  # the valid parameters are searched for; the others are marked in the form
            form, _ = read_form({name: value for name, value in values.items() if name not in errors}, SearchForm)
        attributes = tuple(attribute or ())[:VALUES_SHOWN]
        refused = {name: said for name, said in refused.items() if name not in errors}
        chosen = msgspec.structs.asdict(form or SearchForm())
        if "category" in refused:
            chosen["category"] = ""
        asked = Search(**chosen, region=asked_region, attributes=attributes)
        async with resources.database.transaction("catalogue") as tx:
            found = await views.search(tx, finder, asked, request.scope.get("user"))
            inside = await in_basket(tx, request.scope.get("user"))
        if found.complete:  # while the index is filled, the page may be found a moment later
            leafed(request, asked.page, max(1, found.pages))
        known = [asked_region, *found.facets["region"]]
        return page(
            request,
            "catalogue/search.html",
            status_code=422 if errors or refused else 200,
            refused=refused,
            found=found,
            inside=inside,
            here=str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""),
            currency=finder.currency,
            asked=asked,
            values=values,
            errors=errors,
            regions=await region_choices(request.scope.get("user"), known),
            facets=facets(found, asked),
            trail=[(short_cpv().name(code), link(asked, category=code)) for code in trail(asked.category)],
            before=link(asked, page=asked.page - 1),
            after=link(asked, page=asked.page + 1),
            unfiltered=link(Search(q=asked.q, region=asked.region)),
            sorts=(("relevance", gettext("Best match")), ("price", gettext("Lowest price"))),
            unit_name=unit_name,
        )

    @get("/skus/{sku_id:str}")
    async def sku(
        self,
        resources: FromResources,
        finder: NamedDependency[Finder],
        request: Visit,
        sku_id: PathId,
        region: Region = None,
    ) -> Template:
        values = dict(request.query_params)
        form, errors = read_form(values, PricesForm)
        if form:
            errors = {error.field or "": refusal_text(error) for error in broken_quantity(form.quantity)}
        asked = form if form and not errors else PricesForm()
        read, refused = read_filters({"region"}, region=region or "")
        there = region_of(request, region if region is None else read["region"])
        wanted = WantedPrices(region=there, quantity=asked.quantity, page=asked.page)
        errors |= refused
        return await show_sku(resources, finder, request, sku_id, wanted, Filled(values, errors))


async def show_sku(
    resources: Resources,
    finder: Finder,
    request: Visit,
    sku_id: str,
    wanted: WantedPrices,
    filled: Filled,
) -> Template:
    """The page of one SKU, with its forms as filled in."""
    principal = request.scope.get("user")
    async with resources.database.transaction("catalogue") as tx:
        shown = await views.sku_page(tx, sku_id, wanted, finder.currency, principal)
        inside = await in_basket(tx, principal)
    leafed(request, wanted.page, max(1, shown.pages))
    served = [area for each in shown.offers for area in each.offer.regions]
    return form_page(
        request,
        "catalogue/sku.html",
        filled,
        shown=shown,
        inside=inside.get(sku_id),
        unit_name=unit_name,
        unit_text=unit_text,
        live=not load(resources.config.policy).auction.none_because,
        levels=levels(),
        sku=shown.sku,
        values={"quantity": unambiguous(shown.quantity), "region": shown.region, **filled.values},
        before=offers_link(shown, -1),
        after=offers_link(shown, 1),
        regions=await region_choices(principal, [shown.region, *served]),
        trail=[
            (short_cpv().name(code), link(Search(region=wanted.region), category=code))
            for code in trail(shown.sku.category.code)[-2:]
        ],
    )


def offers_link(shown: views.SkuPage, step: int) -> str:
    """The address of the page of its offers that is ``step`` pages further."""
    asked = {"region": shown.region, "quantity": unambiguous(shown.quantity), "page": shown.page + step}
    return f"/catalogue/skus/{shown.sku.sku_id}?{urlencode(asked)}#offers"


def region_of(request: Visit, asked: str | None) -> str:
    """The region for which prices are asked, as :func:`read_filters` read it; "" means any. If the query names none, it
    is the reader's own."""
    return home_region(request.scope.get("user")) if asked is None else asked


def levels() -> dict[str, str]:
    """The words for the levels of a reference price."""
    return {
        "locality": gettext("of the place"),
        "region": gettext("of the region"),
        "country": gettext("of the country"),
    }


async def in_basket(tx: Transaction, principal: Principal | None) -> dict[str, Decimal]:
    """The reader's basket: packs by SKU; empty for a reader without a basket."""
    if principal is None or not principal.may(BUYER_OFFICER):
        return {}
    kept = await store.basket(tx, principal.member_id)
    return {line.sku_id: line.quantity for line in kept if line.removed_at is None}


async def region_choices(principal: Principal | None, codes: Iterable[str]) -> dict[str, str]:
    """Code → name of the regions to choose from: all regions of the reader's country and of the countries in which
    something is offered."""
    countries = [code.split("-")[0] for code in [principal.country if principal else "", *codes] if code]
    wanted = list(dict.fromkeys(countries))[:COUNTRIES_OFFERED]
    whole = {country: gettext("%(country)s, the whole country", country=country) for country in wanted}
    return await asyncio.to_thread(
        lambda: {code: name for each in wanted for code, name in ((each, whole[each]), *regions_of(each))}
    )


def wrong_prices(form: SearchForm) -> dict[str, str]:
    """The errors of the two price limits, by field."""
    asked = {"price_from": form.price_from, "price_to": form.price_to}
    errors = {
        name: gettext("must be at least %(limit)s", limit=0)
        for name, price in asked.items()
        if price is not None and price < 0
    }
    if not errors and form.price_from is not None and form.price_to is not None and form.price_from > form.price_to:
        errors["price_from"] = gettext("is above the highest price of the search")
    return errors


@cache
def regions_of(country: str) -> tuple[tuple[str, str], ...]:
    """(code, name) of the regions of a country, sorted by name."""
    return tuple(places.regions(country).items())


def trail(category: str) -> list[str]:
    """The codes above a category that have their own names, and the category itself."""
    if not category:
        return []
    tree, code = short_cpv(), normalise(category)
    return [step for step in prefixes(code) if step in tree]


def link(asked: Search, **changes: Any) -> str:
    """The address of a search that differs from this one; any change except that of the page leads to the first
    page."""
    fields = msgspec.structs.asdict(msgspec.structs.replace(asked, **{"page": 1, **changes}))
    standard = msgspec.structs.asdict(Search())
    pairs = [("region", fields.pop("region"))]
    pairs += [("attribute", pair) for pair in fields.pop("attributes")]
    served = fields.pop("served")
    pairs += [("served", "on")] if served else []
    pairs += [(name, str(value)) for name, value in fields.items() if value is not None and value != standard[name]]
    return "/catalogue?" + urlencode(pairs)


def facets(found: views.SearchPage, asked: Search) -> list[tuple[str, list[FacetLink]]]:
    """(title, values with counts) of each filter that narrows the search."""
    tree, counts = short_cpv(), found.facets
    below = tree.children(trail(asked.category)[-1] if trail(asked.category) else None)
    found_below = sorted(
        (code for code in below if counts["category"].get(code)), key=lambda code: -counts["category"][code]
    )
    groups = [
        (
            gettext("Category"),
            [
                FacetLink(tree.name(code), counts["category"][code], link(asked, category=code), False, "en")
                for code in found_below
            ],
        ),
        (
            gettext("Eco-label"),
            [
                FacetLink(label, count, link(asked, eco="" if label == asked.eco else label), label == asked.eco)
                for label, count in counts["eco_label"].items()
            ],
        ),
    ]
    by_name: dict[str, list[FacetLink]] = {}
    for pair, count in counts["attribute"].items():
        name, _, value = pair.partition("=")
        chosen = pair in asked.attributes
        rest = tuple(each for each in asked.attributes if each != pair)
        href = link(asked, attributes=rest if chosen else (*rest, pair))
        by_name.setdefault(name, []).append(FacetLink(pgettext("attribute", value), count, href, chosen))
    telling = {name: options for name, options in by_name.items() if len(options) > 1 or options[0].chosen}
    widest = sorted(telling, key=lambda name: -sum(option.count for option in telling[name]))[:NAMES_SHOWN]
    groups += [(pgettext("attribute", name).capitalize(), telling[name]) for name in widest]
    return [(title, options[:VALUES_SHOWN]) for title, options in groups if options]
