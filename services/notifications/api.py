"""JSON of notifications: one's own mail settings."""

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody

from catalogue.roles import SUPPLIER_AGENT
from infra.ids import new_id
from infra.web import FromGround, FromKeyed, IdempotencyKey, MemberVisit, allow
from services.notifications import handlers, views
from services.notifications.domain import Preferences
from services.notifications.store import Member
from services.notifications.views import Settings

AGENTS = allow(SUPPLIER_AGENT)
READERS = allow(*sorted(handlers.READERS))


class OnItsWay(msgspec.Struct, frozen=True):
    """Whether a digest will be sent. False: there is nothing that you have not been sent before."""

    on_its_way: bool


class NotificationsApi(Controller):
    path = "/api/notifications"
    tags = ["notifications"]

    @get(opt=READERS)
    async def settings(self, ground: FromGround, request: MemberVisit) -> Settings:
        async with ground.database.transaction("notifications") as tx:
            return await views.settings(tx, request.user.member_id)

    @post(opt=READERS, status_code=200)
    async def set_preferences(
        self, ground: FromGround, keyed: FromKeyed, request: MemberVisit, data: JSONBody[Preferences]
    ) -> Member:
        async with ground.database.transaction("notifications") as tx:
            return await keyed.once(tx, Member, lambda: handlers.set_preferences(tx, request.user.member_id, data))

    @post("/digest", opt=AGENTS, status_code=200)
    async def digest_now(
        self, ground: FromGround, request: MemberVisit, idempotency_key: IdempotencyKey = ""
    ) -> OnItsWay:
        """Send a digest now, in addition to that of the period."""
        async with ground.database.transaction("notifications") as tx:
            return OnItsWay(await handlers.digest_now(tx, request.user.member_id, idempotency_key or new_id()))

    @post("/resume", opt=READERS, status_code=200)
    async def resume(self, ground: FromGround, keyed: FromKeyed, request: MemberVisit) -> Member:
        """Send letters again to an address that was stopped."""
        async with ground.database.transaction("notifications") as tx:
            await keyed.do(tx, lambda: handlers.resume_mail(tx, request.user.member_id))
            return await handlers.reader(tx, request.user.member_id)
