"""While PostgreSQL is frozen, the web process answers in time that clients should try again. When PostgreSQL runs again,
everything continues."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import psutil
import pytest
from typer.testing import CliRunner

from infra.cli import app
from infra.clock import ShiftedClock
from infra.config import Config
from infra.embedded import Servers
from infra.producer import Producer
from infra.runtime import prepare, standing
from tests.faults.living import POLICY, frozen
from tests.faults.test_two_webs import a_process
from tests.market import Market, Markets, empty_database, skip_to_now
from tests.services.auctions.market_builders import an_organisation, paper

BIDS = 8
PATIENCE = 15.0
"""Seconds that a visitor waits: the time for which a process may be silent by default."""
COMMANDS = ("consumers list", "outbox list", "members list", "psql -c table", "export ocds all.jsonl", "rebuild")
SENTENCES = {
    "en": "The database of the market does not answer at the moment.",
    "es": "La base de datos del mercado no responde en este momento.",
    "ru": "База данных площадки сейчас не отвечает.",
}


@dataclass
class Told:
    """The requests and answers while PostgreSQL was frozen, and those of the same requests afterwards."""

    frozen: list[dict[str, httpx.Response]] = field(default_factory=list)
    after: dict[str, httpx.Response] = field(default_factory=dict)
    doctor: str = ""
    commands: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Exit code and standard error of each."""
    same_process: bool = False
    bids: list[Any] = field(default_factory=list)
    opened: int = 0
    stream: str = ""


@asynccontextmanager
async def one_web(servers: Servers, markets: Markets) -> AsyncIterator[tuple[Market, psutil.Process, dict[str, str]]]:
    """Start a web process and a worker, both with the service auctions only."""
    await markets.stop()  # its consumers would share the partitions
    await skip_to_now(servers.kafka_bootstrap, ("auctions",))
    home = servers.home / "frozen-database"
    shutil.rmtree(home, ignore_errors=True)
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "demo.toml").write_text(POLICY)
    config = replace(
        Config.load({**os.environ, "LONJA_HOME": str(home), "LONJA_POLICY": "demo"}),
        policies=home / "policies",
        database_url=await empty_database(servers, "lonja_frozen"),
        kafka_bootstrap=servers.kafka_bootstrap,
        rate_limit=10_000_000,
    )
    await prepare(config)
    async with AsyncExitStack() as stack:
        web, worker = (a_process(config, stack, half, half) for half in ("web", "worker"))
        for child in (web, worker):
            child.start()
            await child.wait_ready()
        resources = await stack.enter_async_context(standing(config))
        kafka = Producer(servers.kafka_bootstrap)
        await kafka.start()
        stack.push_async_callback(kafka.stop)
        market = Market(resources, ShiftedClock(), f"http://127.0.0.1:{web.part.port}", kafka)
        yield market, psutil.Process(web.pid), config.environment()


@pytest.fixture(scope="module")
async def told(servers: Servers, topics: None, markets: Markets) -> AsyncIterator[Told]:
    async with one_web(servers, markets) as (market, web, environment):
        buyer = await an_organisation(market, "buyer")
        suppliers = [await an_organisation(market, "supplier") for _ in range(BIDS)]
        async with AsyncExitStack() as stack:

            async def client(principal: Any = None) -> httpx.AsyncClient:
                visitor = market.client(principal)
                visitor.timeout = httpx.Timeout(PATIENCE)
                return await stack.enter_async_context(visitor)

            visitor, officer = await client(), await client(buyer)
            bidders = [await client(each) for each in suppliers]
            opened = await officer.post("/api/auctions", json=paper())
            assert opened.status_code == 201, opened.text
            auction = f"/auctions/{opened.json()['auction_id']}"

            async def bid(number: int) -> httpx.Response:
                amount, key = f"{980 - 10 * number}.00", {"idempotency-key": f"bid {number}"}
                return await bidders[number].post(f"/api{auction}/bids", json={"amount": amount}, headers=key)

            async def ask_all() -> dict[str, httpx.Response]:
                html = {"accept": "text/html"}
                asked = {
                    **{
                        f"page {language}": visitor.get(auction, headers=html | {"accept-language": language})
                        for language in SENTENCES
                    },
                    "read": visitor.get(f"/api{auction}"),
                    "list": visitor.get("/api/auctions"),
                    "write": officer.post("/api/auctions", json=paper(), headers={"idempotency-key": "once"}),
                    **{f"bid {number}": bid(number) for number in range(1, BIDS)},
                    "live": visitor.get("/health/live"),
                    "ready": visitor.get("/health/ready"),
                }
                return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))

            assert (await bid(0)).status_code == 201
            told = Told()
            watching = market.client()
            watching.timeout = httpx.Timeout(60)
            stream = await stack.enter_async_context(
                (await stack.enter_async_context(watching)).stream("GET", f"{auction}/live")
            )
            pushed = stream.aiter_text()
            await anext(pushed)
            with frozen(servers.children["postgres"].pid):
                told.frozen.append(await ask_all())
                told.frozen.append(await ask_all())  # over connections that must be opened now
                result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--json"], env=environment)
                told.commands = dict(
                    zip(
                        COMMANDS,
                        await asyncio.gather(*(a_command(each, environment) for each in COMMANDS)),
                        strict=True,
                    )
                )
                told.doctor = next(each["found"] for each in json.loads(result.stdout) if each["what"] == "postgres")
            told.after = await market.eventually(lambda: all_are_served(ask_all), within=60)
            told.same_process = web.is_running()
            told.bids = await market.fetch("select request_key, sequence, amount from auctions.bids")
            told.opened = len(await market.fetch("select 1 from auctions.auctions"))
            async with asyncio.timeout(60):
                while "910.00" not in told.stream:
                    told.stream += await anext(pushed)
        yield told


