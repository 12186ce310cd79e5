"""Wiring of the recommender."""

from infra.service import Ground, Service
from infra.web import routes
from services.recommender.agents import VIEWS
from services.recommender.api import RecommenderApi
from services.recommender.handlers import reactions
from services.recommender.pages import RecommendationPages, RecommenderPage
from services.recommender.store.pruning import PRUNES
from services.recommender.store.rows import Row
from services.recommender.timers import timers

NAME = "recommender"


def create(ground: Ground) -> Service:
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[routes(ground, RecommenderApi, RecommendationPages, RecommenderPage)],
        reactions=reactions,
        timers=timers(ground),
        prunes=PRUNES,
        views=VIEWS,
    )
