"""Opening a mini-auction: lines come and go without losing input, the reference price stands beside, every error at its field."""

import asyncio
import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromQuery
from litestar.response import Template

from catalogue import places
from catalogue.policy import Policy, load
from catalogue.rules import RuleBroken
from catalogue.units import unit_word
from events.values import Line, Place
from infra.ids import new_id
from infra.lines import Beside
from infra.service import Ground
from infra.tokens import BUYER_OFFICER
from infra.web import FromGround, MemberVisit, allow, clean, form_fields, page, read_form, redirect
from services.auctions import handlers
from services.auctions.domain.opening import durations
from services.auctions.handlers import NewAuction, NewLine
from services.auctions.store import auctions, replicas

Fields = dict[str, str]
KINDS = (("goods", "Goods"), ("works", "Works"), ("services", "Services"))
_LINE = re.compile(r"line-(\d{1,3})-([a-z_]+)")
MOST_LINES = 100


class LineForm(msgspec.Struct):
    quantity: Decimal
    unit_price: Decimal
    sku_id: str = ""
    description: str = ""
    category: str = ""
    unit: str = ""


class HeadForm(msgspec.Struct):
    title: str
    duration_minutes: int
    step_percent: Decimal
    kind: str = "goods"
    vat_rate: Decimal = Decimal(0)
    vat_included: bool = False
    country: str = ""
    region: str = ""
    locality: str = ""
    request_key: str = ""


class ComposePages(Controller):
    path = "/auctions/new"
    include_in_schema = False
    opt = allow(BUYER_OFFICER)

    @get()
    async def compose_page(
        self,
        request: MemberVisit,
        ground: FromGround,
        again: FromQuery[str] = "",
    ) -> Template:
        """``again`` is an auction to open once more; pairs of ``sku`` and ``quantity`` are lines to begin with."""
        wanted = _asked(request)
        async with ground.database.pool.acquire() as db:
            buyer = await handlers.buyer_of(db, request.user)
            before = await auctions.get(db, clean(again)) if again else None
            skus = await replicas.skus.get(db, [sku_id for sku_id, _ in wanted])
        fields = _head(buyer.place)
        if before is not None:
            fields |= _as_fields(before.opened.lines)
            fields |= {"title": before.opened.title, "kind": before.opened.kind} | _place(before.opened.place)
        elif skus:
            known = [(sku_id, quantity) for sku_id, quantity in wanted if sku_id in skus]
            fields["title"] = skus[known[0][0]].name + (f" and {len(known) - 1} more" if len(known) > 1 else "")
            for number, (sku_id, quantity) in enumerate(known):
                fields |= {f"line-{number}-sku_id": sku_id, f"line-{number}-quantity": quantity or "1"}
        else:
            fields |= _blank(0)
        return await _form(request, ground, fields, {}, prefill=True)

    @post()
    async def compose(self, request: MemberVisit, ground: FromGround) -> Response[Any] | Template:
        fields = await form_fields(request)
        action = fields.pop("action", "")
        fields.setdefault("vat_included", "")
        if action == "add":
            numbers = _numbers(fields)
            fields |= _blank(max(numbers, default=-1) + 1) if len(numbers) < MOST_LINES else {}
        elif action.startswith("remove-"):
            fields = {name: value for name, value in fields.items() if not name.startswith(f"line-{action[7:]}-")}
        if action != "open":
            return await _form(request, ground, fields, {}, prefill=True)
        wanted, errors = await _read(fields)
        if wanted is not None:
            try:
                async with ground.database.transaction("auctions") as tx:
                    auction_id = await handlers.open_for_buyer(
                        tx, wanted, request.user, load(ground.config.policy), fields.get("request_key") or new_id()
                    )
                return redirect(f"/auctions/{auction_id}", "The session is open. Suppliers may bid now.")
            except RuleBroken as broken:
                errors = {{"opens_at": "duration_minutes"}.get(broken.field or "", broken.field or ""): broken.message}
        return await _form(request, ground, fields, errors, status_code=422)


def _asked(request: MemberVisit) -> list[tuple[str, str]]:
    """The SKUs of the query with their quantities, in order, each once; a quantity may be left out."""
    skus, quantities = (request.query_params.getall(name, []) for name in ("sku", "quantity"))
    pairs = zip_longest((clean(sku_id) for sku_id in skus[:MOST_LINES]), quantities[: len(skus)], fillvalue="")
    first: dict[str, str] = {}
    for sku_id, quantity in pairs:
        first.setdefault(sku_id, clean(quantity))
    return [(sku_id, quantity) for sku_id, quantity in first.items() if sku_id]


async def _form(
    request: MemberVisit,
    ground: Ground,
    fields: Fields,
    errors: dict[str, str],
    *,
    prefill: bool = False,
    status_code: int = 200,
) -> Template:
    policy = load(ground.config.policy)
    async with ground.database.pool.acquire() as db:
        buyer = await handlers.buyer_of(db, request.user)
        draft, place = _draft(fields), _typed_place(fields)
        known = await replicas.skus.get(db, [line.sku_id for line in draft.lines if line.sku_id])
        numbers = [number for number in _numbers(fields) if fields.get(f"line-{number}-sku_id", "") in {"", *known}]
        lines = tuple(
            _preview(number, line, draft, known)
            for number, line in zip(_numbers(fields), draft.lines, strict=True)
            if number in numbers
        )
        beside = await handlers.priced(db, lines, place, policy.currency)
    if prefill:
        _suggest(fields, beside, policy)
        lines = tuple(
            msgspec.structs.replace(line, unit_price=_number(fields.get(f"line-{line.line_id}-unit_price", "")))
            for line in lines
        )
    total = handlers.total(lines, policy.currency)
    offered = durations(
        fields.get("kind", "goods"), total, policy=policy, calendar=handlers.calendar_of(buyer), opens_at=ground.clock()
    )
    fields.setdefault("duration_minutes", next((str(each.minutes) for each, broken in offered if broken is None), ""))
    return page(
        request,
        "auctions/new.html",
        status_code=status_code,
        values=fields,
        errors=errors,
        lines=[
            (number, known.get(line.sku_id or ""), line, each)
            for number, line, each in zip(numbers, lines, beside, strict=True)
        ],
        total=total,
        currency=policy.currency,
        policy=policy,
        offered=offered,
        kinds=KINDS,
        unit_name=unit_word,
        steps=[(str(percent), f"{percent} % of the initial price") for percent in policy.auction.step_percents],
        regions=places.regions(fields.get("country", "") or "XX"),
    )


