"""A buyer's basket: one form with all its lines and their prices, and links to the ways to buy them."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Template
from msgspec import Meta

from catalogue.numbers import digits, unambiguous
from catalogue.places import regions as regions_of
from catalogue.policy import load
from catalogue.roles import BUYER_OFFICER
from catalogue.rules import RuleBroken
from events.bounds import Id, Packs
from events.limits import LINE
from infra.service import Resources
from infra.web import BLANK, Filled, FromResources, MemberVisit, allow, form_fields, form_page, read_form, redirect
from infra.web.filters import read_filters
from infra.web.languages import gettext, refusal_text, unit_name
from services.catalogue.baskets import basket_of
from services.catalogue.finder import Finder
from services.catalogue.handlers import basket
from services.catalogue.pages.search import region_of, show_sku
from services.catalogue.pricing import broken_quantity, home_region
from services.catalogue.views import WantedPrices

PATH = "/catalogue/basket"
_QUANTITY = "quantity-"


Address = Annotated[str, Meta(max_length=4_000, extra={"text": LINE})]
"""The most characters of a search in an address, in which each letter of the words may take six."""


class QuantityForm(msgspec.Struct, kw_only=True):
    quantity: Packs


class PutForm(msgspec.Struct, kw_only=True):
    sku: Id
    quantity: Packs | None = None
    back: Address = ""


class BasketPages(Controller):
    include_in_schema = False
    path = PATH
    opt = allow(BUYER_OFFICER)

    @get()
    async def basket(self, resources: FromResources, finder: NamedDependency[Finder], request: MemberVisit) -> Template:
        return await _page(resources, finder, request)

    @post()
    async def put(
        self, resources: FromResources, finder: NamedDependency[Finder], request: MemberVisit
    ) -> Response[Any]:
        """Put a SKU in, from a search, from its page, or after it was taken out; ``back`` is the search to return to.
        Only a SKU's page sends a ``quantity``, and an error about it is shown there, beside its field."""
        fields = await form_fields(request)
        form, errors = read_form(fields, PutForm)
        if "quantity" in fields and not fields["quantity"].strip():
            errors["quantity"] = gettext("is required")
        if form is not None and not errors:
            try:
                async with resources.database.transaction("catalogue") as tx:
                    quantity = await basket.put(tx, form.sku, form.quantity, request.user)
                back = form.back if form.back.partition("?")[0] == "/catalogue" else PATH
                return redirect(back, gettext("In your basket: %(number)s.", number=digits(quantity)))
            except RuleBroken as broken:
                errors = {"quantity" if broken.field == "quantity" else "": refusal_text(broken)}
        if "quantity" in fields and "sku" not in errors:
            read, _ = read_filters(region=fields.get("region", ""))
            wanted = WantedPrices(region=region_of(request, read["region"] if "region" in fields else None))
            return await show_sku(resources, finder, request, fields["sku"], wanted, Filled(fields, errors))
        return await _page(resources, finder, request, Filled(errors={"": " ".join(errors.values())}))

    @post("/lines")
    async def change(
        self, resources: FromResources, finder: NamedDependency[Finder], request: MemberVisit
    ) -> Response[Any]:
        """Change all quantities in one step, all or none; ``remove`` names a SKU to take out."""
        fields = await form_fields(request)
        typed = {name.removeprefix(_QUANTITY): text for name, text in fields.items() if name.startswith(_QUANTITY)}
        removed = fields.get("remove", "")
        typed.pop(removed, None)
        errors: dict[str, str] = {}
        wanted: dict[str, Decimal] = {}
        for sku_id, text in typed.items():
            form, wrong = read_form({"quantity": text}, QuantityForm)
            broken = [refusal_text(error) for error in broken_quantity(form.quantity)] if form else list(wrong.values())
            if form is None or broken:
                errors[_QUANTITY + sku_id] = broken[0]
            else:
                wanted[sku_id] = form.quantity
        if not errors:
            async with resources.database.transaction("catalogue") as tx:
                await basket.change(tx, wanted, request.user)
                if removed:
                    await basket.take_out(tx, removed, request.user)
        if errors:
            return await _page(resources, finder, request, Filled(fields, errors))
        return redirect(
            PATH,
            gettext("It was taken out of the basket.") if removed else gettext("The quantities were changed."),
        )


async def _page(resources: Resources, finder: Finder, request: MemberVisit, filled: Filled = BLANK) -> Template:
    region = home_region(request.user)
    async with resources.database.transaction("catalogue") as tx:
        shown = await basket_of(tx, request.user, region, finder.currency)
    quantities = {_QUANTITY + line.sku.sku_id: unambiguous(line.quantity) for line in shown.lines}
    return form_page(
        request,
        "catalogue/basket.html",
        filled,
        basket=shown,
        region_name=regions_of(request.user.country).get(region, region),
        values={**quantities, **filled.values},
        unit_name=unit_name,
        live=not load(resources.config.policy).auction.none_because,
    )
