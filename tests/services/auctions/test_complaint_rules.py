"""The policy under which the auction began sets the length and the number of complaints."""

from typing import Any

import msgspec
import pytest

from catalogue.policy import AuctionRules, load
from catalogue.rules import DecisionUnexplained, EvidenceMissing
from services.auctions.domain.complaints import (
    Complaint,
    GroundsMissing,
    TooManyComplaints,
    decide,
    file,
)
from tests.services.auctions.builders import NOON_UTC, an_auction

USUAL = load("moscow").auction
SHORT = msgspec.structs.replace(USUAL, complaint_characters=3, complaints_per_supplier=2)


def a_complaint(grounds: str = "x" * 20, evidence: str = "y" * 20) -> Complaint:
    return Complaint(
        complaint_id="complaint",
        auction_id="auction",
        organisation_id="a",
        grounds=grounds,
        evidence=evidence,
        filed_at=NOON_UTC,
    )


def filed(rules: AuctionRules, complaint: Complaint, earlier: int = 0) -> Any:
    return file(an_auction(), complaint, rules=rules, earlier=earlier, waiting=0)


def test_grounds_and_evidence_are_as_long_as_the_policy_says() -> None:
    for rules, least in ((USUAL, 20), (SHORT, 3)):
        enough, short = "x" * least, " " + "x" * (least - 1)
        assert filed(rules, a_complaint(enough, enough)).grounds == enough
        with pytest.raises(GroundsMissing) as refused:
            filed(rules, a_complaint(short, enough))
        assert refused.value.numbers == {"least": least}
        with pytest.raises(EvidenceMissing) as unproved:
            filed(rules, a_complaint(enough, short))
        assert unproved.value.numbers == {"least": least}


def test_a_supplier_complains_as_often_as_the_policy_says() -> None:
    for rules, most in ((USUAL, 10), (SHORT, 2)):
        filed(rules, a_complaint(), earlier=most - 1)
        with pytest.raises(TooManyComplaints) as refused:
            filed(rules, a_complaint(), earlier=most)
        assert refused.value.numbers == {"filed": most, "most": most}


def test_a_decision_is_explained_as_long_as_the_policy_says() -> None:
    decided, _ = decide(an_auction(), a_complaint(), "rejected", "No.", NOON_UTC, rules=SHORT)
    assert decided.reason == "No."
    with pytest.raises(DecisionUnexplained) as refused:
        decide(an_auction(), a_complaint(), "rejected", "No.", NOON_UTC, rules=USUAL)
    assert refused.value.numbers == {"least": 20}
