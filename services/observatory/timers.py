"""Deadlines of the observatory: items whose prices changed are judged after a pause, standing figures once a day."""

from infra.due import Due
from infra.service import Timer
from services.observatory import store
from services.observatory.handlers import assess, due_items

TIMERS = (
    Timer(
        "assess",
        1,
        Due("observatory assess", due_items, lambda card: card.item.item_key, assess, aside=store.set_aside),
    ),
)
