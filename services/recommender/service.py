"""Wiring of the recommender."""

from infra.service import Resources, Service
from infra.web import routes
from services.recommender.agents import VIEWS
from services.recommender.api import RecommenderApi
from services.recommender.handlers import reactions
from services.recommender.pages import RecommendationPages, RecommenderPage
from services.recommender.store.pruning import PRUNES
from services.recommender.store.rows import Row
from services.recommender.timers import timers

NAME = "recommender"


def create(resources: Resources) -> Service:
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[routes(resources, RecommenderApi, RecommendationPages, RecommenderPage)],
        reactions=reactions,
        timers=timers(resources),
        prunes=PRUNES,
        views=VIEWS,
    )
