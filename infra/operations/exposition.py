"""``/metrics`` as text: the counts of this process, and what the observer sees of the market."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from infra.operations.figures import ServerFigures

TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(figures: ServerFigures) -> bytes:
    """The figures of this process, then those of the whole market, which are the same in every process (use ``max``,
    not ``sum``)."""
    return generate_latest(REGISTRY) + generate_latest(_Market(figures))


class _Market(Collector):
    def __init__(self, figures: ServerFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        seen = self._figures

        def gauge(name: str, what: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
            return GaugeMetricFamily(f"lonja_{name}", what, labels=labels)

        up = gauge("server_up", "Whether a server answers", ("server",))
        up.add_metric(("database",), float(not seen.database))
        up.add_metric(("kafka",), float(not seen.kafka))
        yield up
        alive = gauge("process_up", "Whether a process has reported recently", ("process", "kind"))
        for process in seen.processes:
            if process.alive or process.missed:
                alive.add_metric((process.process, process.kind), float(process.alive))
        yield alive
        waiting = gauge("outbox_waiting_events", "Events not on Kafka yet (counted up to 10,000)", ("service",))
        oldest = gauge("outbox_oldest_seconds", "How long the first of them has waited", ("service",))
        aside = gauge("outbox_set_aside_events", "Events that can never be sent", ("service",))
        for outbox in seen.outboxes:
            waiting.add_metric((outbox.service,), outbox.waiting)
            oldest.add_metric((outbox.service,), outbox.oldest.total_seconds())
            aside.add_metric((outbox.service,), outbox.set_aside)
        yield from (waiting, oldest, aside)
        lag = gauge("consumer_lag_messages", "Messages that a consumer group has not taken in", ("group",))
        late = gauge(
            "consumer_late_messages",
            "Messages of these that have waited for more than a minute (bulk topics: an hour)",
            ("group",),
        )
        for each in seen.groups:
            lag.add_metric((each.group,), each.lag)
            late.add_metric((each.group,), each.late)
        yield from (lag, late)
        if not seen.kafka:
            letters = gauge("dead_letters", "Messages in the topic of dead letters, including notes of replays")
            letters.add_metric((), seen.dead_letters)
            unsettled = gauge("dead_letters_unsettled", "Dead letters that nobody replayed or dismissed", ("consumer",))
            for consumer, count in Counter(each.consumer for each in seen.unsettled).items():
                unsettled.add_metric((consumer,), count)
            yield from (letters, unsettled)
        if not seen.database:
            ahead = gauge("clock_ahead_seconds", "By how much this machine's clock is ahead of the database's")
            ahead.add_metric((), seen.clock_ahead.total_seconds())
            yield ahead
