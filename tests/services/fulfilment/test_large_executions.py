"""A contract with many orders and deliveries that is read and acted on many times: the size of an answer, what is
decoded, which rows are written."""

import html
import re
import threading
from typing import Any

import asyncpg
import msgspec
import pytest

from infra import states
from infra.database import columns
from infra.decoded import ON_LOOP
from services.fulfilment.domain.state import Execution
from services.fulfilment.store import decoded, executions
from services.fulfilment.views.execution import OF_PAGE
from tests.explained import rolled_back
from tests.market import Market
from tests.services.conduct.read_off import performed
from tests.services.contracts.market_builders import Town, a_town
from tests.services.fulfilment.test_contracts_carried_out import Work, a_signed_contract

ORDERS, DELIVERIES = 250, 700
ONE = {"1": "1"}
LETTERS_OF_A_PAGE = 60_000


@pytest.fixture
async def work(market: Market) -> Work:
    """Return a contract with nearly as many orders and deliveries as are possible, and an invoice for each delivery."""
    town = await a_town(market)
    work = await a_signed_contract(town)
    await work.order(ONE)
    await work.deliver(ONE)
    await work.assess(ONE)
    await work.invoice(1)
    await work.pay(1)
    await work.confirm(1)
    await _grow(town, work.contract_id)
    return work


async def _grow(town: Town, contract_id: str) -> None:
    pool = town.market.resources.database.pool
    state = msgspec.json.decode(await _state(pool, contract_id))
    (order,), (delivery,), (invoice,) = state["orders"], state["deliveries"], state["invoices"]
    for line in state["lines"]:
        line["quantity"] = "1000000"
    state["orders"] = [order | {"number": number + 1} for number in range(ORDERS)]
    state["deliveries"] = [delivery | {"number": n + 1, "order": n % ORDERS + 1} for n in range(DELIVERIES)]
    state["invoices"] = [invoice | {"number": n + 1, "deliveries": [n + 1]} for n in range(DELIVERIES)]
    execution = msgspec.convert(state, Execution, strict=False)
    sides = {"buyer": execution.buyer_id, "supplier": execution.supplier_id}
    await pool.execute(
        "update fulfilment.executions set state = $2::text::jsonb where contract_id = $1",
        contract_id,
        msgspec.json.encode(execution).decode(),
    )
    await pool.execute(
        "insert into conduct.performed (contract_id, organisation_id, kind, number, side)"
        " select $1, * from unnest($2::text[], $3::text[], $4::int[], $5::text[]) on conflict do nothing",
        contract_id,
        *columns([(sides[each.party], each.kind, each.number, each.party) for each in performed(execution)]),
    )


async def _state(pool: asyncpg.Pool, contract_id: str) -> Any:
    return await pool.fetchval("select state::text from fulfilment.executions where contract_id = $1", contract_id)


async def _written(pool: asyncpg.Pool, contract_id: str) -> dict[tuple[str, str, int], str]:
    rows = await pool.fetch(
        "select organisation_id, kind, number, xmin::text as xmin from conduct.performed where contract_id = $1",
        contract_id,
    )
    return {(row["organisation_id"], row["kind"], row["number"]): row["xmin"] for row in rows}


async def _written_of(pool: asyncpg.Pool, work: Work, delivery: int) -> dict[tuple[str, str, int], str] | None:
    """Return the written rows, once this delivery counts as accepted."""
    found = await _written(pool, work.contract_id)
    return found if (work.supplier.organisation_id, "deliveries-accepted", delivery) in found else None


async def test_an_answer_has_the_newest_and_says_of_what_there_is_more(work: Work) -> None:
    path = f"/api/contracts/{work.contract_id}/execution"
    async with work.town.market.client() as client:
        answer = await client.get(path)
        shown = answer.json()
        assert len(answer.content) < 100_000
        assert [each["number"] for each in shown["orders"]] == [*range(ORDERS - OF_PAGE + 1, ORDERS + 1)]
        assert shown["totals"] == {"orders": ORDERS, "deliveries": DELIVERIES, "invoices": DELIVERIES, "disputes": 0}
        assert shown["more"] == ["orders", "deliveries", "invoices"]
        assert shown["lines"][0]["accepted"] == str(DELIVERIES) and len(shown["due"]) <= OF_PAGE * 2
        for kind in shown["more"]:
            found = [each["number"] for each in shown[kind]]
            while found[0] > 1:
                earlier = await client.get(f"{path}/{kind}", params={"before": found[0]})
                assert len(earlier.content) < 50_000
                found = [each["number"] for each in earlier.json()] + found
            assert found == [*range(1, shown["totals"][kind] + 1)]
            assert (await client.get(f"{path}/{kind}", params={"before": 1})).json() == []
        assert (await client.get(f"{path}/disputes")).json() == []
        assert (await client.get(f"{path}/deliveries")).json()[0]["note"] == ""
    async with work.town.market.client(work.buyer) as client:
        assert (await client.get(f"{path}/deliveries")).json()[0]["note"] == "TN-218"


