"""Parts that several pages of accounts share."""

from typing import Any

import msgspec

from catalogue.rules import RuleBroken
from events.bounds import Code, Name
from infra.service import Resources
from infra.web import MemberVisit, errors_of_refusal, form_fields, form_list, read_form
from infra.web.languages import gettext
from services.accounts import invitations
from services.accounts.domain import LANGUAGES, Person

LANGUAGE_CHOICES = tuple(zip(LANGUAGES, ("English", "Español", "Русский"), strict=True))


class InviteForm(msgspec.Struct, kw_only=True):
    name: Name
    email: Name
    language: Code = "en"


def slow_down() -> str:
    return gettext("Too many failed logins. Wait a minute.")


async def invite_by_form(
    resources: Resources, request: MemberVisit, organisation_id: str
) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Invite a person by a form. Return (link of the invitation or "", errors, the values to show again, including the
    ticked roles)."""
    fields = await form_fields(request)
    form, errors = read_form(fields, InviteForm)
    roles, unfit = await form_list(request, "roles")
    errors |= unfit
    typed = {**fields, "ticked": roles}
    if form is None or errors:
        return "", errors, typed
    try:
        async with resources.database.transaction("accounts") as tx:
            secret = await invitations.invite(
                tx,
                organisation_id,
                Person(roles=tuple(roles), **msgspec.structs.asdict(form)),
                by=request.user.member_id,
                request_key=fields.get("request_key", ""),
            )
    except RuleBroken as error:
        return "", errors_of_refusal(error, fields.keys() | {"roles"}), typed
    return f"{resources.config.public_url}/join/{secret}", {}, {}
