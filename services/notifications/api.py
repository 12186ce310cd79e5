"""JSON of notifications: one's own mail settings."""

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody

from catalogue.roles import SUPPLIER_AGENT
from infra.ids import new_id
from infra.web import FromKeyed, FromResources, IdempotencyKey, MemberVisit, allow
from services.notifications import handlers, views
from services.notifications.domain import Preferences
from services.notifications.store import LetterMember
from services.notifications.views import Settings

AGENTS = allow(SUPPLIER_AGENT)
READERS = allow(*sorted(handlers.READERS))


class OnItsWay(msgspec.Struct, frozen=True):
    """Whether a digest will be sent: not if you got every recommendation before."""

    on_its_way: bool


class NotificationsApi(Controller):
    path = "/api/notifications"
    tags = ["notifications"]

    @get(opt=READERS)
    async def settings(self, resources: FromResources, request: MemberVisit) -> Settings:
        async with resources.database.transaction("notifications") as tx:
            return await views.settings(tx, request.user.member_id)

    @post(opt=READERS, status_code=200)
    async def set_preferences(
        self, resources: FromResources, keyed: FromKeyed, request: MemberVisit, data: JSONBody[Preferences]
    ) -> LetterMember:
        async with resources.database.transaction("notifications") as tx:
            return await keyed.once(
                tx, LetterMember, lambda: handlers.set_preferences(tx, request.user.member_id, data)
            )

    @post("/digest", opt=AGENTS, status_code=200)
    async def digest_now(
        self, resources: FromResources, request: MemberVisit, idempotency_key: IdempotencyKey = ""
    ) -> OnItsWay:
        """Send a digest now, in addition to that of the period."""
        async with resources.database.transaction("notifications") as tx:
            return OnItsWay(await handlers.digest_now(tx, request.user.member_id, idempotency_key or new_id()))

    @post("/resume", opt=READERS, status_code=200)
    async def resume(self, resources: FromResources, keyed: FromKeyed, request: MemberVisit) -> LetterMember:
        """Send letters again to an address that was stopped."""
        async with resources.database.transaction("notifications") as tx:
            await keyed.do(tx, lambda: handlers.resume_mail(tx, request.user.member_id))
            return await handlers.reader(tx, request.user.member_id)