async def test_a_page_has_the_newest_and_leads_to_all_that_there_is(work: Work) -> None:
    path = f"/contracts/{work.contract_id}/execution"
    async with work.town.market.client() as client:
        shown = (await client.get(path, headers={"accept": "text/html"})).text
        assert len(shown) < LETTERS_OF_A_PAGE
        assert f'id="order-{ORDERS}"' in shown and f'id="invoice-{DELIVERIES}"' in shown
        found: dict[str, set[int]] = {"delivery": set(), "invoice": set()}
        for part, what in (("orders", "delivery"), ("invoices", "invoice")):
            following = f"{path}?{part}=1#{part}"
            while following:
                answer = await client.get(following.partition("#")[0], headers={"accept": "text/html"})
                assert answer.status_code == 200 and len(answer.text) < LETTERS_OF_A_PAGE
                found[what] |= {int(each) for each in re.findall(rf'id="{what}-(\d+)"', answer.text)}
                link = re.search(rf'rel="next" href="([^"]*#{part})"', answer.text)
                following = html.unescape(link[1]) if link else ""
        assert found["delivery"] == found["invoice"] == set(range(1, DELIVERIES + 1))


async def test_however_often_anybody_reads_it_it_is_decoded_once_and_holds_up_nobody(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is decoded again after somebody acted."""
    where, decode = [], decoded._decode

    def counted(state: str, version: int) -> decoded.StoredExecution:
        where.append((len(state), threading.current_thread() is threading.main_thread()))
        return decode(state, version)

    monkeypatch.setattr(decoded, "_decode", counted)
    async with work.town.market.client() as client:
        for _ in range(3):
            for path in (f"/api/contracts/{work.contract_id}/execution", f"/contracts/{work.contract_id}/execution"):
                assert (await client.get(path)).status_code == 200
    assert [on_loop for size, on_loop in where if size > ON_LOOP] == [False]
    status, shown = await work.tell(work.buyer, "ending", {"kind": "closure", "reasons": "Enough"})
    assert (status, shown["ending"]["kind"]) == (201, "closure")
    assert (await work.shown())["ending"]["by"] == "buyer"
    assert [on_loop for size, on_loop in where if size > ON_LOOP] == [False, False]


async def test_an_act_writes_of_what_counts_only_what_it_changes(work: Work) -> None:
    pool = work.town.market.resources.database.pool
    before = await _written(pool, work.contract_id)
    assert len(before) > DELIVERIES
    status, _ = await work.deliver(ONE, order=ORDERS)
    assert status == 422
    await pool.execute(
        "update fulfilment.executions set state = jsonb_set(state, '{orders,0,lines,0,quantity}', '\"5\"') where contract_id = $1",
        work.contract_id,
    )
    await work.deliver({"1": "1"}, order=1)
    status, _ = await work.assess({"1": "1"}, delivery=DELIVERIES + 1)
    assert status == 201
    after = await work.town.market.eventually(lambda: _written_of(pool, work, DELIVERIES + 1))
    assert sum(before.get(key) != xmin for key, xmin in after.items()) <= 4
    assert len(before.keys() - after.keys()) <= 1


async def test_the_clock_decodes_it_beside_the_loop(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    on_loop: list[bool] = []

    def counted(*_: object) -> list[object]:
        on_loop.append(threading.current_thread() is threading.main_thread())
        return []

    monkeypatch.setattr(states, "readable", counted)
    database = work.town.market.resources.database
    async with rolled_back(database, "fulfilment") as (tx, db):
        await db.execute(
            "update fulfilment.executions set due_at = '2000-01-01Z' where contract_id = $1", work.contract_id
        )
        assert await executions.lock_due(tx, 1) == []
    assert False in on_loop, "the timers of the market have nothing as large"
