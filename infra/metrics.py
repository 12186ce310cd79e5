"""The metrics of this process for Prometheus. Dashboards and alarms use the names in ``docs/operating.md``, so a name
must not change.

No metric is labelled by a person, organisation or auction: a label has few values, such as the route templates or the services.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from infra.health import HEALTH, PartState

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

REQUESTS = Histogram(
    "lonja_http_request_duration_seconds",
    "Seconds from the arrival of a request to the beginning of its answer",
    ("method", "route", "status"),
    buckets=SECONDS,
)
EVENTS_SENT = Counter("lonja_events_published", "Events that the relay sent to Kafka", ("service",))
EVENTS_HANDLED = Counter("lonja_events_handled", "Events that a consumer handled", ("consumer",))
DEAD_LETTERS_WRITTEN = Counter("lonja_events_buried", "Events that a consumer sent to the dead letters", ("consumer",))
ROWS_PRUNED = Counter("lonja_rows_pruned", "Rows that were deleted because they were too old", ("service", "table"))
MAILS = Counter("lonja_mails", "Letters, by outcome", ("outcome",))
WATCHERS = Gauge("lonja_sse_watchers", "Browsers that watch a live page")

_children: dict[tuple[str, str, int], Histogram] = {}


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request and its duration. Each combination of labels is looked up only once, because this is
    called for every bid."""
    child = _children.get((method, route, status))
    if child is None:
        child = _children[method, route, status] = REQUESTS.labels(method, route, str(status))
    child.observe(seconds)


@contextmanager
def count_watcher() -> Iterator[None]:
    """Count one more browser that watches a live page, while the block runs."""
    WATCHERS.inc()
    try:
        yield
    finally:
        WATCHERS.dec()


class Lateness(Collector):
    """Seconds since each timer became due, if it has not run since; otherwise 0."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, str], float] = {}

    def next_run(self, service: str, timer: str, within: float) -> None:
        """Record when the timer will be due: in ``within`` seconds."""
        self._due[service, timer] = monotonic() + within

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "lonja_timer_lateness_seconds",
            "Seconds since a timer became due without having run",
            labels=("service", "timer"),
        )
        now = monotonic()
        for labels, due in list(self._due.items()):
            family.add_metric(labels, max(0.0, now - due))
        yield family


class PartConditions(Collector):
    """The states of each part of this process: 1 for the state that it is in, 0 for the others."""

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "lonja_part_state", "State of a part of this process", labels=("kind", "name", "state")
        )
        for each in HEALTH:
            for state in PartState:
                family.add_metric((each.kind, each.name, state.value), float(each.state is state))
        yield family


LATENESS = Lateness()
REGISTRY.register(LATENESS)
REGISTRY.register(PartConditions())
