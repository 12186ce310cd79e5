"""Proposing SKUs, and the moderators' queue."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Template

from catalogue.categories import AttributeDefinition, MalformedCategory, attribute_definitions, normalise, short_cpv
from catalogue.numbers import unambiguous
from catalogue.policy import load as load_policy
from catalogue.roles import BUYER_OFFICER, MODERATOR, SUPPLIER_AGENT
from catalogue.rules import RuleBroken
from catalogue.skus import Sku, SkuState, broken_rules
from catalogue.units import UNITS, written_unit
from events.bounds import Code, Name, Packs, Phrase, Text, Title
from infra.denied import Missing
from infra.ids import new_id
from infra.listing import PAGES
from infra.service import Resources
from infra.web import (
    Filled,
    FromResources,
    MemberVisit,
    PageNumber,
    PathId,
    Short,
    allow,
    errors_of_refusal,
    form_fields,
    form_page,
    leaf,
    misfits,
    page,
    read_form,
    redirect,
    refusal_of_state,
    ruled,
    shown_again,
    text_in,
    whole,
)
from infra.web.gone import WORDS
from infra.web.languages import gettext, ngettext, refusal_text, unit_name, unit_text
from services.catalogue import store
from services.catalogue.finder import Finder
from services.catalogue.handlers import skus
from services.catalogue.handlers.skus import NearDuplicates, NewAttribute, ProposedCard, SkuProposal
from services.catalogue.pages.rows import rows
from services.catalogue.pages.search import region_of, show_sku
from services.catalogue.store import proposals
from services.catalogue.views import WantedPrices

FREE_ATTRIBUTES = 5
ATTRIBUTE_FIELD = re.compile(r"(?:asked|free)_(?:(?P<part>name|value|unit)_)?\d+")
ATTRIBUTE_PARTS: dict[str, Any] = {"name": Name, "value": Phrase, "unit": Code}
PER_PAGE = 20
MOST_ALIKE = 20
"""The most near-duplicates that the form shows; the most similar are chosen."""
PROPOSERS = allow(SUPPLIER_AGENT, BUYER_OFFICER)
LANGUAGES = (("en", "English"), ("es", "Español"), ("fr", "Français"), ("pt", "Português"), ("ru", "Русский"))


class CardForm(msgspec.Struct, kw_only=True):
    name: Title
    category: Code
    base_unit: Code
    pack_size: Packs = Decimal(1)
    description: Text = ""
    gtin: Code = ""
    group: Name = ""
    language: Code = "en"
    none_of_these: bool = False


HIDDEN = {"sku", "request_key", "attributes_of"}


class SkuPages(Controller):
    include_in_schema = False
    path = "/catalogue"

    @get("/new", opt=PROPOSERS)
    async def proposing(self, resources: FromResources, request: MemberVisit, sku: Short = "") -> Template:
        """The form, empty or filled with the card ``sku``, for a new version of it or for the correction of a returned
        one."""
        values: dict[str, str] = {"language": request.user.language, "base_unit": "C62", "pack_size": "1"}
        if sku:
            async with resources.database.transaction("catalogue") as tx:
                known = await store.newest(tx, sku)
            if known is None or known.state not in (SkuState.PUBLISHED, SkuState.RETURNED):
                raise Missing("SKU that can be changed", sku)
            values = fields_of(known.sku)
        return await self._form(resources, request, Filled({**values, "sku": sku}))

    @get("/new/attributes", opt=PROPOSERS)
    async def attributes(self, request: MemberVisit, category: Short = "") -> Template:
        """The part of the form that depends on the category, loaded when that changes."""
        values = {"attributes_of": category}
        return page(
            request, "catalogue/asked.html", values=values, errors={}, asked=asked_by(category), unit_text=unit_text
        )

    @post("/new", opt=PROPOSERS)
    async def propose(
        self, resources: FromResources, finder: NamedDependency[Finder], request: MemberVisit
    ) -> Response[Any]:
        values = await form_fields(request)
        category = values.get("category", "").strip()
        if category and _code(category) != _code(values.get("attributes_of", "")) and asked_by(category):
            note = {"category": gettext("This category asks for more about the SKU: see below.")}
            return await self._form(resources, request, Filled(values | {"attributes_of": category}, note))
        form, errors = read_form(values, CardForm)
        errors |= wrong_in_attributes(values, asked_by(category))
        if form is None or errors:
            return await self._form(resources, request, Filled(values, errors))
        proposal = SkuProposal(**msgspec.structs.asdict(form), attributes=attributes_in(values, asked_by(category)))
        sku_id = values.get("sku", "")
        places = places_in(values, asked_by(category))
        try:
            card = skus.card_of(proposal, sku_id)
        except RuleBroken as error:
            return await self._form(resources, request, Filled(values, errors_at(error, places)))
        if broken := broken_rules(card, load_policy(resources.config.policy).catalogue):
            for each in broken:
                errors = errors_at(each, places) | errors
            return await self._form(resources, request, Filled(values, errors))
        alike = () if proposal.none_of_these else await finder.near_duplicates(card)
        policy = load_policy(resources.config.policy)
        try:
            async with resources.database.transaction("catalogue") as tx:
                proposed = ProposedCard(proposal=proposal, sku_id=sku_id, alike=alike)
                made = await skus.propose(tx, proposed, request.user, policy, values.get("request_key", ""))
        except NearDuplicates as error:
            return await self._form(resources, request, Filled(values, {"none_of_these": refusal_text(error)}), error)
        except RuleBroken as error:
            return await self._form(resources, request, Filled(shown_again(values, error), errors_at(error, places)))
        days = policy.catalogue.moderation_days
        said = ngettext(
            "“%(name)s” awaits moderation; it is decided within %(num)s working day.",
            "“%(name)s” awaits moderation; it is decided within %(num)s working days.",
            days,
        )
        return redirect("/catalogue/new", said % {"name": made.sku.name, "num": days})

    async def _form(
        self,
        resources: Resources,
        request: MemberVisit,
        filled: Filled,
        duplicates: NearDuplicates | None = None,
    ) -> Template:
        numbers = duplicates.numbers if duplicates else {}
        ids = [sku_id for sku_id in str(numbers.get("sku_ids", "")).split(", ") if sku_id][:MOST_ALIKE]
        scores = dict(zip(ids, str(numbers.get("likeness", "")).split(", "), strict=False))
        async with resources.database.transaction("catalogue") as tx:
            mine = await proposals.proposals_of(tx, request.user.organisation_id)
            alike = [
                (found, Decimal(scores[sku_id]) * 100) for sku_id in ids if (found := await store.newest(tx, sku_id))
            ]
        category = filled.values.get("attributes_of") or filled.values.get("category", "")
        shown = {"request_key": new_id(), **filled.values, "attributes_of": category}
        return form_page(
            request,
            "catalogue/new.html",
            filled,
            values=shown,
            asked=asked_by(category),
            unit_text=unit_text,
            free=rows(shown, "free_name_", FREE_ATTRIBUTES),
            units=sorted(
                (
                    (written_unit(code), unit_name(code))
                    for code in UNITS
                    if code != "H87" or filled.values.get("base_unit") == code
                ),
                key=lambda pair: pair[1],
            ),
            categories=[(code, short_cpv().name(code)) for code in all_categories()],
            languages=LANGUAGES,
            rules=load_policy(resources.config.policy).catalogue,
            alike=alike,
            mine=mine,
        )

    @get("/moderation", opt=allow(MODERATOR))
    async def moderation(
        self,
        resources: FromResources,
        request: MemberVisit,
        number: PageNumber = 1,
    ) -> Template:
        return await self._queue(resources, request, number)

    @post("/skus/{sku_id:str}/publish", opt=allow(MODERATOR))
    async def publish(self, resources: FromResources, request: MemberVisit, sku_id: PathId) -> Response[Any]:
        fields = await form_fields(request)
        try:
            async with resources.database.transaction("catalogue") as tx:
                done = await skus.publish(tx, sku_id, whole(fields.get("version", "")))
        except RuleBroken as error:
            return await self._queue(resources, request, _page_in(fields), {sku_id: ruled(error)})
        return redirect(_queue_at(fields), gettext("“%(name)s” was published.", name=done.sku.name))

    @post("/skus/{sku_id:str}/return", opt=allow(MODERATOR))
    async def send_back(self, resources: FromResources, request: MemberVisit, sku_id: PathId) -> Response[Any]:
        """Return a card. Each line of the form is one reason."""
        fields = await form_fields(request)
        try:
            reasons = tuple(text_in(fields, "reasons").splitlines())
            async with resources.database.transaction("catalogue") as tx:
                done = await skus.send_back(tx, sku_id, reasons, whole(fields.get("version", "")))
        except RuleBroken as error:
            typed = {sku_id: fields.get("reasons", "")}
            instead = await refusal_of_state(
                resources.database,
                "catalogue",
                lambda tx: skus.send_back(tx, sku_id, (WORDS,), whole(fields.get("version", ""))),
            )
            said = {sku_id: ruled(error)}
            return await self._queue(resources, request, _page_in(fields), said, typed, instead)
        return redirect(
            _queue_at(fields),
            gettext("“%(name)s” was returned to %(proposer)s.", name=done.sku.name, proposer=done.proposer_name),
        )

    @post("/skus/{sku_id:str}/archive", opt=allow(MODERATOR))
    async def archive(
        self, resources: FromResources, finder: NamedDependency[Finder], request: MemberVisit, sku_id: PathId
    ) -> Response[Any]:
        fields = await form_fields(request)
        try:
            reason = text_in(fields, "reason")
            async with resources.database.transaction("catalogue") as tx:
                done = await skus.archive(tx, sku_id, reason)
        except RuleBroken as error:
            typed, wrong = {"reason": fields.get("reason", "")}, {"reason": ruled(error)}
            wanted = WantedPrices(region=region_of(request, None))
            instead = await refusal_of_state(
                resources.database, "catalogue", lambda tx: skus.archive(tx, sku_id, WORDS)
            )
            return await show_sku(resources, finder, request, sku_id, wanted, Filled(typed, wrong, instead))
        return redirect(
            f"/catalogue/skus/{sku_id}", gettext("“%(name)s” and its offers were archived.", name=done.sku.name)
        )

    async def _queue(
        self,
        resources: Resources,
        request: MemberVisit,
        number: int,
        errors: Mapping[str, str] | None = None,
        reasons: Mapping[str, str] | None = None,
        instead: str = "",
    ) -> Template:
        async with resources.database.transaction("catalogue") as tx:
            found, number, last = await leaf(
                request,
                number,
                PER_PAGE,
                lambda each: proposals.queue(tx, limit=PER_PAGE, offset=PER_PAGE * (each - 1)),
            )
            current = await store.shown(tx, [each.sku.sku_id for each in found.rows])
        return page(
            request,
            "catalogue/moderation.html",
            status_code=422 if errors else 200,
            queue=found.rows,
            found=found,
            number=number,
            last=last,
            current=current,
            errors=errors or {},
            reasons=reasons or {},
            instead=instead,
            unit_name=unit_name,
            unit_text=unit_text,
            category_name=short_cpv().name,
        )


def _page_in(fields: Mapping[str, str]) -> int:
    """The number of the queue's page on which a decision was made."""
    return min(max(whole(fields.get("page", "")) or 1, 1), PAGES)


