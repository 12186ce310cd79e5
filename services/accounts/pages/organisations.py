"""The public register, with the card of each organisation."""

from typing import Any

import msgspec
from litestar import Controller, get, post
from litestar.response import Response, Template

from catalogue.roles import ADMINISTRATOR
from catalogue.rules import RuleBroken
from events.bounds import Code, Reason
from infra.ids import new_id
from infra.service import Resources
from infra.web import (
    PUBLIC,
    FromResources,
    MemberVisit,
    PathId,
    Visit,
    Words,
    allow,
    errors_of_refusal,
    form_fields,
    page,
    read_form,
    redirect,
)
from infra.web.languages import gettext, pgettext
from services.accounts import handlers, store, views
from services.accounts.domain import NEXT_STATES
from services.accounts.pages.forms import LANGUAGE_CHOICES, invite_by_form
from services.accounts.places import countries

MOST_FOUND = 50


class StateForm(msgspec.Struct, kw_only=True):
    state: Code
    reason: Reason


class OrganisationPages(Controller):
    """The public register."""

    include_in_schema = False
    path = "/organisations"

    @get(opt=PUBLIC)
    async def organisations(self, resources: FromResources, request: Visit, q: Words = "") -> Template:
        async with resources.database.transaction("accounts") as tx:
            found = await store.find_organisations(tx, q.strip(), MOST_FOUND)
        return page(request, "accounts/organisations.html", organisations=found, q=q, limit=MOST_FOUND)

    @get("/{organisation_id:str}", opt=PUBLIC)
    async def organisation(self, resources: FromResources, request: Visit, organisation_id: PathId) -> Template:
        return await self._page(resources, request, organisation_id)

    @post("/{organisation_id:str}/state", opt=allow(ADMINISTRATOR))
    async def set_state(self, resources: FromResources, request: Visit, organisation_id: PathId) -> Response[Any]:
        fields = await form_fields(request)
        form, errors = read_form(fields, StateForm)
        if form is not None:
            try:
                async with resources.database.transaction("accounts") as tx:
                    wanted = handlers.NewState(state=form.state, reason=form.reason)
                    changed = await handlers.set_state(tx, organisation_id, wanted)
                return redirect(
                    f"/organisations/{organisation_id}",
                    gettext(
                        "The state of the organisation was set: %(state)s.",
                        state=pgettext("organisation", changed.state),
                    ),
                )
            except RuleBroken as error:
                errors = errors_of_refusal(error, fields)
        return await self._page(resources, request, organisation_id, errors=errors, values=fields)

    @post("/{organisation_id:str}/members", opt=allow(ADMINISTRATOR))
    async def invite(self, resources: FromResources, request: MemberVisit, organisation_id: PathId) -> Response[Any]:
        link, errors, values = await invite_by_form(resources, request, organisation_id)
        return await self._page(resources, request, organisation_id, errors=errors, values=values, link=link)

    async def _page(self, resources: Resources, request: Visit, organisation_id: str, **more: Any) -> Template:
        async with resources.database.transaction("accounts") as tx:
            found = await views.record(tx, organisation_id)
        organisation = found.organisation
        shown: dict[str, Any] = {"errors": {}, "values": {}, "link": "", "request_key": new_id()} | more
        return page(
            request,
            "accounts/organisation.html",
            status_code=422 if shown["errors"] else 200,
            organisation=organisation,
            country=dict(countries()).get(organisation.place.country or "", ""),
            sides=[("supplier", found.sold), ("buyer", found.bought)],
            states=NEXT_STATES.get(organisation.state, ()),  # no choice if only a newer release knows the state
            roles=views.roles_in(organisation),
            languages=LANGUAGE_CHOICES,
            **shown,
        )
