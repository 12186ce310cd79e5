"""The parts of an auction's page, rendered once for all readers that see the same."""

from datetime import datetime, timedelta
from typing import Any

from litestar.response.sse import ServerSentEventMessage

from catalogue import places
from catalogue.money import minor_units
from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from infra.ids import new_id
from infra.service import Resources
from infra.tokens import Principal
from infra.web import Visit
from infra.web.languages import moment, spoken, unit_name
from infra.web.pages import template_of
from services.auctions.board import Board, Fragment
from services.auctions.domain.picture import HEIGHT, WIDTH
from services.auctions.domain.rounds import timetable, turn_of
from services.auctions.pages.bidding import scored_as
from services.auctions.pages.own import Own, own_of

SERVER_NOW, REQUEST_KEY = b"@server-now@", b"@request-key@"
"""Marks that are replaced when fragments are pushed."""


def fragment(request: Visit, name: str, board: Board, resources: Resources) -> Fragment:
    """Return the fragment, rendered once for all. Only the server's time is inserted again each time."""
    key = (name, spoken())
    found = board.fragments.get(key)
    if found is None:
        html = render(request, name, board, resources, pushed=True)
        found = board.fragments[key] = Fragment(html, ServerSentEventMessage(html, event=name).encode())
    return found


def own_part(request: Visit, board: Board, resources: Resources) -> bytes:
    """Return the reader's own part as it is pushed, without the key of the next bid."""
    principal: Principal | None = request.scope.get("user")
    reader = (principal.roles, principal.organisation_id) if principal else ((), "")
    part = board.own_parts.get((spoken(), reader))
    if part is None:
        own = own_of(board, reader[1], resources.clock())
        part = board.own_parts[spoken(), reader] = own.put_into(_alike(request, board, resources, own.alike))
    return part


def _alike(request: Visit, board: Board, resources: Resources, own: Own) -> bytes:
    """Return the own part for all readers whose parts differ only in numbers, rendered once."""
    principal: Principal | None = request.scope.get("user")
    buys = principal is not None and principal.organisation_id == board.stored.opened.buyer_id
    key = (spoken(), principal.roles if principal else None, buys, own)
    part = board.own_parts.get(key)
    if part is None:
        more = {**own.for_template(), "pushed": True, "request_key": REQUEST_KEY.decode()}
        html = render(request, "mine", board, resources, **more)
        part = board.own_parts[key] = ServerSentEventMessage(html, event="mine").encode()
    return part


def render(request: Visit, name: str, board: Board, resources: Resources, **more: Any) -> str:
    template = template_of(request, f"auctions/_{name}.html")
    shown = {**context(request, board, resources), **more, "csrf_input": ""}
    return str(template.render(**shown))


def context(request: Visit, board: Board, resources: Resources) -> dict[str, Any]:
    stored = board.stored
    principal: Principal | None = request.scope.get("user")
    state, rules = stored.state.public(), stored.state.rules
    over = state.over(resources.clock())
    own = principal.organisation_id if principal else ""
    one_day = state.closes_at - stored.opened.opens_at <= timedelta(days=1)
    return {
        "board": board,
        "opened": stored.opened,
        "state": state,
        "result": stored.result,
        "policy": stored.policy,
        "over": over,
        "turn": turn_of(state),
        "timetable": timetable(state),
        "policy_has_autobid": bool(rules.autobid_seconds),
        "is_member": principal is not None,
        "is_supplier": bool(principal and principal.may(SUPPLIER_AGENT)),
        "is_buyer": bool(principal and principal.may(BUYER_OFFICER) and own == stored.opened.buyer_id),
        "leading": state.last_of(state.leader_id or ""),
        "request_key": new_id(),
        "pushed": False,
        "errors": {},
        "values": {},
        "verdict": None,
        "sure": None,
        "decimals": minor_units(stored.opened.currency),
        "unit_name": unit_name,
        "scored_value": lambda event: scored_as(board, event.amount, event.choices),
        "chart_size": (WIDTH, HEIGHT),
        "at": _hour if one_day else _day_and_hour,
        "region_name": _region_name(stored.opened.place.country, stored.opened.place.region),
        **own_of(board, own, resources.clock()).for_template(),
    }


def _hour(instant: datetime) -> str:
    return instant.strftime("%H:%M:%S")


def _day_and_hour(instant: datetime) -> str:
    return moment(instant, seconds=True).removesuffix(" UTC")


def _region_name(country: str | None, region: str | None) -> str:
    return places.regions(country).get(region or "", region or country) if country else (region or "")
