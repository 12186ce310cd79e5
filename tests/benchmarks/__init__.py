"""How fast the market is, as ratios against a limit measured in the same run. ``make bench`` runs all; no test times anything."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure. ``limit`` is what the raw driver or a no-op endpoint did in the same run, ``ratio`` value / limit
    (None where there is no such limit); ``aim`` says in words what we want."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    ratio: float | None = None
    aim: str = ""
