"""Benchmarks: figures as ratios to a limit that is measured in the same run. ``make bench`` runs all. No test measures
time."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure. ``limit`` is the figure of the raw driver or of a no-op endpoint in the same run; ``ratio``
    is value / limit (None if there is no limit); ``aim`` is the goal in words."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    ratio: float | None = None
    aim: str = ""
