"""The rules of the price observatory (DOMAIN section 7), pure: from what was seen to a reference price, and its pictures.

``observation`` what was seen · ``price`` one observation made comparable · ``spread`` outliers, weights, quantiles ·
``reference`` the published figure with a verdict on each observation · ``rolling`` monthly figures as events come ·
``picture`` series, histogram and map points.
"""

from services.observatory.domain.observation import Kind, Observation
from services.observatory.domain.picture import Bin, MonthPoint, PlacePoint, histogram, points, series
from services.observatory.domain.price import Index, Priced, Rates, Valuation, priced
from services.observatory.domain.reference import NoReference, Policy, Position, Reference, Verdict, reference
from services.observatory.domain.rolling import Month, Rolling, apply

__all__ = [
    "Bin",
    "Index",
    "Kind",
    "Month",
    "MonthPoint",
    "NoReference",
    "Observation",
    "PlacePoint",
    "Policy",
    "Position",
    "Priced",
    "Rates",
    "Reference",
    "Rolling",
    "Valuation",
    "Verdict",
    "apply",
    "histogram",
    "points",
    "priced",
    "reference",
    "series",
]
