"""Pages of notifications: own mail settings, and unsubscribing without login by the link in a letter."""

from collections.abc import Mapping

import msgspec
from litestar import Controller, get, post
from litestar.exceptions import HTTPException
from litestar.response import Redirect, Template

from catalogue.roles import SUPPLIER_AGENT
from catalogue.rules import RuleBroken
from events.bounds import Code, Count
from infra.ids import new_id
from infra.secrets import secret
from infra.service import Resources
from infra.web import (
    BY_LINK,
    PUBLIC,
    FromResources,
    MemberVisit,
    PathId,
    Visit,
    allow,
    errors_of_refusal,
    form_fields,
    page,
    read_form,
    redirect,
)
from infra.web.languages import gettext, refusal_text
from services.notifications import handlers, views
from services.notifications.domain import TOPICS, Preferences
from services.notifications.links import Links
from services.notifications.store import LetterMember

AGENTS = allow(SUPPLIER_AGENT)
READERS = allow(*sorted(handlers.READERS))


class SettingsForm(msgspec.Struct, kw_only=True):
    """Mail settings. Fields that are not offered or are empty stay unchanged."""

    period: Code = ""
    hour: Count | None = None


class NotificationPages(Controller):
    path = "/notifications"
    include_in_schema = False

    @get(opt=READERS)
    async def settings(self, resources: FromResources, request: MemberVisit) -> Template:
        return await _settings_page(resources, request, {})

    @post(opt=READERS)
    async def save(self, resources: FromResources, request: MemberVisit) -> Template | Redirect:
        fields = await form_fields(request)
        form, errors = read_form(fields, SettingsForm)
        if form is not None:
            try:
                async with resources.database.transaction("notifications") as tx:
                    member = await handlers.reader(tx, request.user.member_id)
                    await handlers.set_preferences(tx, member.member_id, _wanted(member, form, fields))
                return redirect("/notifications", gettext("Saved."))
            except RuleBroken as broken:
                errors = errors_of_refusal(broken, fields)
        return await _settings_page(resources, request, errors)

    @post("/digest", opt=AGENTS)
    async def digest_now(self, resources: FromResources, request: MemberVisit) -> Redirect:
        key = (await form_fields(request)).get("request_key") or new_id()
        async with resources.database.transaction("notifications") as tx:
            going = await handlers.digest_now(tx, request.user.member_id, str(key))
        said = (
            gettext("You asked for your digest.")
            if going
            else gettext("Everything on your list was sent to you before.")
        )
        return redirect("/notifications", said)

    @post("/resume", opt=READERS)
    async def resume(self, resources: FromResources, request: MemberVisit) -> Redirect:
        async with resources.database.transaction("notifications") as tx:
            await handlers.resume_mail(tx, request.user.member_id)
        return redirect("/notifications", gettext("Mail to this address was resumed."))


def _wanted(member: LetterMember, form: SettingsForm, fields: Mapping[str, str]) -> Preferences:
    before, offered = member.preferences, views.offered(member)
    return Preferences(
        period=form.period or before.period,
        hour=before.hour if form.hour is None else form.hour,
        topics=tuple(topic for topic in TOPICS if (fields.get(topic) if topic in offered else topic in before.topics)),
    )


async def _settings_page(resources: Resources, request: MemberVisit, errors: dict[str, str]) -> Template:
    async with resources.database.transaction("notifications") as tx:
        found = await views.settings(tx, request.user.member_id)
        zone = await views.zone_of(tx, found.member)
    return page(
        request,
        "notifications/settings.html",
        status_code=422 if errors else 200,
        member=found.member,
        zone=zone,
        letters=found.letters,
        offered=views.offered(found.member),
        errors=errors,
        request_key=new_id(),
    )


class UnsubscribePages(Controller):
    """RFC 8058: mail programs POST to the link without cookies; a GET only shows the page and changes nothing."""

    path = "/unsubscribe"
    include_in_schema = False

    @get("/{token:str}", opt=BY_LINK)
    async def ask(self, resources: FromResources, request: Visit, token: PathId) -> Template:
        return await _unsubscribe_page(resources, request, token, change=False)

    @post("/{token:str}", opt={**PUBLIC, "exclude_from_csrf": True}, status_code=200)
    async def unsubscribe(self, resources: FromResources, request: Visit, token: PathId) -> Template:
        """Unsubscribe; with ``again`` in the form, subscribe again."""
        return await _unsubscribe_page(resources, request, token, change=True)


async def _unsubscribe_page(resources: Resources, request: Visit, token: str, *, change: bool) -> Template:
    links = Links(secret(resources.config.secrets_dir, "unsubscribe"), resources.config.public_url)
    try:
        member_id, topic = links.read(token)
    except RuleBroken as broken:
        raise HTTPException(broken.message, status_code=404, extra={"said": refusal_text(broken)}) from broken
    again = bool((await form_fields(request)).get("again")) if change else False
    async with resources.database.transaction("notifications") as tx:
        if change:
            member = await handlers.set_topic(tx, member_id, topic, on=again)
        else:
            member = await handlers.reader(tx, member_id)
    return page(
        request, "notifications/unsubscribe.html", topic=topic, on=topic in member.preferences.topics, done=change
    )
