"""Pages on which the sides sign, object, take more time, refuse, or ask the next bidder."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any

import msgspec
from litestar import Controller, get, post
from litestar.response import Redirect, Template

from catalogue.policy import TERMS
from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from catalogue.rules import RuleBroken
from events.bounds import Amount, Clause, Code, Quantity, fitted
from events.contracts import Point, PointAnswer
from infra.database import Transaction
from infra.service import Resources
from infra.web import (
    BLANK,
    Filled,
    FromResources,
    MemberVisit,
    PathId,
    allow,
    clean,
    errors_of_refusal,
    form_fields,
    form_page,
    read_form,
    redirect,
    refusal_of_state,
    whole,
)
from infra.web.gone import WORDS
from infra.web.languages import gettext
from services.contracts import handlers
from services.contracts.domain.deals import BUYER_DRAFT, SUPPLIER_OFFER, SUPPLIER_SIGNATURE
from services.contracts.handlers import Brought
from services.contracts.pages import contract_page, too_long
from services.contracts.store import listing
from services.contracts.views import choices_of, visible

ROWS = 2
MOST_ROWS = 20


class RefusalForm(msgspec.Struct, kw_only=True):
    explanation: Clause
    confirmed: bool
    ground: Code = ""
    evidence: Clause = ""


class EquivalentForm(msgspec.Struct, kw_only=True):
    line_id: Code
    quantity: Quantity
    sku_id: Code = ""
    description: Clause = ""


class SecurityForm(msgspec.Struct, kw_only=True):
    """Empty texts are allowed here. The rule asks for them, because it knows whether a security is due at all."""

    kind: Code = ""
    reference: Clause = ""
    amount: Amount
    valid_until: date


_EQUIVALENT = {"quantity": "equivalent-", "sku_id": "sku-", "description": "stand-in-"}
"""The beginning of the form field for each part of a line's equivalent."""


def brought(step: str, values: Mapping[str, str]) -> tuple[Brought, dict[str, str]]:
    """Return what the form of a step brings, and its errors by field. Raise OutOfBounds for values that no page of ours
    sends."""
    fields: dict[str, Any] = {"version": whole(values.get("version", ""))}
    errors: dict[str, str] = {}
    if step == SUPPLIER_OFFER:
        fields["equivalents"] = []
        for name in values:
            line_id = name.removeprefix("equivalent-")
            if line_id == name or not values[name].strip():
                continue
            typed = {part: values.get(begins + line_id, "") for part, begins in _EQUIVALENT.items()}
            equivalent, wrong = read_form(typed | {"line_id": line_id}, EquivalentForm)
            errors |= {_EQUIVALENT.get(part, "equivalent-") + line_id: said for part, said in wrong.items()}
            if equivalent is not None:
                fields["equivalents"].append(msgspec.structs.asdict(equivalent))
    if step == BUYER_DRAFT:
        fields["terms"] = [{"code": code, "text": values[code]} for code in TERMS if values.get(code, "").strip()]
        fields["refused_equivalents"] = {
            name.removeprefix("refuse-"): values.get(f"refused-{name.removeprefix('refuse-')}", "")
            for name in values
            if name.startswith("refuse-")
        }
    if step == SUPPLIER_SIGNATURE and values.get("security-amount", "").strip():
        typed = {part: values.get(_security(part), "") for part in SecurityForm.__struct_fields__}
        security, wrong = read_form(typed, SecurityForm)
        errors |= {_security(part): said for part, said in wrong.items()}
        if security is not None:
            fields["security"] = msgspec.structs.asdict(security)
    return fitted(fields, Brought), errors


def _security(part: str) -> str:
    return f"security-{part.replace('_', '-')}"