async def _read(fields: Fields) -> tuple[NewAuction | None, dict[str, str]]:
    head, errors = read_form(fields, HeadForm)
    lines = []
    for number in _numbers(fields):
        prefix = f"line-{number}-"
        line, wrong = read_form(
            {name.removeprefix(prefix): text for name, text in fields.items() if name.startswith(prefix)}, LineForm
        )
        errors |= {prefix + name: sentence for name, sentence in wrong.items()}
        if line is not None:
            lines.append(NewLine(**msgspec.structs.asdict(line)))
    place = Place()
    if head is not None and head.country:
        found = await asyncio.to_thread(places.locate, head.country, head.region, head.locality)
        if found is None:
            errors["country"] = "is not a country we know (ISO 3166-1, such as RU)"
        elif head.region and found.region is None:
            errors["region"] = "is not a region of this country; choose one of the list"
        else:
            place = msgspec.convert(msgspec.to_builtins(found), Place)
    if head is None or errors:
        return None, errors
    return NewAuction(
        title=head.title,
        lines=tuple(lines),
        duration_minutes=head.duration_minutes,
        step_percent=head.step_percent,
        kind=head.kind,
        place=place,
        vat_rate=head.vat_rate,
        vat_included=head.vat_included,
    ), {}


def _draft(fields: Fields) -> NewAuction:
    """What can be read of a form that is not finished: what is missing counts as nothing."""
    return NewAuction(
        title=fields.get("title", ""),
        lines=tuple(
            NewLine(
                quantity=_number(fields.get(f"line-{number}-quantity", "")),
                unit_price=_number(fields.get(f"line-{number}-unit_price", "")),
                sku_id=fields.get(f"line-{number}-sku_id", ""),
                description=fields.get(f"line-{number}-description", ""),
                category=fields.get(f"line-{number}-category", ""),
                unit=fields.get(f"line-{number}-unit", ""),
            )
            for number in _numbers(fields)
        ),
        duration_minutes=0,
        step_percent=Decimal(0),
        vat_rate=_number(fields.get("vat_rate", "")),
        vat_included=bool(fields.get("vat_included")),
    )


def _preview(number: int, line: NewLine, draft: NewAuction, known: Mapping[str, Any]) -> Line:
    sku = known.get(line.sku_id)
    return Line(
        line_id=str(number),
        description=sku.name if sku else line.description,
        category=sku.category if sku else None,
        sku_id=line.sku_id or None,
        quantity=line.quantity,
        unit=sku.base_unit if sku else line.unit,
        pack_size=sku.pack_size if sku else Decimal(1),
        unit_price=line.unit_price,
        vat_rate=draft.vat_rate,
        vat_included=draft.vat_included,
    )


def _suggest(fields: Fields, beside: list[Beside], policy: Policy) -> None:
    for each in beside:
        name = f"line-{each.line.line_id}-unit_price"
        if each.reference is not None and not fields.get(name):
            fields[name] = str(handlers.suggested(each.reference, policy.currency))


def _numbers(fields: Fields) -> list[int]:
    found = (_LINE.fullmatch(name) for name in fields)
    return sorted({int(match[1]) for match in found if match})


def _number(text: str) -> Decimal:
    form, _ = read_form({"quantity": text, "unit_price": "0"}, LineForm)
    usable = form is not None and form.quantity.is_finite() and 0 <= form.quantity.adjusted() + 30 < 45
    return form.quantity if form is not None and usable else Decimal(0)


def _head(place: Place) -> Fields:
    return {
        "kind": "goods",
        "vat_rate": "20",
        "vat_included": "on",
        "step_percent": "1",
        "request_key": new_id(),
        **_place(place),
    }


def _place(place: Place) -> Fields:
    return {"country": place.country or "", "region": place.region or "", "locality": place.locality or ""}


def _typed_place(fields: Fields) -> Place:
    return Place(
        country=fields.get("country", "").strip() or None,
        region=fields.get("region", "").strip() or None,
        locality=fields.get("locality", "").strip() or None,
    )


def _blank(number: int) -> Fields:
    return {f"line-{number}-{name}": "" for name in ("description", "category", "unit", "quantity", "unit_price")}


def _as_fields(lines: tuple[Line, ...]) -> Fields:
    fields: Fields = {}
    for number, line in enumerate(lines):
        fields |= {
            f"line-{number}-sku_id": line.sku_id or "",
            f"line-{number}-description": line.description,
            f"line-{number}-category": line.category.code if line.category else "",
            f"line-{number}-unit": line.unit,
            f"line-{number}-quantity": f"{line.quantity:f}" if line.quantity is not None else "",
            f"line-{number}-unit_price": f"{line.unit_price:f}" if line.unit_price is not None else "",
        }
    return fields
