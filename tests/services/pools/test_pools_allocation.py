from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.pools.domain import Want, allocate, wanted

MORNING = datetime(2026, 11, 2, 9, tzinfo=UTC)


def want(member_id: str, firm: str, tolerance: str = "0", *, minute: int = 0) -> Want:
    return Want(
        member_id=member_id,
        firm=Decimal(firm),
        tolerance=Decimal(tolerance),
        enrolled_at=MORNING + timedelta(minutes=minute),
    )


def packs_of(pack: str, firm: str, tolerance: str = "0") -> Decimal:
    return wanted(want("a", firm, tolerance), Decimal(pack))


def shared(supply: str, pack: str, *wants: Want) -> dict[str, Decimal]:
    return allocate(wants, pack=Decimal(pack), supply=Decimal(supply))


class TestPacks:
    def test_a_remainder_completed_by_tolerance_is_one_more_pack(self) -> None:
        assert packs_of("10", "25", "5") == 30

    def test_a_remainder_that_tolerance_does_not_complete_is_not_bought(self) -> None:
        assert packs_of("10", "25", "4") == 20

    def test_tolerance_alone_never_makes_a_pack(self) -> None:
        assert packs_of("10", "20", "50") == 20

    def test_tolerance_completes_one_pack_and_no_second(self) -> None:
        assert packs_of("10", "25", "50") == 30

    def test_things_sold_loose_are_bought_exactly(self) -> None:
        assert packs_of("1", "2.5", "9") == Decimal("2.5")


class TestScarceSupply:
    def test_firm_quantities_come_before_tolerance_in_any_order_of_enrolment(self) -> None:
        early, late = want("early", "15", "5"), want("late", "20", minute=1)
        assert shared("30", "10", early, late) == {"early": 10, "late": 20}

    def test_tolerance_is_served_in_the_order_of_enrolment(self) -> None:
        first, second = want("z", "15", "5"), want("a", "15", "5", minute=1)
        assert shared("30", "10", first, second) == {"z": 20, "a": 10}

    def test_too_little_for_the_firm_is_pro_rata_by_largest_remainder(self) -> None:
        # 7 packs for 2 + 3 + 5: 1.4, 2.1 and 3.5, so the remaining pack goes to the third.
        assert shared("70", "10", want("a", "20"), want("b", "30"), want("c", "50")) == {"a": 1 * 10, "b": 20, "c": 40}

    def test_equal_remainders_go_by_enrolment_then_by_id(self) -> None:
        assert shared("10", "10", want("a", "10", minute=1), want("b", "10")) == {"a": 0, "b": 10}
        assert shared("10", "10", want("b", "10"), want("a", "10")) == {"a": 10, "b": 0}

    def test_a_supply_that_is_no_whole_pack_is_rounded_down(self) -> None:
        assert shared("19", "10", want("a", "10"), want("b", "10")) == {"a": 10, "b": 0}


QUANTITIES = st.integers(1, 80).map(lambda tenths: Decimal(tenths) / 2)
WANTS = st.lists(st.tuples(QUANTITIES, st.integers(0, 20), st.integers(0, 3)), max_size=8).map(
    lambda drawn: [
        Want(
            member_id=f"m{number}",
            firm=firm,
            tolerance=Decimal(tolerance),
            enrolled_at=MORNING + timedelta(minutes=minute),
        )
        for number, (firm, tolerance, minute) in enumerate(drawn)
    ]
)
PACKS = st.sampled_from([Decimal(1), Decimal(3), Decimal(10), Decimal("2.5")])


class TestAnyAllocation:
    @given(WANTS, PACKS, st.integers(0, 200).map(Decimal), st.integers())
    @settings(max_examples=settings.default.max_examples * 3 // 2)
    def test_is_whole_packs_within_supply_and_wants_and_leaves_nothing_wanted(
        self, wants: list[Want], pack: Decimal, supply: Decimal, seed: int
    ) -> None:
        shares = allocate(wants, pack=pack, supply=supply)
        firm = sum(want.firm if pack == 1 else want.firm // pack * pack for want in wants)
        assert sum(shares.values()) <= supply
        assert sum(shares.values()) >= min(firm, supply // pack * pack)
        for one in wants:
            assert 0 <= shares[one.member_id] <= wanted(one, pack) <= one.firm + one.tolerance
            assert pack == 1 or shares[one.member_id] % pack == 0
        assert shares == allocate(Random(seed).sample(wants, len(wants)), pack=pack, supply=supply)

    @given(WANTS, PACKS)
    def test_enough_supply_gives_everybody_what_it_wants(self, wants: list[Want], pack: Decimal) -> None:
        everything = {one.member_id: wanted(one, pack) for one in wants}
        assert allocate(wants, pack=pack) == everything
        assert allocate(wants, pack=pack, supply=sum(everything.values(), Decimal(0))) == everything