def _queue_at(fields: Mapping[str, str]) -> str:
    number = _page_in(fields)
    return "/catalogue/moderation" if number == 1 else f"/catalogue/moderation?page={number}"


def _code(category: str) -> str:
    try:
        return normalise(category)
    except MalformedCategory:
        return ""


def asked_by(category: str) -> list[tuple[AttributeDefinition, str]]:
    """The attributes of a category, each with the name of its unit; none if the text is not a category."""
    code = _code(category)
    definitions = attribute_definitions(code) if code else ()
    return [(each, unit_name(each.unit)) for each in definitions]


def all_categories() -> list[str]:
    tree = short_cpv()
    return [code for division in tree.children() for code in (division, *_below(division))]


def _below(code: str) -> list[str]:
    return [each for child in short_cpv().children(code) for each in (child, *_below(child))]


def attributes_in(values: Mapping[str, str], asked: list[tuple[AttributeDefinition, str]]) -> tuple[NewAttribute, ...]:
    """The attributes of the category, then the free ones; blank rows are left out."""
    read = [
        NewAttribute(
            name=definition.name,
            value=values.get(f"asked_{place}", "").strip(),
            unit=values.get(f"asked_unit_{place}", "") or definition.unit,
        )
        for place, (definition, _) in enumerate(asked)
    ]
    free = [
        NewAttribute(**{part: values.get(f"free_{part}_{place}", "").strip() for part in ("name", "value", "unit")})
        for place in rows(values, "free_name_", FREE_ATTRIBUTES)
    ]
    return tuple([each for each in read if each.value] + [each for each in free if each.name or each.value])


