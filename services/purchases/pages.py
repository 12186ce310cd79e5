"""Pages of direct purchases: the buyer's request for an offer, and the supplier's answer."""

import msgspec
from litestar import Controller, get, post
from litestar.response import Redirect, Template

from catalogue.numbers import unambiguous
from catalogue.policy import load
from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from catalogue.rules import RuleBroken
from events.bounds import Name, Quantity
from infra.ids import new_id
from infra.service import Resources
from infra.web import (
    BLANK,
    MEMBERS,
    Filled,
    FromResources,
    MemberVisit,
    PathId,
    Short,
    allow,
    clean,
    errors_of_refusal,
    form_fields,
    form_page,
    misfits,
    page,
    read_form,
    redirect,
    refusal_of_state,
    shown_again,
)
from infra.web.gone import WORDS
from infra.web.languages import gettext
from services.purchases import handlers
from services.purchases.domain.purchases import Purchase
from services.purchases.handlers import NewPurchase
from services.purchases.store import replicas
from services.purchases.views import own_purchase, purchase_view


class PurchaseForm(msgspec.Struct, kw_only=True):
    quantity: Quantity
    region: Name = ""
    locality: Name = ""


class PurchasePages(Controller):
    path = "/contracts/purchases"
    include_in_schema = False

    @get("/new", opt=allow(BUYER_OFFICER))
    async def ask(
        self,
        resources: FromResources,
        request: MemberVisit,
        offer: Short = "",
        quantity: Short = "",
        region: Short = "",
        locality: Short = "",
    ) -> Template:
        values = {"quantity": quantity, "region": region, "locality": locality}
        return await self._form(resources, request, clean(offer), {name: clean(text) for name, text in values.items()})

    @post("/new", opt=allow(BUYER_OFFICER))
    async def request_purchase(self, resources: FromResources, request: MemberVisit) -> Template | Redirect:
        values = await form_fields(request)
        offer_id = values.get("offer_id", "")
        form, _ = read_form(values, PurchaseForm)
        if form is None:
            return await self._form(resources, request, offer_id, values, status=422)
        wanted = NewPurchase(offer_id=offer_id, **msgspec.structs.asdict(form))
        policy = load(resources.config.policy)
        try:
            async with resources.database.transaction("purchases") as tx:
                purchase_id = await handlers.request_purchase(
                    tx, wanted, request.user, policy, values.get("request_key", "") or new_id()
                )
        except RuleBroken as broken:
            values = shown_again(values, broken)
            return await self._form(resources, request, offer_id, values, status=422, refused=broken)
        return redirect(f"/contracts/purchases/{purchase_id}", gettext("The request was sent to the supplier."))

    @get("/{purchase_id:str}", opt=MEMBERS)
    async def show(self, resources: FromResources, request: MemberVisit, purchase_id: PathId) -> Template:
        return await self._purchase(resources, request, purchase_id, BLANK)

    @post("/{purchase_id:str}/answer", opt=allow(SUPPLIER_AGENT))
    async def answer(self, resources: FromResources, request: MemberVisit, purchase_id: PathId) -> Template | Redirect:
        values = await form_fields(request)
        accepts, errors = values.get("accept") == "yes", misfits({"reason": values.get("reason", "")})
        if values.get("accept") not in ("yes", "no"):
            errors = {"accept": gettext("Choose to accept or to refuse.")}
        if errors:
            instead = await refusal_of_state(
                resources.database,
                "purchases",
                lambda tx: handlers.answer_purchase(tx, clean(purchase_id), False, WORDS, request.user),
            )
            return await self._purchase(resources, request, purchase_id, Filled(values, errors, instead))
        try:
            async with resources.database.transaction("purchases") as tx:
                await handlers.answer_purchase(tx, clean(purchase_id), accepts, values.get("reason", ""), request.user)
        except RuleBroken as broken:
            return await self._purchase(
                resources, request, purchase_id, Filled(values, errors_of_refusal(broken, {"reason"}))
            )
        said = gettext("You accepted the request.") if accepts else gettext("You refused the request.")
        return redirect(f"/contracts/purchases/{purchase_id}", said)

    async def _form(
        self,
        resources: Resources,
        request: MemberVisit,
        offer_id: str,
        values: dict[str, str],
        status: int = 200,
        refused: RuleBroken | None = None,
    ) -> Template:
        """Show the offer, what the buyer asks for, and what that costs or which rule forbids it."""
        policy = load(resources.config.policy)
        quoted: Purchase | None = None
        async with resources.database.transaction("purchases") as tx:
            db = await tx.raw()
            offer, _, sku = await handlers.offered(db, offer_id)
            supplier = await replicas.organisations.get(db, offer.supplier_id)
            buyer = await replicas.organisations.get(db, request.user.organisation_id)
            values = {**values, "quantity": values.get("quantity") or unambiguous(offer.min_quantity)}
            if buyer is not None:
                values["region"] = values.get("region") or buyer.place.region or ""
                values["locality"] = values.get("locality") or buyer.place.locality or ""
            form, errors = read_form(values, PurchaseForm)
            broken: RuleBroken | None = None
            if form is not None:
                try:
                    wanted = NewPurchase(offer_id=offer_id, **msgspec.structs.asdict(form))
                    quoted = await handlers.quote(tx, wanted, request.user, policy)
                except RuleBroken as forbidden:
                    broken, errors = forbidden, errors_of_refusal(forbidden, PurchaseForm.__struct_fields__)
            if refused is not None and (broken is None or broken.code != refused.code):
                errors |= errors_of_refusal(refused, ())
        return page(
            request,
            "purchases/new.html",
            status_code=status,
            offer=offer,
            sku=sku,
            supplier_name=supplier.name if supplier else gettext("the supplier"),
            quoted=quoted,
            broken=broken,
            policy=policy,
            values={"request_key": new_id(), **values},
            errors=errors,
        )

    async def _purchase(self, resources: Resources, request: MemberVisit, purchase_id: str, filled: Filled) -> Template:
        kept = await own_purchase(resources, purchase_id, request.user)
        answers = request.user.organisation_id == kept.purchase.requested.supplier_id and request.user.may(
            SUPPLIER_AGENT
        )
        return form_page(
            request,
            "purchases/purchase.html",
            filled,
            purchase=purchase_view(kept),
            line=kept.purchase.line,
            answers=answers,
        )
