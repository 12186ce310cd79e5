"""Builders of the events of a market: an auction for paper, its bids, its award and contract; each story has new
ids."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionOpened, BidAccepted, BidDisclosed
from events.contracts import (
    AwardMade,
    ContractClosed,
    ContractConcluded,
    ContractDrafted,
    ContractEnded,
    DeliveryAssessed,
    ExecutionOverdue,
    ExecutionWithdrawn,
    InvoiceSettled,
    InvoiceSubmitted,
    LineQuantity,
    OrderPlaced,
)
from events.values import Category, Line, Place
from infra.ids import new_id
from services.transparency.ocds.history import Roles
from services.transparency.ocds.parts import Json

OPENS = datetime(2026, 11, 18, 9, tzinfo=UTC)
MOSCOW = Place(country="RU", region="RU-MOW", locality="Moscow", latitude=55.75, longitude=37.62)
PAPER = Category(code="30197630", title="Printing paper")


def with_all_roles(releases: Sequence[Json]) -> list[Json]:
    """The releases with all roles, as in a feed that had nothing of these processes before."""
    roles = Roles({})
    return [roles.all_in(release) for release in releases]


class Story:
    """One school buys paper; ``winner`` bids lowest, ``loser`` once."""

    def __init__(self, origin: str = "auction") -> None:
        self.origin = origin
        self.process_id, self.buyer, self.winner, self.loser = (f"{word}-{new_id()}" for word in "pbwl")
        self.award_id, self.contract_id = f"award-{new_id()}", f"contract-{new_id()}"
        self.lines = (
            Line(
                line_id="1",
                description="Paper A4",
                category=PAPER,
                quantity=Decimal("100"),
                unit="H87",
                unit_price=Decimal("9.50"),
                amount=Decimal("950.00"),
                place=MOSCOW,
            ),
            Line(
                line_id="2",
                description="Paper A3",
                quantity=Decimal("2.5"),
                unit="KGM",
                pack_size=Decimal("2"),
                unit_price=Decimal("20"),
                amount=Decimal("50.00"),
            ),
        )

    def organisations(self) -> list[OrganisationRegistered]:
        return [
            OrganisationRegistered(
                organisation_id=number,
                roles=(role,),
                name=f"{word} of {number}",
                identifier_scheme="RU-INN",
                identifier=str(count),
                place=MOSCOW,
            )
            for count, (number, role, word) in enumerate(
                [(self.buyer, "buyer", "School"), (self.winner, "supplier", "Shop"), (self.loser, "supplier", "Shed")],
                77,
            )
        ]

    def opened(self, **more: Any) -> AuctionOpened:
        return msgspec.structs.replace(
            AuctionOpened(
                auction_id=self.process_id,
                buyer_id=self.buyer,
                buyer_name="School No. 1",
                title="Paper",
                kind="goods",
                category=PAPER,
                place=MOSCOW,
                currency="RUB",
                initial_price=Decimal("1200.00"),
                step=Decimal("6.00"),
                lines=self.lines,
                policy="demo",
                opens_at=OPENS,
                closes_at=OPENS + timedelta(hours=3),
            ),
            **more,
        )

    def bid_accepted(self) -> BidAccepted:
        at = OPENS + timedelta(minutes=5)
        return BidAccepted(
            auction_id=self.process_id,
            sequence=1,
            participant=1,
            amount=Decimal("1100.00"),
            arrived_at=at,
            closes_at=OPENS + timedelta(hours=3),
            extended=False,
        )

    def disclosed(self) -> list[BidDisclosed]:
        return [
            BidDisclosed(
                auction_id=self.process_id,
                bid_id=f"bid-of-{supplier}",
                supplier_id=supplier,
                participant=participant,
                rank=rank,
                amount=amount,
                currency="RUB",
                bid_at=OPENS + timedelta(minutes=participant),
                buyer_id=self.buyer,
            )
            for rank, (supplier, participant, amount) in enumerate(
                [(self.winner, 2, Decimal("1000.00")), (self.loser, 1, Decimal("1100.00"))], 1
            )
        ]

    def closed(self, *, won: bool = True, **more: Any) -> AuctionClosed:
        return msgspec.structs.replace(
            AuctionClosed(
                auction_id=self.process_id,
                buyer_id=self.buyer,
                title="Paper",
                kind="goods",
                category=PAPER,
                place=MOSCOW,
                currency="RUB",
                initial_price=Decimal("1200.00"),
                outcome="successful" if won else "unsuccessful",
                amount=Decimal("1000.00") if won else None,
                winner_id=self.winner if won else None,
                participants=2 if won else 0,
                bids=2 if won else 0,
                lines=self.lines if won else (),
                policy="demo",
                opened_at=OPENS,
                closed_at=OPENS + timedelta(hours=3),
            ),
            **more,
        )

    def awarded(self) -> AwardMade:
        return AwardMade(
            process_id=self.process_id,
            award_id=self.award_id,
            origin=self.origin,
            buyer_id=self.buyer,
            buyer_name="School No. 1",
            supplier_ids=(self.winner,),
            supplier_names=("Shop",),
            title="Paper",
            category=PAPER,
            method="open",
            place=MOSCOW,
            currency="RUB",
            amount=Decimal("1000.00"),
            lines=self.lines,
            awarded_at=OPENS + timedelta(hours=3),
        )

    def drafted(self) -> ContractDrafted:
        return ContractDrafted(
            process_id=self.process_id,
            contract_id=self.contract_id,
            award_id=self.award_id,
            origin=self.origin,
            buyer_id=self.buyer,
            buyer_name="School No. 1",
            supplier_id=self.winner,
            supplier_name="Shop",
            rank=1,
            title="Paper",
            category=PAPER,
            place=MOSCOW,
            currency="RUB",
            amount=Decimal("1000.00"),
            lines=self.lines,
            step="supplier-offer",
            due_at=OPENS + timedelta(days=2),
        )

    def concluded(self) -> ContractConcluded:
        return ContractConcluded(
            process_id=self.process_id,
            contract_id=self.contract_id,
            award_id=self.award_id,
            origin=self.origin,
            buyer_id=self.buyer,
            buyer_name="School No. 1",
            supplier_id=self.winner,
            supplier_name="Shop",
            title="Paper",
            category=PAPER,
            method="open",
            place=MOSCOW,
            currency="RUB",
            amount=Decimal("1000.00"),
            lines=self.lines,
            signed_at=OPENS + timedelta(days=1),
        )

    def ended(self) -> ContractEnded:
        return ContractEnded(
            process_id=self.process_id,
            contract_id=self.contract_id,
            supplier_id=self.winner,
            buyer_id=self.buyer,
            reason="lapsed",
            by="supplier",
            evasion=True,
        )

    def carried_out(self) -> list[Any]:
        """Everything is ordered at once, delivered late and in two parts, invoiced again, paid, and closed."""
        same = {
            "process_id": self.process_id,
            "contract_id": self.contract_id,
            "buyer_id": self.buyer,
            "supplier_id": self.winner,
        }
        all_of_it = tuple(LineQuantity(line_id=line.line_id, quantity=line.quantity) for line in self.lines)
        at = OPENS + timedelta(days=2)
        part = DeliveryAssessed(
            **same,
            delivery=1,
            order=1,
            outcome="partly",
            lines=all_of_it[:1],
            reasons="Wet",
            by="buyer",
            late=False,
            order_met=False,
            assessed_at=at,
        )
        invoice = InvoiceSubmitted(
            **same,
            invoice=1,
            member_id="m",
            reference="INV-77",
            deliveries=(1, 2),
            lines=(),
            currency="RUB",
            amount=Decimal("1000.00"),
            submitted_at=at,
            due_at=at,
        )
        told = {"process_id": self.process_id, "contract_id": self.contract_id}
        return [
            OrderPlaced(
                **same,
                order=1,
                member_id="m",
                lines=all_of_it,
                place=MOSCOW,
                placed_at=at,
                due_at=at + timedelta(days=5),
            ),
            ExecutionOverdue(**told, about="order", number=1, party="supplier", due_at=at),
            part,
            msgspec.structs.replace(part, delivery=2, outcome="accepted", lines=all_of_it[1:], order_met=True),
            invoice,
            ExecutionWithdrawn(**told, about="invoice", number=1, by="supplier", at=at),
            msgspec.structs.replace(invoice, invoice=2),
            InvoiceSettled(**same, invoice=2, currency="RUB", amount=Decimal("1000.00"), by="supplier", settled_at=at),
            ContractClosed(
                **same,
                how="fulfilled",
                reasons="",
                currency="RUB",
                amount=Decimal("1000.00"),
                paid=Decimal("1000.00"),
                closed_at=at,
            ),
        ]
