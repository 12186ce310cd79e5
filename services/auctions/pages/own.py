"""The parts of an auction's page that differ for one organisation."""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from infra.web.pages import money
from services.auctions.board import Board
from services.auctions.domain.auction import AuctionState
from services.auctions.domain.autobid import Autobid
from services.auctions.domain.rounds import Turn, timetable
from services.auctions.domain.rungs import Rungs, Undercut, rungs_for, undercut_of

RUNGS = 4
NUMBERS = {"participant": "@participant@", "place": "@place@", "last_bid": "@last-bid@"}
"""Marks for an organisation's own numbers in a part that is rendered for several."""


@dataclass(frozen=True, slots=True)
class Own:
    """``participant``, ``place`` and ``last_bid`` are shown as they are, or "" if there is none. Everything else that
    differs gives the page another shape. Apart from roles and the buyer, nothing else in a template's context may
    depend on the reader."""

    participant: str
    place: str
    last_bid: str
    last_choices: tuple[int, ...]
    leads: bool
    own_turn: Turn | None
    autobid: Autobid | None
    undercut: Undercut
    highest: Decimal | None
    rungs: tuple[Decimal, ...]
    lead_rung: Decimal | None
    deletable_until: datetime | None

    def for_template(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def alike(self) -> "Own":
        """Return the value that is the same for all readers whose parts differ only in numbers."""
        marks: dict[str, Any] = {name: mark if getattr(self, name) else "" for name, mark in NUMBERS.items()}
        return replace(self, **marks)

    def put_into(self, part: bytes) -> bytes:
        """Return the part with the reader's own numbers in place of the marks."""
        for name, mark in NUMBERS.items():
            part = part.replace(mark.encode(), getattr(self, name).encode())
        return part


def own_of(board: Board, organisation_id: str, now: datetime) -> Own:
    """Return what differs for this organisation. ``organisation_id`` is "" for a visitor."""
    stored = board.stored
    state, currency = stored.state.public(), stored.opened.currency
    over = state.over(now)
    number, last = stored.state.number_of(organisation_id), stored.state.last_of(organisation_id)
    place = board.places.get(organisation_id)
    offered = Rungs() if over else rungs_for(state, RUNGS, organisation_id, last)
    turns = next((planned.turns for planned in timetable(state)), ())
    return Own(
        participant=str(number or ""),
        place=str(place or ""),
        last_bid=money(last.amount, currency) if last else "",
        last_choices=last.choices if last else (),
        leads=bool(organisation_id) and state.leader_id == organisation_id,
        own_turn=next((turn for turn in turns if turn.number == number), None),
        autobid=stored.autobids.get(organisation_id),
        undercut=undercut_of(state.rules),
        highest=offered.highest,
        rungs=offered.others,
        lead_rung=offered.lead,
        deletable_until=_deletable_until(stored.state, organisation_id),
    )


def _deletable_until(state: AuctionState, own: str) -> datetime | None:
    known = state.participants.get(own)
    if known is None or known.last is None or known.deleted or not state.rules.delete_seconds:
        return None
    return known.last.arrived_at + timedelta(seconds=state.rules.delete_seconds)