async def a_command(words: str, environment: dict[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli", *words.split()),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return process.returncode or 0, said.decode()


async def all_are_served(ask_all: Any) -> dict[str, httpx.Response]:
    answers: dict[str, httpx.Response] = await ask_all()
    assert [name for name, answer in answers.items() if answer.status_code == 503 and name != "ready"] == []
    return answers


def test_a_page_says_in_the_readers_language_what_is_away_and_loads_again_by_itself(told: Told) -> None:
    for answers in told.frozen:
        for language, sentence in SENTENCES.items():
            answer = answers[f"page {language}"]
            assert answer.status_code == 503
            seconds = answer.headers["retry-after"]
            assert f'<meta http-equiv="refresh" content="{seconds}">' in answer.text
            assert f'href="{answer.url.path}"' in answer.text
            assert sentence in answer.text
            assert f'lang="{language}"' in answer.text


@pytest.mark.parametrize("what", ["read", "list", "write", *(f"bid {number}" for number in range(1, BIDS))])
def test_a_program_gets_a_problem_that_says_when_to_try_again(told: Told, what: str) -> None:
    for answers in told.frozen:
        answer = answers[what]
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 503


def test_the_process_lives_and_says_that_the_database_does_not_answer(told: Told) -> None:
    for answers in told.frozen:
        assert answers["live"].status_code == 200
        assert answers["ready"].status_code == 503
        database = next(part for part in answers["ready"].json()["parts"] if part["part"] == "database")
        assert database["state"] == "degraded"
        assert database["detail"].startswith("no answer within 3 s: it is frozen")


def test_the_doctor_distinguishes_a_frozen_server_from_one_that_does_not_run(told: Told) -> None:
    assert "takes connections and gives no answer" in told.doctor


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_that_the_database_is_frozen_and_what_to_do(told: Told, command: str) -> None:
    code, said = told.commands[command]
    assert "takes connections and gives no answer: it is frozen or overloaded; wait: " in " ".join(said.split())
    assert code == 1 and "Traceback" not in said


def test_everything_continues_in_the_same_process_when_the_database_runs_again(told: Told) -> None:
    assert told.same_process
    assert {name: answer.status_code for name, answer in told.after.items() if name in ("read", "list", "live")} == {
        "read": 200,
        "list": 200,
        "live": 200,
    }
    assert told.after["write"].status_code == 201


def test_a_request_that_is_repeated_under_its_key_is_done_once(told: Told) -> None:
    assert told.opened == 2
    keys = [row["request_key"] for row in told.bids]
    assert sorted(keys) == [f"bid {number}" for number in range(BIDS)]
    for number in range(1, BIDS):
        answer = told.after[f"bid {number}"].json()
        row = next(row for row in told.bids if row["request_key"] == f"bid {number}")
        assert answer.get("sequence") == row["sequence"]


def test_a_live_page_is_not_cut_off(told: Told) -> None:
    assert "910.00" in told.stream
