"""Wiring of notifications."""

from catalogue.policy import load
from infra.secrets import secret
from infra.service import Resources, Service
from infra.web import routes
from services.notifications import store
from services.notifications.api import NotificationsApi
from services.notifications.handlers import reactions
from services.notifications.links import Links
from services.notifications.pages import NotificationPages, UnsubscribePages
from services.notifications.timers import timers

NAME = "notifications"


def create(resources: Resources) -> Service:
    links = Links(secret(resources.config.secrets_dir, "unsubscribe"), resources.config.public_url)
    return Service(
        name=NAME,
        metadata=store.Row.metadata,
        routes=[routes(resources, NotificationsApi, NotificationPages, UnsubscribePages)],
        reactions=reactions(rehearsal=load(resources.config.policy).working_day_minutes is not None),
        timers=timers(resources, links),
        prunes=store.PRUNES,
    )
