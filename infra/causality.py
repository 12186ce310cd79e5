"""The cause of events: the correlation id of a request is passed on through tasks and written into every event that it
causes."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from infra.ids import new_id


class Cause(msgspec.Struct, frozen=True):
    """``correlationid`` identifies the whole chain; ``causationid`` the request or event that directly causes the next
    event; ``traceparent`` the span in which this happens, if traces are recorded."""

    correlationid: str
    causationid: str
    traceparent: str = ""


_current: ContextVar[Cause | None] = ContextVar("cause", default=None)


def current_cause() -> Cause:
    """The current cause; a new chain if there is none (in a timer)."""
    return _current.get() or Cause(fresh := new_id(), fresh)


def cause_in_force() -> Cause | None:
    """The current cause, or None if this does not follow from a request or event."""
    return _current.get()


@contextmanager
def caused_by(correlationid: str, causationid: str, traceparent: str = "") -> Iterator[None]:
    token = _current.set(Cause(correlationid, causationid, traceparent))
    try:
        yield
    finally:
        _current.reset(token)