def places_in(values: Mapping[str, str], asked: list[tuple[AttributeDefinition, str]]) -> dict[str, str]:
    """Field of a rule → field of the form. What is wrong with a free attribute alone is its unit."""
    free = {values.get(f"free_name_{each}", "").strip(): each for each in rows(values, "free_name_", FREE_ATTRIBUTES)}
    return (
        {name: name for name in (*(values.keys() - HIDDEN), "attributes")}
        | {f"attributes.{name}": f"free_unit_{place}" for name, place in free.items()}
        | {f"attributes.{each.name}": f"asked_{place}" for place, (each, _) in enumerate(asked)}
    )


def errors_at(refused: RuleBroken, places: Mapping[str, str]) -> dict[str, str]:
    return {places.get(field, ""): said for field, said in errors_of_refusal(refused, places).items()}


def wrong_in_attributes(values: Mapping[str, str], asked: list[tuple[AttributeDefinition, str]]) -> dict[str, str]:
    """Errors of the texts of :func:`attributes_in`, by field. A unit that the form keeps from the card has its error at
    the value."""
    names = {f"asked_{part}{place}": f"asked_{place}" for place in range(len(asked)) for part in ("", "unit_")}
    errors: dict[str, str] = {}
    for name, text in values.items():
        field = ATTRIBUTE_FIELD.fullmatch(name)
        if field and (name in names or name.startswith("free_")):
            wrong = misfits({name: text}, ATTRIBUTE_PARTS[field["part"] or "value"])
            errors |= {names.get(name, name): said for said in wrong.values()}
    return errors


def fields_of(card: Sku) -> dict[str, str]:
    """The fields of the form, filled with a card."""
    plain = ("name", "category", "base_unit", "description", "gtin", "group", "language")
    fields = {name: getattr(card, name) for name in plain} | {"pack_size": unambiguous(card.pack_size)}
    fields["base_unit"] = written_unit(card.base_unit)
    asked = {definition.name: place for place, (definition, _) in enumerate(asked_by(card.category))}
    for attribute in card.attributes:
        if attribute.name in asked:
            place = asked[attribute.name]
            fields |= {f"asked_{place}": attribute.value, f"asked_unit_{place}": attribute.unit}
    for place, attribute in enumerate(each for each in card.attributes if each.name not in asked):
        fields |= {
            f"free_name_{place}": attribute.name,
            f"free_value_{place}": attribute.value,
            f"free_unit_{place}": attribute.unit,
        }
    return fields
