"""The page on which a buyer asks for quotes. SKUs and free lines can be added and removed without losing input, and the
reference price is shown beside each line."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from litestar import Controller, get, post
from litestar.response import Redirect, Template

from catalogue import places
from catalogue.numbers import unambiguous
from catalogue.policy import Policy
from catalogue.policy import load as load_policy
from catalogue.roles import BUYER_OFFICER
from catalogue.rules import RuleBroken
from events.accounts import OrganisationRegistered
from events.bounds import Code, Id, Name, Quantity, Reason, Title
from events.catalogue import SkuPublished
from events.values import Line
from infra.database import Transaction
from infra.ids import new_id
from infra.web import (
    Filled,
    FromResources,
    MemberVisit,
    Several,
    Short,
    allow,
    clean,
    form_fields,
    form_page,
    read_form,
    read_instant,
    redirect,
    shown_again,
    whole,
)
from infra.web.forms import Fields
from infra.web.languages import gettext, refusal_text, unit_name
from services.market.form_lines import field_of, wrong_in_line
from services.market.lines import WantedLine, beside_references
from services.market.places import delivered_to
from services.market.replicas import calendar_of
from services.quotes import handlers, store
from services.quotes.domain.opening import MOST_LINES, RequestWithoutLines
from services.quotes.handlers import NewRequest

_LINE = re.compile(r"line-(\d{1,3})-([a-z_]+)")


class QuoteLineForm(msgspec.Struct):
    quantity: Quantity
    sku_id: Id = ""
    description: Title = ""
    category: Code = ""
    unit: Code = ""


class QuoteHeadForm(msgspec.Struct):
    title: Name
    closes_at: Code
    kind: Code = "goods"
    requirements: Reason = ""
    region: Name = ""
    locality: Name = ""


class QuoteComposePages(Controller):
    path = "/quotes/new"
    include_in_schema = False
    opt = allow(BUYER_OFFICER)

    @get()
    async def compose_page(
        self,
        request: MemberVisit,
        resources: FromResources,
        again: Short = "",
        sku: Several = None,
        quantity: Several = None,
    ) -> Template:
        """Show the form. ``sku`` and ``quantity`` may occur several times, in pairs. ``again`` is a former request to
        copy."""
        policy = load_policy(resources.config.policy)
        pairs = list(_pairs(sku or (), quantity or ()))
        async with resources.database.transaction("quotes") as tx:
            buyer = await handlers.buyer_of(tx, request.user)
            before = await store.get(await tx.raw(), clean(again)) if again else None
            fields = {"kind": "goods", "request_key": new_id(), "closes_at": _first_deadline(policy, buyer, tx.now)}
            fields |= {"region": buyer.place.region or "", "locality": buyer.place.locality or ""}
            if before is not None:
                opened = before.request.opened
                fields |= _as_fields(opened.lines)
                fields |= {"title": opened.title, "kind": opened.kind, "requirements": opened.requirements}
                fields |= {"region": opened.place.region or "", "locality": opened.place.locality or ""}
            elif pairs:
                skus = await store.skus.get(await tx.raw(), [which for which, _ in pairs])
                for number, (which, many) in enumerate(pair for pair in pairs if pair[0] in skus):
                    fields |= _sku_line(number, which, many)
                fields["title"] = ", ".join(sku.name for sku in skus.values())[:200] if len(skus) == 1 else ""
            else:
                fields |= _blank_line(0)
            return await _form(tx, request, policy, buyer, Filled(fields))

    @post()
    async def compose(self, request: MemberVisit, resources: FromResources) -> Redirect | Template:
        """Handle the form. ``action`` says whether to add or remove a line, to search for a SKU, or to send the
        request."""
        policy = load_policy(resources.config.policy)
        fields = await form_fields(request)
        action, _, which = fields.pop("action", "enter").partition(":")
        found: Sequence[SkuPublished] | None = None
        async with resources.database.transaction("quotes") as tx:
            buyer = await handlers.buyer_of(tx, request.user)
            errors: dict[str, str] = {}
            if action == "open":
                wanted, errors = _read(fields, buyer)
                if wanted is not None:
                    try:
                        key = fields.get("request_key") or new_id()
                        request_id = await handlers.open_for_buyer(tx, wanted, request.user, policy, key)
                        return redirect(f"/quotes/{request_id}", gettext("The request was opened."))
                    except RuleBroken as broken:
                        errors = {
                            field_of(broken, _numbers(fields), "quantity"): refusal_text(
                                broken, policy.currency, buyer.time_zone
                            )
                        }
                        fields = shown_again(fields, broken)
            else:
                fields = _changed(fields, action, which)
                if action in ("search", "enter") and fields.get("search", "").strip():
                    found = await store.skus.named(await tx.raw(), fields["search"][:300])
            return await _form(tx, request, policy, buyer, Filled(fields, errors), found)


def _kinds() -> dict[str, str]:
    return {"goods": gettext("Goods"), "works": gettext("Works"), "services": gettext("Services")}


async def _form(
    tx: Transaction,
    request: MemberVisit,
    policy: Policy,
    buyer: OrganisationRegistered,
    filled: Filled,
    found: Sequence[SkuPublished] | None = None,
) -> Template:
    db, fields = await tx.raw(), filled.values
    numbers = _numbers(fields)
    skus = await store.skus.get(db, [fields.get(f"line-{number}-sku_id", "") for number in numbers])
    lines = [_preview(number, fields, skus) for number in numbers]
    try:
        place = delivered_to(fields.get("region", "")[:300], fields.get("locality", "")[:300], buyer.place)
    except RuleBroken:
        place = buyer.place
    beside = await beside_references(db, store.references, lines, place, policy.currency)
    return form_page(
        request,
        "quotes/new.html",
        filled,
        values=fields,
        lines=[(number, skus.get(each.line.sku_id or ""), each) for number, each in zip(numbers, beside, strict=True)],
        found=found,
        kinds=[(kind, name) for kind, name in _kinds().items() if kind in policy.kinds()],
        policy=policy,
        rules=policy.quote,
        zone=buyer.time_zone,
        regions=places.regions(buyer.place.country or ""),
        unit_name=unit_name,
        full=len(numbers) >= MOST_LINES,
    )


def _read(fields: Fields, buyer: OrganisationRegistered) -> tuple[NewRequest | None, dict[str, str]]:
    head, errors = read_form(fields, QuoteHeadForm)
    lines = []
    for number in _numbers(fields):
        prefix = f"line-{number}-"
        typed = {name.removeprefix(prefix): text for name, text in fields.items() if name.startswith(prefix)}
        line, wrong = read_form(typed, QuoteLineForm)
        errors |= {prefix + name: sentence for name, sentence in (wrong_in_line(typed, line) | wrong).items()}
        if line is not None:
            lines.append(WantedLine(**msgspec.structs.asdict(line)))
    if not _numbers(fields):
        errors["lines"] = refusal_text(RequestWithoutLines())
    closes_at, wrong = read_instant(fields, "closes_at", buyer.time_zone)
    errors = wrong | errors
    if head is None or closes_at is None or errors:
        return None, errors
    terms = msgspec.structs.asdict(head) | {"closes_at": closes_at}
    return NewRequest(lines=tuple(lines), **terms), {}


def _changed(fields: Fields, action: str, which: str) -> Fields:
    """Return the form with a line added or removed."""
    numbers = _numbers(fields)
    following = max(numbers, default=-1) + 1
    if action == "remove":
        return {name: text for name, text in fields.items() if not name.startswith(f"line-{which}-")}
    if action == "add" and len(numbers) < MOST_LINES:
        if not which:
            return fields | _blank_line(following)
        # Lines in which nothing is written yet are replaced by the SKU's line.
        unwritten = [n for n in numbers if not any(fields.get(name, "").strip() for name in _blank_line(n))]
        kept = {
            name: text for name, text in fields.items() if not any(name.startswith(f"line-{n}-") for n in unwritten)
        }
        return kept | _sku_line(following, which, "1") | {"search": ""}
    return fields


def _preview(number: int, fields: Mapping[str, str], skus: Mapping[str, SkuPublished]) -> Line:
    """Return the line with what the reference price needs. References have no VAT, and are shown without it here."""
    sku = skus.get(fields.get(f"line-{number}-sku_id", ""))
    return Line(
        line_id=str(number),
        description=sku.name if sku else "",
        sku_id=sku.sku_id if sku else None,
        unit=sku.base_unit if sku else "",
        pack_size=sku.pack_size if sku else Decimal(1),
        vat_included=False,
    )


def _pairs(skus: Sequence[str], quantities: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Return each SKU once, with the quantity at the same position, or 1 if there is none."""
    padded = [*quantities, *[""] * len(skus)]
    found = {clean(sku): quantity.strip() or "1" for sku, quantity in zip(skus, padded, strict=False) if sku.strip()}
    return list(found.items())[:MOST_LINES]


