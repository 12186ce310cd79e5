"""A changed number in the policy's file while the market runs: it applies to later judgements, and earlier items are
judged again."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import catalogue
from catalogue.policy import keep_own_in, load
from infra.ids import new_id
from services.observatory import store
from services.observatory.store import numbers
from tests.services.observatory.builders import a_contract
from tests.services.observatory.test_observatory_service import Observatory, observatory, three

SHIPPED = Path(catalogue.__file__).parent / "policies"
pytestmark = pytest.mark.servers
__all__ = ["observatory"]


@pytest.fixture
def folder(tmp_path: Path, observatory: Observatory) -> Iterator[Path]:
    """The folder of the market's own policies. Afterwards the default numbers apply again, and no item is left to be
    judged."""
    keep_own_in(tmp_path)
    yield tmp_path
    keep_own_in(None)


def write(folder: Path, market: Observatory, text: str, change: tuple[str, str] = ("", "")) -> None:
    name = f"{market.market.resources.config.policy}.toml"
    (folder / name).write_text(f"{(SHIPPED / name).read_text().replace(*change, 1)}\n[observatory]\n{text}\n")


async def test_what_was_judged_by_other_numbers_is_judged_again(observatory: Observatory, folder: Path) -> None:
    few, enough = new_id(), new_id()
    await observatory.hears(*(a_contract(few, price, observatory.today) for price in ("9", "11")))
    await three(observatory, enough)
    assert (await observatory.settled(few, 2))["answer"]["reason"]["rule"] == "too-few-observations"
    standing = (await observatory.settled(enough, 3))["answer"]
    write(folder, observatory, "fewest_prices = 2\nfewest_suppliers = 4")

    async def again() -> bool:
        answer = (await observatory.item(few))["answer"]
        if answer["reference"] is None:
            observatory.market.clock.advance(timedelta(seconds=1))
        return answer["reference_id"] is not None

    await observatory.market.eventually(again, within=30)
    found = (await observatory.item(few))["answer"]["reference"]
    assert (Decimal(found["median"]), found["grade"]) == (10, "C")

    async def anew() -> bool:
        return bool((await observatory.item(enough))["answer"]["version"] == standing["version"] + 1)

    await observatory.market.eventually(anew)
    assert (await observatory.item(enough))["answer"]["reference"]["grade"] == "C"
    async with observatory.market.browser() as browser:
        told = (await browser.get(f"/observatory/items/{enough}")).text
    assert "it comes from fewer than 4 suppliers" in told


async def test_an_answer_for_a_place_goes_by_the_numbers_in_force(observatory: Observatory, folder: Path) -> None:
    sku = new_id()
    await observatory.hears(*(a_contract(sku, price, observatory.today) for price in ("9", "11")))
    await observatory.settled(sku, 2)
    assert (await observatory.item(sku, "BR-SE"))["answer"]["reference"] is None
    write(folder, observatory, "fewest_prices = 2")
    assert Decimal((await observatory.item(sku, "BR-SE"))["answer"]["reference"]["median"]) == 10


async def test_which_grades_bound_an_initial_price_is_the_policys_word(observatory: Observatory, folder: Path) -> None:
    sku = new_id()
    await three(observatory, sku)
    await observatory.settled(sku, 3)

    async def bounds() -> bool:
        async with observatory.market.client() as client:
            return bool((await client.get("/api/observatory/reference", params={"sku": sku})).json()["is_ceiling"])

    assert await bounds()
    write(folder, observatory, "", change=("[auction]", "[auction]\nreference_grades = []"))
    assert not await bounds()


async def test_items_are_marked_in_portions_each_once(
    observatory: Observatory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        sku = new_id()
        await three(observatory, sku)
        await observatory.settled(sku, 3)
    monkeypatch.setattr(numbers, "AT_ONCE", 1)
    async with observatory.market.resources.database.transaction("observatory") as tx:
        usual = load(observatory.market.resources.config.policy).observatory
        await store.mark_changed(tx, usual)
        await (await tx.raw()).execute("select from observatory.numbers for update")  # the market's own timer waits
        write(folder, observatory, "decimal_places = 4")
        others = load(observatory.market.resources.config.policy).observatory
        items = await (await tx.raw()).fetchval("select count(*) from observatory.items")
        assert [await store.mark_changed(tx, others) for _ in range(items + 2)] == [1] * items + [0, 0]
        due = await (await tx.raw()).fetchval(
            "select count(*) from observatory.items where observations > 0 and (due_at is null or due_at > $1)", tx.now
        )
        assert due == 0
