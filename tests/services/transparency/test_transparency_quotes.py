"""Releases of quick quotes: valid, sealed until the choice, and only the winner named after it."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from official import faults, validators
from test_transparency_outgoing import plain

from events.quotes import QuoteDisclosed, QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from services.transparency.ocds import outgoing, outgoing_quotes
from services.transparency.ocds.publication import package, record_package
from tests.services.transparency.builders import MOSCOW, OPENS, PAPER, Story, with_all_roles

ENDS = OPENS + timedelta(hours=3)
WHY = "It delivers before the term begins"


class Quotes:
    """The story's winner quotes 1100 and is chosen, though the loser quoted 1000."""

    def __init__(self) -> None:
        self.story = Story("quote")
        self.known = {event.organisation_id: event for event in self.story.organisations()}

    def opened(self) -> QuoteRequestOpened:
        return QuoteRequestOpened(
            request_id=self.story.process_id,
            buyer_id=self.story.buyer,
            buyer_name="School No. 1",
            title="Paper",
            kind="goods",
            category=PAPER,
            place=MOSCOW,
            currency="RUB",
            lines=tuple(msgspec.structs.replace(line, unit_price=None, amount=None) for line in self.story.lines),
            requirements="White",
            policy="demo",
            opened_at=OPENS,
            closes_at=ENDS,
            choose_by=ENDS + timedelta(days=2),
        )

    def ended(self, quotes: int = 2) -> QuotingEnded:
        return QuotingEnded(
            request_id=self.story.process_id,
            buyer_id=self.story.buyer,
            title="Paper",
            quotes=quotes,
            opened_at=OPENS,
            ended_at=ENDS,
        )

    def disclosed(self, *, chosen: bool = True) -> list[QuoteDisclosed]:
        return [
            QuoteDisclosed(
                request_id=self.story.process_id,
                quote_id=f"quote-of-{supplier}",
                supplier_id=supplier,
                participant=participant,
                rank=rank,
                chosen=chosen and rank == 1,
                amount=Decimal(amount),
                currency="RUB",
                lines=self.story.lines,
                delivery_days=rank,
                quoted_at=OPENS + timedelta(minutes=rank),
                buyer_id=self.story.buyer,
                category=PAPER,
                place=MOSCOW,
            )
            for rank, (supplier, participant, amount) in enumerate(
                [(self.story.winner, 2, "1100.00"), (self.story.loser, 1, "1000.00")], 1
            )
        ]

    def closed(self, outcome: str = "awarded", quotes: int = 2) -> QuoteRequestClosed:
        won = outcome == "awarded"
        return QuoteRequestClosed(
            request_id=self.story.process_id,
            buyer_id=self.story.buyer,
            buyer_name="School No. 1",
            title="Paper",
            kind="goods",
            category=PAPER,
            place=MOSCOW,
            currency="RUB",
            outcome=outcome,
            quotes=quotes,
            cheapest=Decimal("1000.00") if quotes else None,
            amount=Decimal("1100.00") if won else None,
            winner_id=self.story.winner if won else None,
            winner=2 if won else None,
            lines=self.story.lines if won else (),
            justification=WHY if won else "",
            reason={"rejected": "Too dear", "withdrawn": "Found in the attic"}.get(outcome, ""),
            policy="demo",
            opened_at=OPENS,
            ended_at=ENDS,
            closed_at=ENDS + timedelta(hours=1),
        )

    def withdrawn(self) -> list[dict[str, Any]]:
        """A request that is withdrawn before the deadline, with two quotes that are not published."""
        event = msgspec.structs.replace(
            self.closed("withdrawn", 2),
            cheapest=None,
            ended_at=OPENS + timedelta(hours=1),
            closed_at=OPENS + timedelta(hours=1),
        )
        told = [
            outgoing_quotes.opened(self.opened(), OPENS, self.known),
            outgoing_quotes.closed(event, [], event.closed_at, self.known),
        ]
        return [plain(release) for release in with_all_roles(told)]

    def releases(self, outcome: str = "awarded") -> list[dict[str, Any]]:
        quotes = 0 if outcome == "unsuccessful" else 2
        bids = [outgoing_quotes.as_bid(each) for each in self.disclosed(chosen=outcome == "awarded")][:quotes]
        told = [
            outgoing_quotes.opened(self.opened(), OPENS, self.known),
            outgoing_quotes.ended(self.ended(quotes), ENDS),
            outgoing_quotes.closed(self.closed(outcome, quotes), bids, ENDS + timedelta(hours=1), self.known),
        ]
        if outcome == "awarded":
            told.append(outgoing.award_made(self.story.awarded(), ENDS + timedelta(hours=2), self.known))
            told.append(outgoing.contract_drafted(self.story.drafted(), ENDS + timedelta(hours=3), self.known))
        return [plain(release) for release in with_all_roles(told)]


def test_releases_and_records_of_every_outcome_are_valid(data: Path) -> None:
    release_schema, package_schema, record_schema = validators(data)
    for outcome in ("awarded", "rejected", "lapsed", "unsuccessful", "withdrawn"):
        found = Quotes().withdrawn() if outcome == "withdrawn" else Quotes().releases(outcome)
        assert [fault for release in found for fault in faults(release_schema, release)] == []
        whole = plain(package("http://127.0.0.1:8000", "/ocds/releases", OPENS)) | {"releases": found}
        assert faults(package_schema, whole) == []
        assert faults(record_schema, plain(record_package("http://127.0.0.1:8000", found))) == []


def test_before_the_choice_only_the_number_of_quotes_is_published() -> None:
    quotes = Quotes()
    opened, ended = quotes.releases()[:2]
    assert "bids" not in opened and "bids" not in ended
    assert ended["tender"]["numberOfTenderers"] == 2
    for secret in (quotes.story.winner, quotes.story.loser, "1100", "1000.00"):
        assert secret not in str(opened) + str(ended)


def test_only_the_chosen_one_has_a_name_and_the_justification_is_public() -> None:
    quotes = Quotes()
    closed = quotes.releases()[2]
    assert quotes.story.loser not in str(closed) and "quote-of" not in str(closed)
    winner, other = closed["bids"]["details"]
    assert winner["tenderers"] == [{"id": quotes.story.winner, "name": f"Shop of {quotes.story.winner}"}]
    assert (other["tenderers"][0]["name"], other["value"]["amount"]) == ("participant 1", 1000)
    assert WHY in closed["tender"]["awardCriteriaDetails"]


def test_if_nobody_is_chosen_no_supplier_is_named() -> None:
    quotes = Quotes()
    for outcome, said in (("rejected", "Too dear"), ("lapsed", ""), ("unsuccessful", "")):
        closed = quotes.releases(outcome)[2]
        assert closed["tender"]["status"] == "unsuccessful" and said in closed["tender"]["awardCriteriaDetails"]
        assert quotes.story.winner not in str(closed) and quotes.story.loser not in str(closed)


def test_a_request_that_was_withdrawn_is_cancelled_and_publishes_no_quote() -> None:
    closed = Quotes().withdrawn()[1]
    assert (closed["tender"]["status"], closed["tender"]["lots"][0]["status"]) == ("cancelled", "cancelled")
    assert "Found in the attic" in closed["tender"]["awardCriteriaDetails"] and "awardPeriod" not in closed["tender"]
    assert [each["measure"] for each in closed["bids"]["statistics"]] == ["bids"] and "details" not in closed["bids"]
