"""The results of a market day: counted while it runs and summarised at the end; every acknowledged verdict is written
to a file."""

import json
import statistics
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import IO, Any


@dataclass
class Tally:
    """The counts. Every acknowledged verdict is written to ``record`` at once as a JSON line, so that it is known even
    if this process is killed."""

    record: IO[str] | None = None
    opened: int = 0
    closed: int = 0
    won: int = 0
    pools: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    extensions: int = 0
    contracts: int = 0
    contracted: Decimal = Decimal(0)
    began_at: Decimal = Decimal(0)
    """The amount of the concluded contracts at initial prices."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from sending a bid to its verdict, including all attempts."""

    def verdict(self, request_key: str, supplier_id: str, verdict: dict[str, Any], seconds: float) -> None:
        """Count the market's answer to a bid."""
        self.latencies.append(seconds)
        if verdict["verdict"] == "accepted":
            self.accepted += 1
            self.extensions += verdict["extended"]
        else:
            self.refused[verdict["rule"]] += 1
        if self.record:
            names = ("auction_id", "verdict", "participant", "sequence", "amount", "arrived_at", "rule")
            line = {name: verdict[name] for name in names if verdict.get(name) is not None}
            print(json.dumps({"request_key": request_key, "supplier_id": supplier_id} | line), file=self.record)
            self.record.flush()

    def contract(self, contract: dict[str, Any], began_at: Decimal) -> None:
        self.contracts += 1
        self.contracted += Decimal(contract["amount"])
        self.began_at += began_at

    def latency_ms(self, percent: int) -> float | None:
        """A percentile of the latency in milliseconds; None for fewer than two bids."""
        if len(self.latencies) < 2:
            return None
        return round(statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1] * 1000, 1)

    def summary(self, seconds: float) -> dict[str, Any]:
        bids = self.accepted + self.refused.total()
        return {
            "auctions_opened": self.opened,
            "auctions_closed": self.closed,
            "auctions_won": self.won,
            "pools": self.pools,
            "bids": bids,
            "bids_accepted": self.accepted,
            "bids_refused": dict(self.refused.most_common()),
            "bids_unanswered": self.unanswered,
            "bids_per_second": round(bids / seconds, 1) if seconds else 0,
            "extensions": self.extensions,
            "contracts_concluded": self.contracts,
            "contracted": str(self.contracted),
            "saved": str(self.began_at - self.contracted),
            "p50_ms": self.latency_ms(50),
            "p99_ms": self.latency_ms(99),
        }
