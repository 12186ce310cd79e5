"""One's own account."""

from typing import Any

import msgspec
from litestar import Controller, get, post
from litestar.exceptions import NotAuthorizedException
from litestar.response import Redirect, Response, Template

from catalogue.rules import RuleBroken
from events.bounds import Name, Password
from infra.denied import Missing
from infra.ids import new_id
from infra.service import Resources
from infra.web import (
    MEMBERS,
    FromResources,
    MemberVisit,
    PathId,
    allow,
    errors_of_refusal,
    form_fields,
    page,
    read_form,
    redirect,
    text_in,
)
from infra.web.languages import gettext
from infra.web.limits import address_of
from services.accounts import invitations, keys, login, views
from services.accounts.domain import MANAGERS
from services.accounts.login import TooManyTries
from services.accounts.pages.forms import LANGUAGE_CHOICES, invite_by_form, slow_down


class KeyForm(msgspec.Struct, kw_only=True):
    key_name: Name


class AccountPages(Controller):
    """One's own account."""

    include_in_schema = False
    path = "/account"
    opt = MEMBERS

    @get()
    async def account(self, resources: FromResources, request: MemberVisit) -> Template:
        return await self._page(resources, request)

    @post("/password")
    async def change_password(self, resources: FromResources, request: MemberVisit) -> Response[Any]:
        fields = await form_fields(request)
        try:
            await login.change_password(
                resources,
                request.user,
                fields.get("current", ""),
                text_in(fields, "password", Password),
                address_of(request),
            )
        except RuleBroken as error:
            return await self._page(resources, request, errors=errors_of_refusal(error, fields))
        except TooManyTries:
            return await self._page(resources, request, errors={"": slow_down()})
        return redirect("/account", gettext("Your password was changed."))

    @post("/keys")
    async def make_key(self, resources: FromResources, request: MemberVisit) -> Response[Any]:
        """Show the page with the secret, only to this session. The secret is not stored anywhere where others can read
        it."""
        fields = await form_fields(request)
        form, errors = read_form(fields, KeyForm)
        if form is None:
            return await self._page(resources, request, errors=errors, values=fields)
        try:
            async with resources.database.transaction("accounts") as tx:
                secret = await keys.make_key(tx, request.user, form.key_name, fields.get("request_key", ""))
        except keys.MemberUnknown as unknown:
            raise NotAuthorizedException(str(unknown)) from None
        except RuleBroken as error:
            return await self._page(resources, request, errors=errors_of_refusal(error, fields), values=fields)
        return await self._page(resources, request, secret=secret)

    @post("/keys/{key_id:str}/revoke")
    async def revoke_key(self, resources: FromResources, request: MemberVisit, key_id: PathId) -> Redirect:
        async with resources.database.transaction("accounts") as tx:
            await keys.revoke_key(tx, request.user, key_id)
        return redirect("/account", gettext("The API secret was revoked."))

    @post("/members", opt=allow(*MANAGERS))
    async def invite(self, resources: FromResources, request: MemberVisit) -> Response[Any]:
        link, errors, values = await invite_by_form(resources, request, request.user.organisation_id)
        return await self._page(resources, request, errors=errors, values=values, link=link)

    @post("/invitations/{invitation_id:str}/withdraw", opt=allow(*MANAGERS))
    async def withdraw_invitation(
        self, resources: FromResources, request: MemberVisit, invitation_id: PathId
    ) -> Response[Any]:
        try:
            async with resources.database.transaction("accounts") as tx:
                await invitations.withdraw_invitation(tx, request.user.organisation_id, invitation_id)
        except Missing:
            over = gettext("This invitation is no longer valid: it was used or withdrawn, or its time is over.")
            return await self._page(resources, request, errors={"": over})
        return redirect("/account", gettext("The invitation was withdrawn."))

    async def _page(self, resources: Resources, request: MemberVisit, **more: Any) -> Template:
        async with resources.database.transaction("accounts") as tx:
            own = await views.account(tx, request.user)
        shown: dict[str, Any] = {"errors": {}, "values": {}, "secret": "", "link": "", "request_key": new_id()} | more
        return page(
            request,
            "accounts/account.html",
            status_code=422 if shown["errors"] else 200,
            organisation=own.organisation,
            members=own.members,
            keys=own.keys,
            invitations=own.invitations,
            roles=views.roles_in(own.organisation),
            languages=LANGUAGE_CHOICES,
            manages=own.manages,
            **shown,
        )
