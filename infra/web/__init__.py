"""The Litestar factory: one app for any subset of services, with the same guards, errors, pages and limits for all."""

from infra.texts import clean
from infra.web.access import BY_LINK, LOADED_AGAIN, MEMBERS, PUBLIC, STREAMED, allow
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
    clean_all,
    form_fields,
    form_list,
)
from infra.web.forms import (
    CHOSEN,
    beside,
    instant_in,
    misfits,
    read_form,
    read_instant,
    said_of,
    shown_again,
    text_in,
    whole,
)
from infra.web.keyed import FromKeyed
from infra.web.leafing import leaf, leafed
from infra.web.pages import page, redirect

__all__ = [
    "BY_LINK",
    "CHOSEN",
    "LOADED_AGAIN",
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
    "leaf",
    "leafed",
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
