"""The rules of the price observatory (docs/rules.md section 7), pure: from observed prices to a reference price and its
pictures.

``observation`` an observed price · ``price`` one observation made comparable · ``spread`` outliers, weights, quantiles
· ``reference`` the published figure with a verdict on each observation · ``rulings`` the stored form of verdicts ·
``snapshot`` when a reference becomes a new snapshot, for which day it is valued, and how long an item rests ·
``rolling`` monthly figures from the stream · ``picture`` series, histogram and map points.
"""

from services.observatory.domain.observation import Observation, PriceKind
from services.observatory.domain.picture import Bin, MonthPoint, PlacePoint, histogram, points, series
from services.observatory.domain.price import Index, PricedObservation, Rates, Valuation, priced
from services.observatory.domain.reference import (
    ComputedReference,
    NoReference,
    ObservationVerdict,
    Position,
    reference,
)
from services.observatory.domain.rolling import Month, MonthlyPrice, entry
from services.observatory.domain.rulings import (
    Divided,
    Ruling,
    RulingTerms,
    body,
    digest,
    divided,
    observation_of,
    same_rulings,
    verdict_of,
)
from services.observatory.domain.snapshot import (
    Rest,
    home,
    rest_after,
    same_figures,
    same_place,
    same_snapshot,
    valued_on,
)

__all__ = [
    "Bin",
    "ComputedReference",
    "Divided",
    "Index",
    "Month",
    "MonthPoint",
    "MonthlyPrice",
    "NoReference",
    "Observation",
    "ObservationVerdict",
    "PlacePoint",
    "Position",
    "PriceKind",
    "PricedObservation",
    "Rates",
    "Rest",
    "Ruling",
    "RulingTerms",
    "Valuation",
    "body",
    "digest",
    "divided",
    "entry",
    "histogram",
    "home",
    "observation_of",
    "points",
    "priced",
    "reference",
    "rest_after",
    "same_figures",
    "same_place",
    "same_rulings",
    "same_snapshot",
    "series",
    "valued_on",
    "verdict_of",
]
