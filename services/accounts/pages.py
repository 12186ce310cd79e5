"""Pages of accounts: the way in, one's own account, and the public card of an organisation."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from babel import Locale
from litestar import Controller, get, post
from litestar.datastructures import Cookie
from litestar.params import QueryParameter
from litestar.response import Redirect, Response, Template

from catalogue import places as atlas
from catalogue.rules import RuleBroken
from events.bounds import Code, Name, Reason
from infra.ids import new_id
from infra.service import Ground
from infra.tokens import ADMINISTRATOR, SESSION_HOURS
from infra.web import (
    BY_LINK,
    MEMBERS,
    PUBLIC,
    FromGround,
    MemberVisit,
    PathId,
    Short,
    Visit,
    Words,
    allow,
    form_fields,
    form_list,
    page,
    read_form,
    redirect,
    shown_again,
    text_in,
)
from infra.web.access import COOKIE
from infra.web.csrf import begin_session
from infra.web.errors import NotFound
from infra.web.kept import kept_by_login
from infra.web.languages import ENGLISH, gettext, spoken, told
from infra.web.pages import login_page
from services.accounts import handlers, login, passwords, store
from services.accounts.api import SLOW_DOWN, UNKNOWN, address_of
from services.accounts.categories import divisions, read_categories
from services.accounts.domain import (
    LANGUAGES,
    MANAGERS,
    MEMBER_ROLES,
    NEXT_STATES,
    checked_email,
    checked_name,
    checked_password,
    local_path,
)
from services.accounts.handlers import InvitationOver, Registrant, Registration
from services.accounts.login import LoginRefused, Session, TooManyTries
from services.accounts.places import countries, resolve, zones

R = TypeVar("R", bound=Response[Any])
LANGUAGE_CHOICES = tuple(zip(LANGUAGES, ("English", "Español", "Русский"), strict=True))
FOUND = 50


class InviteForm(msgspec.Struct, kw_only=True):
    name: Name
    email: Name
    language: Code = "en"


class KeyForm(msgspec.Struct, kw_only=True):
    key_name: Name


class StateForm(msgspec.Struct, kw_only=True):
    state: Code
    reason: Reason


def beside(error: RuleBroken) -> dict[str, str]:
    """The refusal as an error of its field."""
    return {error.field or "": told(error)}


def named_countries() -> list[tuple[str, str]]:
    """(code, name in the reader's language), by name."""
    names = Locale(spoken()).territories if spoken() != ENGLISH else {}
    return sorted(((code, names.get(code, name)) for code, name in countries()), key=lambda pair: pair[1])


def slow_down() -> str:
    return gettext("Too many failed logins. Wait a minute.")


def entered(ground: Ground, session: Session, answer: R) -> R:
    """Sets the cookie that every service checks."""
    answer.set_cookie(
        Cookie(
            key=COOKIE,
            value=session.token,
            max_age=SESSION_HOURS * 3600,
            path="/",
            httponly=True,
            secure=ground.config.public_url.startswith("https://"),
            samesite="lax",
        )
    )
    return answer


def _refused(fields: Mapping[str, str], divisions: list[str], unread: Mapping[str, str]) -> dict[str, str]:
    """What the rules say of each part of a registration by itself, so that all of it is told at once. What is ``unread`` is known to
    be wrong, and what is blank is asked for or need not be there."""

    def given(name: str) -> str:
        return "" if name in unread else fields.get(name, "")

    checks: list[tuple[str, Callable[[], object]]] = [
        ("organisation", lambda: checked_name(given("organisation"), "organisation")),
        ("name", lambda: checked_name(given("name"), "name")),
        ("email", lambda: checked_email(given("email"))),
        ("password", lambda: checked_password(*map(given, ("password", "email", "name", "organisation")))),
        ("country", lambda: resolve(*map(given, ("country", "region", "locality", "time_zone")))),
        ("kind", lambda: read_categories(divisions, text_in(fields, "codes"))),
    ]
    errors: dict[str, str] = {}
    for name, check in checks:
        try:
            if given(name).strip():
                check()
        except RuleBroken as broken:
            errors |= beside(broken)
    return errors


class EntryPages(Controller):
    """Login, registration, invitation."""

    include_in_schema = False
    opt = PUBLIC

    @get("/login")
    async def login_page(
        self, request: Visit, goal: Annotated[str, QueryParameter(name="next", max_length=2_000)] = "/"
    ) -> Template:
        return login_page(request, goal=local_path(goal))

    @post("/login")
    async def log_in(self, ground: FromGround, request: Visit) -> Response[Any]:
        """Who was logged out while writing gets the form back that was to be sent, as ``kept`` in the form of the login."""
        fields = await form_fields(request)
        goal, email = local_path(fields.get("next", "/")[:2_000]), fields.get("email", "")[:300]
        kept = kept_by_login((await request.form()).multi_items())
        try:
            session = await login.log_in(ground, email, fields.get("password", ""), address_of(request))
        except LoginRefused:
            error, status = gettext("E-mail address and password do not match."), 401
        except TooManyTries:
            error, status = slow_down(), SLOW_DOWN.status_code
        else:
            if kept is None:
                return entered(ground, session, redirect(goal))
            begin_session(request, session.token)
            kept = kept._replace(goal=local_path(kept.goal))
            request.scope["user"] = session.principal
            return entered(ground, session, page(request, "again.html", kept=kept))
        return login_page(request, email=email, goal=goal, error=error, kept=kept, status_code=status)

    @post("/logout")
    async def log_out(self) -> Redirect:
        answer = redirect("/", gettext("You are logged out."))
        answer.set_cookie(Cookie(key=COOKIE, value="", max_age=0, path="/", httponly=True, samesite="lax"))
        return answer

    @get("/register")
    async def register_page(
        self, request: Visit, kind: Annotated[Literal["supplier", "buyer"], QueryParameter(name="as")] = "supplier"
    ) -> Template:
        return self._form(request, {"kind": kind, "language": spoken()}, {}, [])

    @get("/register/regions")
    async def regions(self, request: Visit, country: Short = "") -> Template:
        """Options of the region field for a country, loaded when the country changes."""
        return page(request, "accounts/regions.html", regions=atlas.regions(country).items())

    @post("/register")
    async def register(self, ground: FromGround, request: Visit) -> Response[Any]:
        fields, chosen = await form_fields(request), await form_list(request, "divisions")
        form, errors = read_form(fields, Registrant)
        errors = await asyncio.to_thread(_refused, fields, chosen, errors) | errors
        if form is not None and not errors:
            try:
                wanted = Registration(
                    **msgspec.structs.asdict(form), categories=read_categories(chosen, fields.get("codes", ""))
                )
                # A password may begin or end with a blank, which read_form takes off.
                wanted = msgspec.structs.replace(wanted, password=fields["password"])
                password_hash = await passwords.hashed(handlers.checked_new_password(wanted))
                async with ground.database.transaction("accounts") as tx:
                    await handlers.register(tx, wanted, password_hash, fields.get("request_key", ""))
                session = await login.log_in(ground, wanted.email, wanted.password, address_of(request))
            except RuleBroken as error:
                errors = beside(error)
                fields = shown_again(fields, error)
            except LoginRefused:
                errors = {"": gettext("This form was sent before, with another password.")}
            except TooManyTries:
                errors = {"": slow_down()}
            else:
                target = "/recommendations" if form.kind == "supplier" else "/catalogue"
                welcome = gettext("Welcome to Lonja, %(name)s.", name=session.principal.name)
                return entered(ground, session, redirect(target, welcome))
        fields.pop("password", None)
        return self._form(request, fields, errors, chosen, 422)

    def _form(
        self,
        request: Visit,
        values: Mapping[str, str],
        errors: Mapping[str, str],
        chosen: list[str],
        status: int = 200,
    ) -> Template:
        return page(
            request,
            "accounts/register.html",
            status_code=status,
            values={"request_key": new_id(), **values},
            errors=errors,
            ticked=chosen,
            divisions=divisions(),
            countries=named_countries(),
            regions=atlas.regions(values.get("country", "")).items(),
            zones=zones(),
            languages=LANGUAGE_CHOICES,
        )

    @get("/join/{secret:str}", opt=BY_LINK)
    async def join_page(self, ground: FromGround, request: Visit, secret: PathId) -> Template:
        async with ground.database.transaction("accounts") as tx:
            try:
                invitation, organisation = await handlers.invited(tx, secret)
            except InvitationOver as error:
                raise NotFound("invitation", "of this link: it was used, or is older than 7 days") from error
        return page(request, "accounts/join.html", invitation=invitation, organisation=organisation, errors={})

    @post("/join/{secret:str}")
    async def join(self, ground: FromGround, request: Visit, secret: PathId) -> Response[Any]:
        password = (await form_fields(request)).get("password", "")
        async with ground.database.transaction("accounts") as tx:
            try:
                invitation, organisation = await handlers.invited(tx, secret)
            except InvitationOver as error:
                raise NotFound("invitation", "of this link: it was used, or is older than 7 days") from error
        try:
            checked_password(password, invitation.email, invitation.name)
            password_hash = await passwords.hashed(password)
            async with ground.database.transaction("accounts") as tx:
                await handlers.accept_invitation(tx, secret, password_hash)
        except RuleBroken as error:
            return page(
                request,
                "accounts/join.html",
                status_code=422,
                invitation=invitation,
                organisation=organisation,
                errors=beside(error),
            )
        session = await login.log_in(ground, invitation.email, password, address_of(request))
        return entered(ground, session, redirect("/", gettext("Welcome to Lonja, %(name)s.", name=invitation.name)))


class AccountPages(Controller):
    """One's own account."""

    include_in_schema = False
    path = "/account"
    opt = MEMBERS

    @get()
    async def account(self, ground: FromGround, request: MemberVisit) -> Template:
        return await self._page(ground, request)

    @post("/password")
    async def change_password(self, ground: FromGround, request: MemberVisit) -> Response[Any]:
        fields = await form_fields(request)
        try:
            await login.change_password(
                ground, request.user, fields.get("current", ""), fields.get("password", ""), address_of(request)
            )
        except RuleBroken as error:
            return await self._page(ground, request, errors=beside(error))
        except TooManyTries:
            return await self._page(ground, request, errors={"": slow_down()})
        return redirect("/account", "Your password is changed.")

    @post("/keys")
    async def make_key(self, ground: FromGround, request: MemberVisit) -> Response[Any]:
        """Answers with the page itself, not a redirect: the secret is shown this once and stored nowhere."""
        fields = await form_fields(request)
        form, errors = read_form(fields, KeyForm)
        if form is None:
            return await self._page(ground, request, errors=errors, values=fields)
        try:
            async with ground.database.transaction("accounts") as tx:
                secret = await handlers.make_key(tx, request.user, form.key_name, fields.get("request_key", ""))
        except handlers.MemberUnknown:
            raise UNKNOWN from None
        except RuleBroken as error:
            return await self._page(ground, request, errors=beside(error))
        return await self._page(ground, request, secret=secret)

    @post("/keys/{key_id:str}/revoke")
    async def revoke_key(self, ground: FromGround, request: MemberVisit, key_id: PathId) -> Redirect:
        async with ground.database.transaction("accounts") as tx:
            await handlers.revoke_key(tx, request.user, key_id)
        return redirect("/account", "The API secret is revoked; its last token ends within the hour.")

    @post("/members", opt=allow(*MANAGERS))
    async def invite(self, ground: FromGround, request: MemberVisit) -> Response[Any]:
        link, errors, values = await invite_by_form(ground, request, request.user.organisation_id)
        return await self._page(ground, request, errors=errors, values=values, link=link)

    async def _page(self, ground: Ground, request: MemberVisit, **more: Any) -> Template:
        async with ground.database.transaction("accounts") as tx:
            organisation = await store.organisation(tx, request.user.organisation_id)
            members = await store.members_of(tx, request.user.organisation_id)
            keys = await store.keys_of(tx, request.user.member_id)
        kinds = organisation.roles if organisation else ()
        shown: dict[str, Any] = {"errors": {}, "values": {}, "secret": "", "link": "", "request_key": new_id()} | more
        return page(
            request,
            "accounts/account.html",
            status_code=422 if shown["errors"] else 200,
            organisation=organisation,
            members=members,
            keys=keys,
            roles=tuple(dict.fromkeys(role for kind in kinds for role in MEMBER_ROLES[kind])),
            languages=LANGUAGE_CHOICES,
            manages=request.user.may(*MANAGERS),
            **shown,
        )


class OrganisationPages(Controller):
    """The public register."""

    include_in_schema = False
    path = "/organisations"

    @get(opt=PUBLIC)
    async def organisations(self, ground: FromGround, request: Visit, q: Words = "") -> Template:
        async with ground.database.transaction("accounts") as tx:
            found = await store.find_organisations(tx, q.strip(), FOUND)
        return page(request, "accounts/organisations.html", organisations=found, q=q, limit=FOUND)

    @get("/{organisation_id:str}", opt=PUBLIC)
    async def organisation(self, ground: FromGround, request: Visit, organisation_id: PathId) -> Template:
        return await self._page(ground, request, organisation_id)

    @post("/{organisation_id:str}/state", opt=allow(ADMINISTRATOR))
    async def set_state(self, ground: FromGround, request: Visit, organisation_id: PathId) -> Response[Any]:
        fields = await form_fields(request)
        form, errors = read_form(fields, StateForm)
        if form is not None:
            try:
                async with ground.database.transaction("accounts") as tx:
                    changed = await handlers.set_state(tx, organisation_id, form.state, form.reason)
                return redirect(f"/organisations/{organisation_id}", f"The organisation is {changed.state}.")
            except RuleBroken as error:
                errors = beside(error)
        return await self._page(ground, request, organisation_id, errors=errors, values=fields)

    @post("/{organisation_id:str}/members", opt=allow(ADMINISTRATOR))
    async def invite(self, ground: FromGround, request: MemberVisit, organisation_id: PathId) -> Response[Any]:
        link, errors, values = await invite_by_form(ground, request, organisation_id)
        return await self._page(ground, request, organisation_id, errors=errors, values=values, link=link)

    async def _page(self, ground: Ground, request: Visit, organisation_id: str, **more: Any) -> Template:
        async with ground.database.transaction("accounts") as tx:
            organisation = await store.organisation(tx, organisation_id)
            if organisation is None:
                raise NotFound("organisation", organisation_id)
            bought, purchases = await store.deals(tx, organisation_id, side="buyer", limit=10)
            sold, sales = await store.deals(tx, organisation_id, side="supplier", limit=10)
        shown: dict[str, Any] = {"errors": {}, "values": {}, "link": "", "request_key": new_id()} | more
        return page(
            request,
            "accounts/organisation.html",
            status_code=422 if shown["errors"] else 200,
            organisation=organisation,
            country=dict(countries()).get(organisation.place.country or "", ""),
            sides=[("As supplier", sold, sales), ("As buyer", bought, purchases)],
            states=NEXT_STATES[organisation.state],
            roles=tuple(dict.fromkeys(role for kind in organisation.roles for role in MEMBER_ROLES[kind])),
            languages=LANGUAGE_CHOICES,
            **shown,
        )


async def invite_by_form(
    ground: Ground, request: MemberVisit, organisation_id: str
) -> tuple[str, dict[str, str], dict[str, str]]:
    """(link of the invitation or "", errors, the values to show again)"""
    fields = await form_fields(request)
    form, errors = read_form(fields, InviteForm)
    if form is None:
        return "", errors, fields
    try:
        async with ground.database.transaction("accounts") as tx:
            secret = await handlers.invite(
                tx,
                organisation_id,
                by=request.user.member_id,
                roles=tuple(await form_list(request, "roles")),
                request_key=fields.get("request_key", ""),
                **msgspec.structs.asdict(form),
            )
    except RuleBroken as error:
        return "", beside(error), fields
    return f"{ground.config.public_url}/join/{secret}", {}, {}
