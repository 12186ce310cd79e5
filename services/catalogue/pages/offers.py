"""A supplier's own offers: publish, edit by copy, withdraw."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template
from msgspec import Meta

from catalogue.numbers import unambiguous
from catalogue.offers import Offer, OfferEnded, months_later
from catalogue.policy import load as load_policy
from catalogue.roles import SUPPLIER_AGENT
from catalogue.rules import RuleBroken
from events.bounds import Id, Name, Packs, Percent, Price
from events.catalogue import EcoLabel
from infra.denied import Missing
from infra.ids import new_id
from infra.service import Resources
from infra.web import (
    Filled,
    FromResources,
    MemberVisit,
    PathId,
    Short,
    allow,
    errors_of_refusal,
    form_fields,
    form_list,
    form_page,
    page,
    read_form,
    redirect,
    shown_again,
)
from infra.web.languages import gettext, refusal_text, unit_name
from services.catalogue import pricing, store
from services.catalogue.finder import Finder
from services.catalogue.handlers import offers
from services.catalogue.handlers.offers import NewTier, OfferTerms, Stock
from services.catalogue.pages.rows import rows
from services.catalogue.pages.search import region_choices
from services.market.replicas import local_date

TIERS = 3
LABELS = 2
GROUPS = {"regions", "tiers", "eco_labels", "stock"}
"""Errors that are shown beside several fields."""


class OfferForm(msgspec.Struct, kw_only=True):
    sku_id: Id
    price: Price
    vat_rate: Percent
    delivery_days: Annotated[int, Meta(ge=0, le=1000)]
    max_quantity: Packs
    min_quantity: Packs = Decimal(1)
    vat_included: bool = False
    valid_until: date | None = None
    stock_country: Name = ""
    stock_region: Name = ""
    stock_locality: Name = ""
    replaces: Id = ""


class TierForm(msgspec.Struct, kw_only=True):
    from_quantity: Packs
    price: Price


class LabelForm(msgspec.Struct, kw_only=True):
    label: Name
    certificate: Name = ""
    expires: date


class KnownTier(msgspec.Struct):
    from_quantity: Packs


class KnownLabel(msgspec.Struct):
    label: Name


KNOWN_BY: dict[str, type[Any]] = {"tier": KnownTier, "label": KnownLabel}
BROKEN_ROWS = {
    "tier-out-of-range": ("tier", "from_quantity", "from_quantity"),
    "tier-not-cheaper": ("tier", "from_quantity", "price"),
    "eco-label-without-certificate": ("label", "label", "certificate"),
    "eco-label-expired": ("label", "label", "expires"),
}
"""The group of rows, the field that identifies a row, and the field with the error, by code of a rule."""


class OfferPages(Controller):
    include_in_schema = False
    path = "/catalogue/offers"
    opt = allow(SUPPLIER_AGENT)

    @get()
    async def own(self, resources: FromResources, request: MemberVisit) -> Template:
        return await self._list(resources, request)

    @get("/new")
    async def offering(
        self,
        resources: FromResources,
        finder: NamedDependency[Finder],
        request: MemberVisit,
        sku: Short = "",
        copy: Short = "",
    ) -> Template:
        """The form for an offer on a SKU; with ``copy`` it is filled with the terms of an own offer, which it will
        replace if that is still current."""
        async with resources.database.transaction("catalogue") as tx:
            seat = await store.organisations.get(await tx.raw(), request.user.organisation_id)
            former = await store.offer(tx, copy) if copy else None
            today = local_date(seat, tx.now)
        if copy and (former is None or former.offer.supplier_id != request.user.organisation_id):
            raise Missing("offer of yours", copy)
        latest = months_later(today, load_policy(resources.config.policy).catalogue.offer_months)
        if former:
            values, regions = fields_of(former.offer), list(former.offer.regions)
            values |= {"valid_until": str(latest), "replaces": "" if former.ended else copy}
        else:
            place = seat.place if seat else None
            regions = [request.user.region or request.user.country]
            values = {
                "sku_id": sku,
                "vat_included": "on",
                "min_quantity": "1",
                "valid_until": str(latest),
                "stock_country": (place and place.country) or request.user.country,
                "stock_region": (place and place.region) or request.user.region,
                "stock_locality": (place and place.locality) or "",
            }
        return await self._form(resources, finder, request, Filled(values), regions)

    @post("/new")
    async def publish(
        self, resources: FromResources, finder: NamedDependency[Finder], request: MemberVisit
    ) -> Response[Any]:
        values = await form_fields(request)
        values.pop("regions", None)
        regions, unfit = await form_list(request, "regions")
        terms, errors = terms_in(values, regions)
        errors |= unfit
        if terms is not None and not errors:
            policy = load_policy(resources.config.policy)
            places = values.keys() - {"sku_id", "request_key", "replaces"} | GROUPS
            try:
                async with resources.database.transaction("catalogue") as tx:
                    broken = await offers.check(tx, terms, request.user, policy)
                    for error in reversed(broken):
                        errors |= _in_its_row(error, values) or errors_of_refusal(error, places)
                    if not errors:
                        key = values.get("request_key", "")
                        await offers.publish_offer(tx, terms, request.user, policy, key)
            except RuleBroken as error:
                errors = errors_of_refusal(error, places)
                values = shown_again(values, error)
            if not errors:
                notice = gettext("Your offer was published.")
                return redirect("/catalogue/offers", notice)
        return await self._form(resources, finder, request, Filled(values, errors), regions)

    @post("/{offer_id:str}/withdraw")
    async def withdraw(self, resources: FromResources, request: MemberVisit, offer_id: PathId) -> Redirect | Template:
        try:
            async with resources.database.transaction("catalogue") as tx:
                await offers.withdraw(tx, offer_id, request.user)
        except OfferEnded as ended:
            return await self._list(resources, request, ended)
        return redirect("/catalogue/offers", gettext("The offer was withdrawn."))

    async def _list(self, resources: Resources, request: MemberVisit, refused: OfferEnded | None = None) -> Template:
        async with resources.database.transaction("catalogue") as tx:
            own = await store.offers_of(tx, request.user.organisation_id)
            today = (await pricing.reader(tx, request.user)).on
        return page(
            request,
            "catalogue/offers.html",
            status_code=422 if refused else 200,
            own=own,
            today=today,
            refused=refused and refusal_text(refused),
            standing=refused.numbers.get("standing") if refused else None,
        )

    async def _form(
        self,
        resources: Resources,
        finder: Finder,
        request: MemberVisit,
        filled: Filled,
        regions: list[str],
    ) -> Template:
        sku_id = filled.values.get("sku_id", "")
        async with resources.database.transaction("catalogue") as tx:
            known = (await store.published(tx, [sku_id])).get(sku_id)
            today = (await pricing.reader(tx, request.user)).on
        if known is None:
            raise Missing("published SKU", sku_id)
        months = load_policy(resources.config.policy).catalogue.offer_months
        choices = await region_choices(request.user, regions)
        ticked = {code: choices.get(code, code) for code in regions}
        return form_page(
            request,
            "catalogue/offer.html",
            filled,
            sku=known.sku,
            unit_name=unit_name(known.sku.base_unit),
            currency=finder.currency,
            values={"request_key": new_id(), **filled.values},
            chosen=regions,
            choices=ticked | choices,
            latest=months_later(today, months),
            months=months,
            today=today,
            tiers=rows(filled.values, "tier_price_", TIERS),
            labels=rows(filled.values, "label_label_", LABELS),
        )


def terms_in(values: Mapping[str, str], regions: list[str]) -> tuple[OfferTerms | None, dict[str, str]]:
    """(terms, {}) or (None, errors by field)."""
    form, errors = read_form(values, OfferForm)
    tiers = [
        tier for place in rows(values, "tier_price_", TIERS) if (tier := _row(values, "tier", place, TierForm, errors))
    ]
    labels = [
        label
        for place in rows(values, "label_label_", LABELS)
        if (label := _row(values, "label", place, LabelForm, errors))
    ]
    if form is None or errors:
        return None, errors
    plain = {name: value for name, value in msgspec.structs.asdict(form).items() if not name.startswith("stock_")}
    stock = Stock(country=form.stock_country, region=form.stock_region, locality=form.stock_locality)
    return OfferTerms(
        **plain,
        regions=tuple(regions),
        tiers=tuple(NewTier(from_quantity=tier.from_quantity, price=tier.price) for tier in tiers),
        eco_labels=tuple(
            EcoLabel(label=label.label, certificate=label.certificate, expires=label.expires) for label in labels
        ),
        stock=stock if form.stock_country else None,
    ), {}


def _row(values: Mapping[str, str], prefix: str, place: int, shape: type[Any], errors: dict[str, str]) -> Any:
    """One row of a repeated group, with fields named ``prefix_field_place``; errors are added by field. None if the
    whole row is blank."""
    row = {name: values.get(f"{prefix}_{name}_{place}", "") for name in shape.__struct_fields__}
    if not any(text.strip() for text in row.values()):
        return None
    read, wrong = read_form(row, shape)
    errors |= {f"{prefix}_{name}_{place}": message for name, message in wrong.items()}
    return read


def _in_its_row(error: RuleBroken, values: Mapping[str, str]) -> dict[str, str]:
    """The error about a tier or a label, by the field in its row; {} for other errors."""
    of = BROKEN_ROWS.get(error.code)
    if of is None:
        return {}
    prefix, known_by, field = of
    for place in rows(values, f"{prefix}_{known_by}_", 0):
        written = {known_by: values.get(f"{prefix}_{known_by}_{place}", "")}
        read, _ = read_form(written, KNOWN_BY[prefix])
        if read is not None and getattr(read, known_by) == error.numbers[known_by]:
            return {f"{prefix}_{field}_{place}": refusal_text(error)}
    return {}


def fields_of(offer: Offer) -> dict[str, str]:
    """The fields of the form, filled with the terms of an offer."""
    numbers = {name: unambiguous(getattr(offer, name)) for name in ("vat_rate", "min_quantity", "max_quantity")}
    fields = numbers | {
        "sku_id": offer.sku_id,
        "price": unambiguous(offer.price, kept=True),
        "vat_included": "on" if offer.vat_included else "",
        "delivery_days": str(offer.delivery_days),
        "stock_country": offer.stock.country,
        "stock_region": offer.stock.region or "",
        "stock_locality": offer.stock.locality or "",
    }
    for place, tier in enumerate(offer.tiers):
        fields |= {
            f"tier_from_quantity_{place}": unambiguous(tier.from_quantity),
            f"tier_price_{place}": unambiguous(tier.price, kept=True),
        }
    for place, label in enumerate(offer.eco_labels):
        fields |= {
            f"label_label_{place}": label.label,
            f"label_certificate_{place}": label.certificate,
            f"label_expires_{place}": str(label.expires),
        }
    return fields
