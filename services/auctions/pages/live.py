"""What is pushed to the watchers of an auction."""

from collections.abc import AsyncIterator
from datetime import timedelta

from litestar.response.sse import ServerSentEventMessage

from infra.ids import new_id
from infra.service import Resources
from infra.web import Visit
from infra.web.languages import spoken
from services.auctions.board import Board, Boards, Stamp
from services.auctions.pages.fragments import REQUEST_KEY, SERVER_NOW, fragment, own_part

SHARED = ("price", "log", "said")
"""The fragments that are the same for all."""
RETRY = 1000
"""The milliseconds after which a disconnected browser connects again."""
STAMP = timedelta(milliseconds=10)
"""How old the server's time in a push may be."""


async def push(
    request: Visit, resources: Resources, boards: Boards, auction_id: str, since: int
) -> AsyncIterator[bytes]:
    """Yield for each board the fragments that this watcher does not have yet, in one piece. The piece ends with the
    server's time and how much of the log has been seen: a watcher that is disconnected before that asks for the whole
    piece again. While a turn is sealed only its bidders get fragments. A beat has only the time."""
    before: Board | None = None
    shown: bytes | None = None
    async for board in boards.watch(auction_id):
        news, beat = board.lines > since, before is None or board is before
        own = own_part(request, board, resources)
        # the page itself came with the rest, except for what its reader bid in a sealed turn
        changed = own != shown and (news or board.stored.state.sealed)
        stamp = _stamped(request, board, before, resources, news)
        if changed:
            yield stamp.shared + own.replace(REQUEST_KEY, new_id().encode()) + stamp.seen
        elif stamp.shared or beat:
            yield stamp.whole
        before, shown = board, own
        if board.stored.result is not None:
            yield ServerSentEventMessage("", event="done").encode()


def _stamped(request: Visit, board: Board, before: Board | None, resources: Resources, news: bool) -> Stamp:
    """Return what all watchers get that had the same board ``before``, with the time. It is made once for all that get
    it at the same time."""
    key, now = (before.version if before else None, news, spoken()), resources.clock()
    stamp = board.stamps.get(key)
    if stamp is None or abs(now - stamp.at) > STAMP:
        text = now.isoformat()
        shared = _changed(request, board, before, resources).replace(SERVER_NOW, text.encode()) if news else b""
        seen = ServerSentEventMessage(text, event="seen", id=board.lines, retry=None if before else RETRY).encode()
        board.stamps[key] = stamp = Stamp(now, shared, seen, shared + seen)
    return stamp


def _changed(request: Visit, board: Board, before: Board | None, resources: Resources) -> bytes:
    """Return the fragments for all that differ from those ``before``."""
    fragments = {name: fragment(request, name, board, resources) for name in SHARED}
    return b"".join(
        now.message
        for name, now in fragments.items()
        if before is None or fragment(request, name, before, resources) != now
    )
