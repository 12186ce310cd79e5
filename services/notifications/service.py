"""Wiring of notifications."""

from catalogue.policy import load
from infra.secrets import secret
from infra.service import Ground, Service
from infra.web import routes
from services.notifications import store
from services.notifications.api import NotificationsApi
from services.notifications.handlers import reactions
from services.notifications.links import Links
from services.notifications.pages import NotificationPages, UnsubscribePages
from services.notifications.timers import timers

NAME = "notifications"


def create(ground: Ground) -> Service:
    links = Links(secret(ground.config.secrets_dir, "unsubscribe"), ground.config.public_url)
    return Service(
        name=NAME,
        metadata=store.Row.metadata,
        routes=[routes(ground, NotificationsApi, NotificationPages, UnsubscribePages)],
        reactions=reactions(rehearsal=load(ground.config.policy).working_day_minutes is not None),
        timers=timers(ground, links),
        prunes=store.PRUNES,
    )