def _numbers(fields: Mapping[str, str]) -> list[int]:
    numbers = (whole(match[1]) for name in fields if (match := _LINE.fullmatch(name)))
    return sorted({number for number in numbers if number is not None})


def _blank_line(number: int) -> Fields:
    return {f"line-{number}-{name}": "" for name in ("description", "category", "unit", "quantity")}


def _sku_line(number: int, sku_id: str, quantity: str) -> Fields:
    return {f"line-{number}-sku_id": sku_id, f"line-{number}-quantity": quantity}


def _as_fields(lines: Sequence[Line]) -> Fields:
    fields: Fields = {}
    for number, line in enumerate(lines):
        quantity = unambiguous(line.quantity, kept=True) if line.quantity is not None else ""
        if line.sku_id:
            fields |= _sku_line(number, line.sku_id, quantity)
        else:
            fields |= {
                f"line-{number}-description": line.description,
                f"line-{number}-category": line.category.code if line.category else "",
                f"line-{number}-unit": line.unit,
                f"line-{number}-quantity": quantity,
            }
    return fields


def _first_deadline(policy: Policy, buyer: OrganisationRegistered, now: datetime) -> str:
    """Return a first value of the deadline, which the buyer can change: the same hour of the next working day, or some
    minutes from now in a rehearsal."""
    least = timedelta(minutes=policy.quote.min_minutes if policy.quote else 0)
    calendar = calendar_of(buyer)
    if policy.working_day_minutes is not None:
        asked = now + least + timedelta(minutes=2)
    else:
        asked = max(calendar.add_working_days(now, 1), now + least + timedelta(minutes=5))
    return calendar.local(asked).strftime("%Y-%m-%dT%H:%M")
