import io
import json
from decimal import Decimal

from services.demonstration.report import Tally

ACCEPTED = {
    "verdict": "accepted",
    "auction_id": "a",
    "participant": 1,
    "sequence": 1,
    "amount": "99.50",
    "arrived_at": "2026-03-02T10:00:00Z",
    "extended": True,
}
REFUSED = {"verdict": "refused", "auction_id": "a", "participant": None, "amount": "99.40", "rule": "cut-below-step"}


def test_each_acknowledged_verdict_is_one_line_at_once() -> None:
    lines = io.StringIO()
    tally = Tally(record=lines)
    tally.verdict("key-1", "supplier-1", ACCEPTED, 0.010)
    tally.verdict("key-2", "supplier-2", REFUSED, 0.030)
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert first["request_key"] == "key-1"
    assert (first["verdict"], first["sequence"], first["amount"]) == ("accepted", 1, "99.50")
    assert (second["supplier_id"], second["rule"]) == ("supplier-2", "cut-below-step")


def test_the_summary_counts_and_adds_up() -> None:
    tally = Tally(opened=2, closed=1, won=1)
    for number in range(100):
        tally.verdict(f"key-{number}", "supplier", ACCEPTED if number % 4 else REFUSED, number / 1000)
    tally.contract({"amount": "80.00"}, Decimal(100))
    summary = tally.summary(seconds=10)
    assert summary["bids"] == 100
    assert summary["bids_accepted"] == summary["extensions"] == 75
    assert summary["bids_refused"] == {"cut-below-step": 25}
    assert summary["bids_per_second"] == 10
    assert (summary["contracted"], summary["saved"]) == ("80.00", "20.00")
    assert (summary["p50_ms"], summary["p99_ms"]) == (49.5, 98.0)


def test_a_day_without_bids_has_no_latency() -> None:
    assert Tally().summary(seconds=0)["p99_ms"] is None
