"""Metrics of the bids of this process for Prometheus (other metrics: :mod:`infra.metrics`). ``docs/operating.md`` lists
the names."""

from collections.abc import Iterable

from prometheus_client import Counter, Histogram

from infra.metrics import SECONDS

BIDS = Counter("lonja_bids", "Bids decided, by verdict", ("verdict",))
LANE_BATCH = Histogram(
    "lonja_lane_batch_bids", "Bids decided in one batch", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
)
LANE_SECONDS = Histogram("lonja_lane_batch_seconds", "From the start of a batch to its commit", buckets=SECONDS)
LANE_FAILURES = Counter("lonja_lane_failed_batches", "Batches that did not commit")

_accepted, _refused = BIDS.labels("accepted"), BIDS.labels("refused")


def bids_decided(accepted: Iterable[bool]) -> None:
    """Count the bids of one batch; ``accepted`` says for each bid whether it was accepted."""
    verdicts = list(accepted)
    _accepted.inc(sum(verdicts))
    _refused.inc(len(verdicts) - sum(verdicts))
