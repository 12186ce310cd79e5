"""Deadlines of the observatory: items whose prices changed are judged after a pause, standing figures once a day."""

from infra.service import Timer
from services.observatory.handlers import assess

TIMERS = (Timer("assess", 1, assess),)
