"""Login, registration and invitation."""

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
from events.bounds import Password
from infra.database import Transaction
from infra.ids import new_id
from infra.service import Resources
from infra.tokens import SESSION_HOURS, Principal
from infra.web import (
    BY_LINK,
    LOADED_AGAIN,
    PUBLIC,
    Filled,
    FromResources,
    PathId,
    Short,
    Visit,
    errors_of_refusal,
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
from infra.web.kept import kept_by_login
from infra.web.languages import ENGLISH, gettext, refusal_text, spoken
from infra.web.limits import address_of
from infra.web.pages import login_page
from services.accounts import handlers, invitations, login, passwords, store
from services.accounts.categories import divisions, read_categories
from services.accounts.domain import checked_email, checked_name, checked_password, local_path
from services.accounts.handlers import Registrant, Registration
from services.accounts.invitations import InvitationOver
from services.accounts.login import LoginRefused, Session, TooManyTries
from services.accounts.pages.forms import LANGUAGE_CHOICES, slow_down
from services.accounts.places import countries, resolve, zones

R = TypeVar("R", bound=Response[Any])


def named_countries() -> list[tuple[str, str]]:
    """Countries as (code, name in the reader's language), sorted by name."""
    names = Locale(spoken()).territories if spoken() != ENGLISH else {}
    return sorted(((code, names.get(code, name)) for code, name in countries()), key=lambda pair: pair[1])


def entered(resources: Resources, session: Session, answer: R) -> R:
    """Set the session cookie, which every service checks."""
    answer.set_cookie(
        Cookie(
            key=COOKIE,
            value=session.token,
            max_age=SESSION_HOURS * 3600,
            path="/",
            httponly=True,
            secure=resources.config.public_url.startswith("https://"),
            samesite="lax",
        )
    )
    return answer


def _refused(fields: Mapping[str, str], divisions: list[str], unread: Mapping[str, str]) -> dict[str, str]:
    """The refusals for all parts of a registration, so that all are shown at once. ``unread`` fields are wrong already;
    blank fields are either reported as required or optional."""

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
            errors |= errors_of_refusal(broken, fields.keys() | {"kind"})
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
    async def log_in(self, resources: FromResources, request: Visit) -> Response[Any]:
        """Log in. A form that the person wanted to send when the login had ended is shown again; the login form carries
        it as ``kept``."""
        fields = await form_fields(request)
        goal, email = local_path(fields.get("next", "/")[:2_000]), fields.get("email", "")[:300]
        kept = kept_by_login((await request.form()).multi_items())
        try:
            session = await login.log_in(resources, email, fields.get("password", ""), address_of(request))
        except LoginRefused:
            error, status = gettext("E-mail address and password do not match."), 401
        except TooManyTries:
            error, status = slow_down(), 429
        else:
            if kept is None:
                return entered(resources, session, redirect(goal))
            begin_session(request, session.token)
            kept = kept._replace(goal=local_path(kept.goal))
            request.scope["user"] = session.principal
            return entered(resources, session, page(request, "again.html", kept=kept))
        return login_page(request, email=email, goal=goal, error=error, kept=kept, status_code=status)

    @post("/logout")
    async def log_out(self) -> Redirect:
        answer = redirect("/", gettext("You logged out."))
        answer.set_cookie(Cookie(key=COOKIE, value="", max_age=0, path="/", httponly=True, samesite="lax"))
        return answer

    @get("/register")
    async def register_page(
        self, request: Visit, kind: Annotated[Literal["supplier", "buyer"], QueryParameter(name="as")] = "supplier"
    ) -> Template:
        return self._form(request, Filled({"kind": kind, "language": spoken()}), [])

    @get("/register/regions")
    async def regions(self, request: Visit, country: Short = "") -> Template:
        """The options of the region field, loaded when the country changes."""
        return page(request, "accounts/regions.html", regions=atlas.regions(country).items())

    @post("/register")
    async def register(self, resources: FromResources, request: Visit) -> Response[Any]:
        fields, (chosen, unfit) = await form_fields(request), await form_list(request, "divisions")
        form, errors = read_form(fields, Registrant)
        errors = await asyncio.to_thread(_refused, fields, chosen, errors) | errors | unfit
        if form is not None and not errors:
            try:
                wanted = Registration(
                    **msgspec.structs.asdict(form), categories=read_categories(chosen, fields.get("codes", ""))
                )
                # A password may begin or end with a blank, which read_form would remove.
                wanted = msgspec.structs.replace(wanted, password=fields["password"])
                password_hash = await passwords.hashed(handlers.checked_new_password(wanted))
                async with resources.database.transaction("accounts") as tx:
                    await handlers.register(tx, wanted, password_hash, fields.get("request_key", ""))
                session = await login.log_in(resources, wanted.email, wanted.password, address_of(request))
            except RuleBroken as error:
                errors = errors_of_refusal(error, fields.keys() | {"kind"})
                fields = shown_again(fields, error)
            except LoginRefused:
                errors = {"": gettext("This form was sent before, with another password.")}
            except TooManyTries:
                errors = {"": slow_down()}
            else:
                target = "/recommendations" if form.kind == "supplier" else "/catalogue"
                welcome = gettext("Welcome to Lonja, %(name)s.", name=session.principal.name)
                return entered(resources, session, redirect(target, welcome))
        fields.pop("password", None)
        return self._form(request, Filled(fields, errors), chosen, 422)

    def _form(self, request: Visit, filled: Filled, chosen: list[str], status: int = 200) -> Template:
        return page(
            request,
            "accounts/register.html",
            status_code=status,
            values={"request_key": new_id(), **filled.values},
            errors=filled.errors,
            ticked=chosen,
            divisions=divisions(),
            countries=named_countries(),
            regions=atlas.regions(filled.values.get("country", "")).items(),
            zones=zones(),
            languages=LANGUAGE_CHOICES,
        )

    @get("/join/{secret:str}", opt=BY_LINK)
    async def join_page(self, resources: FromResources, request: Visit, secret: PathId) -> Template:
        async with resources.database.transaction("accounts") as tx:
            try:
                invitation, organisation = await invitations.invited(tx, secret)
            except InvitationOver as over:
                return await _over(tx, request, secret, over)
        return page(request, "accounts/join.html", invitation=invitation, organisation=organisation, errors={})

    @post("/join/{secret:str}", opt=LOADED_AGAIN)
    async def join(self, resources: FromResources, request: Visit, secret: PathId) -> Response[Any]:
        fields = await form_fields(request)
        async with resources.database.transaction("accounts") as tx:
            try:
                invitation, organisation = await invitations.invited(tx, secret)
            except InvitationOver as over:
                return await _over(tx, request, secret, over)
        try:
            password = text_in(fields, "password", Password)
            checked_password(password, invitation.email, invitation.name)
            password_hash = await passwords.hashed(password)
            async with resources.database.transaction("accounts") as tx:
                await invitations.accept_invitation(tx, secret, password_hash)
        except InvitationOver as over:
            async with resources.database.transaction("accounts") as tx:
                return await _over(tx, request, secret, over)
        except RuleBroken as error:
            return page(
                request,
                "accounts/join.html",
                status_code=422,
                invitation=invitation,
                organisation=organisation,
                errors=errors_of_refusal(error, {"password"}),
            )
        session = await login.log_in(resources, invitation.email, password, address_of(request))
        return entered(resources, session, redirect("/", gettext("Welcome to Lonja, %(name)s.", name=invitation.name)))


async def _over(tx: Transaction, request: Visit, secret: str, over: InvitationOver) -> Template:
    """The page of a link that is over. It tells the person who joined by it that this was done, and anybody else that
    the link is not valid any more."""
    user: Principal | None = request.scope.get("user")
    used = await invitations.used(tx, secret)
    organisation = None
    if used and user and user.member_id == used.member_id:
        organisation = await store.organisation(tx, used.organisation_id)
    return page(
        request,
        "accounts/joined.html",
        status_code=200 if used else 404,
        organisation=organisation,
        used=used is not None,
        said=refusal_text(over),
    )