def points_of(values: Mapping[str, str]) -> tuple[Point, ...]:
    """Return the rows of a protocol in which something is written."""
    rows = [
        number
        for number in range(1, MOST_ROWS + 1)
        if values.get(f"wanted-{number}", "").strip() or values.get(f"reason-{number}", "").strip()
    ]
    return tuple(
        Point(
            number=number,
            code=values.get(f"code-{row}", ""),
            wanted=clean(values.get(f"wanted-{row}", "")),
            reason=clean(values.get(f"reason-{row}", "")),
            line_id=clean(values.get(f"line-{row}", "")),
        )
        for number, row in enumerate(rows, start=1)
    )


class SigningPages(Controller):
    path = "/contracts/{contract_id:str}"
    include_in_schema = False

    @post("/steps", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER))
    async def take_step(
        self, resources: FromResources, request: MemberVisit, contract_id: PathId
    ) -> Template | Redirect:
        values = await form_fields(request)
        step = values.get("step", "")
        with_it, errors = handlers.NOTHING, too_long(values)
        if not errors:
            with_it, errors = brought(step, values)
        if errors:
            return await _unread(
                resources,
                request,
                contract_id,
                Filled(values, errors),
                lambda tx: handlers.take_step(tx, clean(contract_id), step, request.user),
            )
        return await self._act(
            resources,
            request,
            contract_id,
            values,
            lambda tx: handlers.take_step(tx, clean(contract_id), step, request.user, with_it),
            gettext("Your signature was recorded."),
        )

    @post("/extension", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER))
    async def extend(self, resources: FromResources, request: MemberVisit, contract_id: PathId) -> Template | Redirect:
        step = (await form_fields(request)).get("step", "")
        return await self._act(
            resources,
            request,
            contract_id,
            {},
            lambda tx: handlers.extend(tx, clean(contract_id), step, request.user),
            gettext("Your time was extended."),
        )

    @get("/objection", opt=allow(SUPPLIER_AGENT))
    async def write_objection(self, resources: FromResources, request: MemberVisit, contract_id: PathId) -> Template:
        return await self._objection(resources, request, contract_id, BLANK, ROWS)

    @post("/objection", opt=allow(SUPPLIER_AGENT))
    async def file_objection(
        self, resources: FromResources, request: MemberVisit, contract_id: PathId
    ) -> Template | Redirect:
        values = await form_fields(request)
        points = points_of(values)
        if values.get("more"):
            more = whole(values["more"])
            rows = ROWS if more is None else more + 1
            return await self._objection(resources, request, contract_id, Filled(values), min(rows, MOST_ROWS))
        written, rows = _written(points), max(ROWS, len(points))
        if errors := too_long(written):
            return await self._objection(resources, request, contract_id, Filled(written, errors), rows)
        try:
            async with resources.database.transaction("contracts") as tx:
                await handlers.file_objection(tx, clean(contract_id), points, request.user)
        except RuleBroken as broken:
            filled = Filled(written, errors_of_refusal(broken, written))
            return await self._objection(resources, request, contract_id, filled, rows)
        return redirect(f"/contracts/{contract_id}", gettext("Your objection was filed."))

    @post("/objection/answer", opt=allow(BUYER_OFFICER))
    async def answer_objection(
        self, resources: FromResources, request: MemberVisit, contract_id: PathId
    ) -> Template | Redirect:
        values = await form_fields(request)
        number = whole(values.get("number", "")) or 0
        if errors := too_long(values):
            return await _unread(
                resources,
                request,
                contract_id,
                Filled(values, errors),
                lambda tx: handlers.answer_objection(tx, clean(contract_id), number, (), request.user),
            )
        answered = [name.removeprefix("answer-") for name in values if name.startswith("answer-")]
        answers = tuple(
            PointAnswer(
                number=point,
                accepted=values[f"answer-{each}"] == "yes",
                reason=clean(values.get(f"reason-{each}", "")),
            )
            for each in answered
            if (point := whole(each)) is not None
        )
        return await self._act(
            resources,
            request,
            contract_id,
            values,
            lambda tx: handlers.answer_objection(tx, clean(contract_id), number, answers, request.user),
            gettext("Your answer was sent."),
        )

    @post("/refuse", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER))
    async def refuse(self, resources: FromResources, request: MemberVisit, contract_id: PathId) -> Template | Redirect:
        values = await form_fields(request)
        form, errors = read_form(values, RefusalForm)
        await visible(resources, contract_id, request.user)
        if form is None or not form.confirmed:
            unsaid = {} if values.get("confirmed") else {"confirmed": gettext("Tick the box to confirm.")}
            return await _unread(
                resources,
                request,
                contract_id,
                Filled(values, {**errors, **unsaid}),
                lambda tx: handlers.refuse(tx, clean(contract_id), WORDS, request.user),
            )
        said = form
        return await self._act(
            resources,
            request,
            contract_id,
            values,
            lambda tx: handlers.refuse(
                tx,
                clean(contract_id),
                said.explanation,
                request.user,
                ground=said.ground,
                evidence=said.evidence,
                version=whole(values.get("version", "")),
            ),
            gettext("You refused the contract."),
        )

    @post("/activate", opt=allow(BUYER_OFFICER))
    async def activate_next(
        self, resources: FromResources, request: MemberVisit, contract_id: PathId
    ) -> Template | Redirect:
        try:
            async with resources.database.transaction("contracts") as tx:
                await handlers.activate_next(tx, clean(contract_id), request.user)
        except RuleBroken as broken:
            return await contract_page(resources, request, contract_id, Filled(errors=errors_of_refusal(broken, ())))
        ended = await visible(resources, contract_id, request.user)
        newest = (await listing.of_deal(resources.database.pool, ended.drafted.process_id, ended.drafted.buyer_id))[-1]
        return redirect(f"/contracts/{newest.contract_id}", gettext("The next bidder was asked to sign."))

    async def _act(
        self,
        resources: Resources,
        request: MemberVisit,
        contract_id: str,
        values: dict[str, str],
        act: Callable[[Transaction], Awaitable[None]],
        done: str,
    ) -> Template | Redirect:
        """Carry out the act and go back to the contract, or show there which rule forbids it, beside its field."""
        try:
            async with resources.database.transaction("contracts") as tx:
                await act(tx)
        except RuleBroken as broken:
            return await contract_page(
                resources, request, contract_id, Filled(values, errors_of_refusal(broken, _places(values)))
            )
        return redirect(f"/contracts/{contract_id}", done)

    async def _objection(
        self,
        resources: Resources,
        request: MemberVisit,
        contract_id: str,
        filled: Filled,
        rows: int,
    ) -> Template:
        contract = await visible(resources, contract_id, request.user)
        choices = await choices_of(resources, contract, request.user)
        return form_page(
            request,
            "contracts/objection.html",
            filled,
            contract=contract,
            drafted=contract.drafted,
            paper=contract.paper,
            choices=choices,
            terms=TERMS,
            rows=rows,
            most_rows=MOST_ROWS,
        )


async def _unread(
    resources: Resources,
    request: MemberVisit,
    contract_id: str,
    filled: Filled,
    act: Callable[[Transaction], Awaitable[None]],
) -> Template:
    """Return the errors of a form's fields. If the form is gone because the contract went on, return the rule that
    forbids to ``act``."""
    instead = await refusal_of_state(resources.database, "contracts", act)
    return await contract_page(resources, request, contract_id, msgspec.structs.replace(filled, instead=instead))


def _places(values: Mapping[str, str]) -> set[str]:
    """Return the names at which an error can be shown in the form that was filled in with these values."""
    return values.keys() - {"step", "number"} | {"answers", "equivalents"}


def _written(points: tuple[Point, ...]) -> dict[str, str]:
    """Return the points as the form's fields, without the empty rows."""
    return {
        f"{name}-{point.number}": text
        for point in points
        for name, text in (
            ("code", point.code),
            ("line", point.line_id),
            ("wanted", point.wanted),
            ("reason", point.reason),
        )
    }
