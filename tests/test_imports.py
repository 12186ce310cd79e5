"""Imported data reach every service that shows them, each process once, through consumers that let live events go
first."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from events.imports import OrganisationImported, ProcessImported, organisations_of, processes_of
from infra.ids import new_id
from services.transparency.cli import import_app
from tests.market import Market

MAPPING = """
kind = "prices"
publisher = "Elsewhere {number}"
namespace = "zz-{number}"
required = ["date", "unit_price"]
[columns]
id = "process"
date = "day"
item = "what"
unit_price = "price"
quantity = "how many"
supplier = "who"
buyer = "whom"
[constants]
country = "PY"
currency = "PYG"
"""


@pytest.fixture
def number() -> str:
    return new_id()[-12:]


async def test_an_imported_process_is_published_once_and_arrives_everywhere(
    market: Market, number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONJA_DATABASE_URL", market.resources.config.database_url or "")
    mapping, table = tmp_path / "m.toml", tmp_path / "t.csv"
    mapping.write_text(MAPPING.format(number=number))
    rows = [f"P{each % 3};2026-01-02;Sugar {number};{each};1;Mill {number};School {number}" for each in range(1, 31)]

    async def imported(*lines: str) -> None:
        table.write_text("\n".join(["process;day;what;price;how many;who;whom", *lines]))
        arguments = ["prices", str(table), "--mapping", str(mapping)]
        result = await asyncio.to_thread(CliRunner().invoke, import_app, arguments)
        assert result.exit_code == 0, result.output

    await imported(*rows)
    await imported(*rows, f"P1;2026-01-02;Sugar {number};31;1;Mill {number};School {number}")

    told = [
        event
        for event in processes_of(await market.published("transparency", ProcessImported))
        if any(one.source and one.source.publisher.endswith(number) for one in event.contracts)
    ]
    assert [(len(each.awards), len(each.contracts)) for each in told] == [(10, 10)] * 3 + [(1, 1)]
    assert [each.tender is not None for each in told] == [True] * 3 + [False]
    organisations = [
        event.name
        for event in organisations_of(await market.published("transparency", OrganisationImported))
        if event.name.endswith(number)
    ]
    assert sorted(organisations) == [f"Mill {number}", f"School {number}"]

    async def everywhere() -> bool:
        names = [f"Mill {number}"]
        counts = {
            "accounts": "select count(*) from accounts.contracts where supplier_name = any($1::text[])",
            "portal": "select count(*) from portal.contracts where supplier_name = any($1::text[])",
            "recommender": "select count(*) from recommender.awards a join recommender.suppliers s using (supplier_id)"
            " where s.name = any($1::text[])",
            "observatory": "select count(*) from observatory.observations where body->>'supplier_name' = any($1::text[])",
        }
        found = {name: (await market.fetch(query, names))[0][0] for name, query in counts.items()}
        assert found == dict.fromkeys(counts, 31)
        return True

    await market.eventually(everywhere, within=30)
