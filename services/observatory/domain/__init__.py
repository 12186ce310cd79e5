"""The rules of the price observatory (DOMAIN section 7), pure: from what was seen to a reference price, and its pictures.

``observation`` what was seen · ``price`` one observation made comparable · ``spread`` outliers, weights, quantiles ·
``reference`` the published figure with a verdict on each observation · ``snapshot`` when it is a new one and as of
which day · ``rolling`` monthly figures as events come · ``picture`` series, histogram and map points.
"""

from services.observatory.domain.observation import Kind, Observation
from services.observatory.domain.picture import Bin, MonthPoint, PlacePoint, histogram, points, series
from services.observatory.domain.price import Index, Priced, Rates, Valuation, priced
from services.observatory.domain.reference import NoReference, Position, Reference, Verdict, reference
from services.observatory.domain.rolling import Entry, Month, entry
from services.observatory.domain.snapshot import home, same_figures, same_snapshot, valued_on

__all__ = [
    "Bin",
    "Entry",
    "Index",
    "Kind",
    "Month",
    "MonthPoint",
    "NoReference",
    "Observation",
    "PlacePoint",
    "Position",
    "Priced",
    "Rates",
    "Reference",
    "Valuation",
    "Verdict",
    "entry",
    "histogram",
    "home",
    "points",
    "priced",
    "reference",
    "same_figures",
    "same_snapshot",
    "series",
    "valued_on",
]
