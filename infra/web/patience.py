"""If PostgreSQL does not answer, a request does not wait without limit: it is answered 503 in time and may be sent
again."""

from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from infra.deadline import ANSWER_SECONDS, Deadline


def answered_in_time(app: ASGIApp) -> ASGIApp:
    """Middleware. The time is counted from the request, or the latest piece of its body, to the beginning of the
    answer; the rest of the answer, such as a live stream, has no limit here."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        began = False

        async def receive_meanwhile() -> Any:
            deadline.set(None)  # the body has its own limit
            try:
                return await receive()
            finally:
                if not began:
                    deadline.set(ANSWER_SECONDS)

        async def send_in_time(message: Message) -> None:
            nonlocal began
            if not began:
                began = True
                deadline.set(None)
            await send(message)

        async with Deadline(ANSWER_SECONDS) as deadline:
            await app(scope, receive_meanwhile, send_in_time)

    return answer
