"""The Litestar factory: one app for any subset of services, with the same guards, errors, pages and limits for all."""

from infra.web.access import BY_LINK, MEMBERS, PUBLIC, STREAMED, allow
from infra.web.app import create_app, routes
from infra.web.arguments import (
    FromGround,
    IdempotencyKey,
    MemberVisit,
    PageNumber,
    PathId,
    PathNumber,
    Region,
    Several,
    Short,
    Since,
    Visit,
    Words,
    clean,
    clean_all,
    form_fields,
    form_list,
)
from infra.web.forms import beside, instant_in, misfits, read_form, read_instant, said_of, shown_again, text_in, whole
from infra.web.keyed import FromKeyed
from infra.web.pages import page, redirect

__all__ = [
    "BY_LINK",
    "MEMBERS",
    "PUBLIC",
    "STREAMED",
    "FromGround",
    "FromKeyed",
    "IdempotencyKey",
    "MemberVisit",
    "PageNumber",
    "PathId",
    "PathNumber",
    "Region",
    "Several",
    "Short",
    "Since",
    "Visit",
    "Words",
    "allow",
    "beside",
    "clean",
    "clean_all",
    "create_app",
    "form_fields",
    "form_list",
    "instant_in",
    "misfits",
    "page",
    "read_form",
    "read_instant",
    "redirect",
    "routes",
    "said_of",
    "shown_again",
    "text_in",
    "whole",
]
