"""Timers of the recommender: making waiting lists, and learning again.

Both use their own short transactions before and after the long work; the transaction that a timer is given stays
unused, and so never begins.
"""

from infra.database import Transaction
from infra.service import Resources, Timer
from services.recommender.engine import Engine
from services.recommender.recommending import Recommending
from services.recommender.training import train_when_due

LISTS_EVERY = 1.0
TRAINING_EVERY = 20.0
LONGEST_ROUND = 600.0
"""Seconds for a round of lists, which may first have to load all awards of a large import into a new child process."""
LONGEST_TRAINING = 1800.0


def timers(resources: Resources) -> tuple[Timer, ...]:
    recommending = Recommending(resources, Engine())

    async def make_lists(_: Transaction) -> int:
        return await recommending.make_due()

    async def train(_: Transaction) -> int:
        return await train_when_due(resources)

    return (
        Timer("lists", LISTS_EVERY, make_lists, longest=LONGEST_ROUND),
        Timer("training", TRAINING_EVERY, train, longest=LONGEST_TRAINING),
    )
