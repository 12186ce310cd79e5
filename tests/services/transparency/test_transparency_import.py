"""`lonja import` on a running market: data take effect once, and what cannot be read is reported."""

import asyncio
import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner, Result

from events.imports import ImportedProcess, OrganisationImported, ProcessImported, organisations_of, processes_of
from infra.database import Database
from infra.ids import new_id
from services.transparency import intake
from services.transparency.cli import import_app
from services.transparency.ocds.candidates import Candidate
from services.transparency.ocds.tolerance import NotUnderstood
from services.transparency.reading import read_ocds
from tests.market import Market
from tests.services.transparency.publication_builders import a_release

Run = Callable[..., Any]
LEDGER = ["not_understood", "places"]


@pytest.fixture
def lonja(market: Market, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `lonja import …` as another process would, while the market runs."""
    monkeypatch.setenv("LONJA_DATABASE_URL", market.resources.config.database_url or "")

    async def run(*arguments: object) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, import_app, [str(word) for word in arguments])

    return run


def counts(result: Result) -> list[int]:
    summary = json.loads(result.stdout)
    assert list(summary) == ["files", "unusable", "records", "imported", "unchanged", "refused", *LEDGER, "seconds"]
    assert summary["records"] == summary["imported"] + summary["unchanged"] + summary["refused"]
    return [summary[name] for name in ("files", "records", "imported", "unchanged", "refused")]


async def outbox(market: Market) -> int:
    return int((await market.fetch("select count(*) from transparency.outbox"))[0][0])


async def of_process(market: Market, ocid: str) -> list[ImportedProcess]:
    """The events about the process, in order."""
    told = list(processes_of(await market.published("transparency", ProcessImported)))
    process_id = next(one.process_id for one in told if one.tender and one.tender.ocid == ocid)
    return [one for one in told if one.process_id == process_id]


async def test_a_release_arrives_as_one_event_of_its_process(
    market: Market, lonja: Run, publish: Callable[..., Path]
) -> None:
    ocid = f"ocds-abc123-{new_id()}"
    result = await lonja("ocds", publish([a_release(ocid)]), "--json")
    assert (result.exit_code, counts(result)) == (0, [1, 1, 1, 0, 0])
    (told,) = await of_process(market, ocid)
    (award,), (contract,) = told.awards, told.contracts
    assert (award.amount, award.currency, award.supplier_names) == (Decimal(100), "EUR", ("Shop Ltd",))
    assert (contract.buyer_name, contract.lines[0].unit_price) == ("City", Decimal(10))

    async def relayed() -> bool:
        waiting = await market.fetch("select 1 from transparency.outbox where published_at is null")
        return not waiting

    await market.eventually(relayed)


async def test_a_second_run_changes_nothing(market: Market, lonja: Run, publish: Callable[..., Path]) -> None:
    path = publish([a_release(f"ocds-abc123-{new_id()}"), a_release(f"ocds-abc123-{new_id()}"), 42])
    first = await lonja("ocds", path, "--json")
    assert counts(first) == [1, 3, 2, 0, 1]
    before = await outbox(market)
    again = await lonja("ocds", path, path, "--json")
    assert (again.exit_code, counts(again)) == (0, [2, 6, 0, 4, 2])
    assert await outbox(market) == before
    assert json.loads(again.stdout)["not_understood"].keys() == json.loads(first.stdout)["not_understood"].keys()


async def test_a_release_that_a_former_release_of_lonja_kept_is_known_again(
    market: Market, lonja: Run, publish: Callable[..., Path]
) -> None:
    """The former release computed the digest from another form of the content."""
    ocid = f"ocds-abc123-{new_id()}"
    path = publish([a_release(ocid)])
    await lonja("ocds", path, "--json")
    (row,) = await market.fetch("select * from transparency.originals where ocid = $1", ocid)
    whole = json.loads(zlib.decompress(row["body"]), parse_float=Decimal)
    former = hashlib.sha256(json.dumps([ocid, whole], sort_keys=True, default=str).encode()).hexdigest()
    assert former != row["digest"]
    await market.fetch("update transparency.originals set digest = $1 where ocid = $2", former, ocid)
    assert counts(await lonja("ocds", path, "--json")) == [1, 1, 0, 1, 0]
    assert len(await market.fetch("select from transparency.originals where ocid = $1", ocid)) == 1


async def test_a_later_release_of_a_known_process_tells_only_what_changed(
    market: Market, lonja: Run, publish: Callable[..., Path]
) -> None:
    ocid = f"ocds-abc123-{new_id()}"
    await lonja("ocds", publish([a_release(ocid)]), "--json")
    later = a_release(ocid, id="2", date="2024-06-01T10:00:00Z", tag=["contractAmendment"])
    del later["awards"]
    later["contracts"][0]["title"] = "Paper, amended"
    result = await lonja("ocds", publish([later]), "--json")
    assert counts(result) == [1, 1, 1, 0, 0]
    first, second = await of_process(market, ocid)
    assert [len(one.awards) for one in (first, second)] == [1, 0]
    assert [each.title for one in (first, second) for each in one.contracts] == ["Paper", "Paper, amended"]
    assert second.contracts[0].amount == Decimal(100)


async def test_an_import_that_was_stopped_goes_on_where_it_was(
    market: Market, lonja: Run, publish: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ocids = [f"ocds-abc123-{new_id()}" for _ in range(5)]
    path = publish([a_release(ocid) for ocid in ocids])
    monkeypatch.setattr(intake, "BATCH", 2)

    def stop(so_far: intake.Counts) -> None:
        if so_far.records == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await intake.take_in(market.resources.database, read_ocds(path, NotUnderstood()), stop)
    assert counts(await lonja("ocds", path, "--json")) == [1, 5, 1, 4, 0]
    told = Counter(
        one.tender.ocid
        for one in processes_of(await market.published("transparency", ProcessImported))
        if one.tender is not None
    )
    assert [told[ocid] for ocid in ocids] == [1] * 5


async def test_the_next_batch_is_read_while_one_is_saved_and_what_breaks_it_comes_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "BATCH", 2)
    read = 0
    saved: list[int] = []
    told: list[int] = []

    def reading() -> Iterator[None]:
        nonlocal read
        for _ in range(6):
            read += 1
            yield None
        raise intake.FileUnusable("broken here")

    async def save(_: Database, candidates: Sequence[Candidate]) -> int:
        for _ in range(10):
            await asyncio.sleep(0)
        saved.append(read)
        return len(candidates)

    monkeypatch.setattr(intake, "_save", save)
    with pytest.raises(intake.FileUnusable, match="broken here"):
        await intake.take_in(cast(Database, None), reading(), lambda counts: told.append(counts.records))
    assert saved == [4, 6, 6]
    assert told == [2, 4, 6]


async def test_two_imports_of_one_file_at_once_share_the_work(market: Market, publish: Callable[..., Path]) -> None:
    path = publish([a_release(f"ocds-abc123-{new_id()}") for _ in range(30)])
    tries = (
        intake.take_in(market.resources.database, read_ocds(path, NotUnderstood()), lambda _: None) for _ in range(2)
    )
    first, second = await asyncio.gather(*tries)
    assert (first.imported + second.imported, first.records, second.records) == (30, 30, 30)


async def test_an_organisation_is_registered_once_with_all_its_roles(
    market: Market, lonja: Run, publish: Callable[..., Path]
) -> None:
    number = new_id()
    party = {"id": "S", "name": "Both Ltd", "identifier": {"scheme": "XX-REG", "id": number}}
    sells, buys = (a_release(f"ocds-abc123-{new_id()}") for _ in range(2))
    sells["parties"] = [{**party, "roles": ["supplier"]}]
    buys["parties"], buys["buyer"], buys["awards"] = [{**party, "roles": ["buyer"]}], {"id": "S"}, []
    for _ in range(2):
        await lonja("ocds", publish([sells, {**sells, "ocid": f"ocds-abc123-{new_id()}"}]), "--json")
    await lonja("ocds", publish([buys]), "--json")
    news = organisations_of(await market.published("transparency", OrganisationImported))
    told = [one for one in news if one.name == "Both Ltd"]
    assert [one.roles for one in told if one.identifier == number.upper()] == [("supplier",), ("buyer", "supplier")]


async def test_prices_come_by_a_mapping_of_ones_own(
    market: Market, lonja: Run, publish: Callable[..., Path], tmp_path: Path
) -> None:
    number = new_id()[-12:]
    mapping = tmp_path / "m.toml"
    mapping.write_text(
        f'kind = "prices"\npublisher = "Test {number}"\nnamespace = "zz-{number}"\nrequired = ["date", "unit_price"]\n'
        '[columns]\ndate = "day"\nitem = "what"\nunit_price = "price"\nquantity = "how many"\nunit_text = "unit"\n'
        '[constants]\ncountry = "PY"\ncurrency = "PYG"\n'
    )
    path = publish("day;what;price;how many;unit\n2024-01-02;Sugar;5000;3;kg\n2024-01-03;Salt;dear;1;kg\n", "p.csv")
    result = await lonja("prices", path, "--mapping", mapping, "--json")
    assert (result.exit_code, counts(result)) == (0, [1, 2, 1, 0, 1])
    assert json.loads(result.stdout)["not_understood"] == {
        "contracts: no supplier, published without one": 1,
        "awards: no supplier, published without one": 1,
        "refused: price: not a number": 1,
    }
    told = [
        one
        for process in processes_of(await market.published("transparency", ProcessImported))
        for one in process.contracts
        if one.source.publisher.endswith(number)
    ]
    assert [(one.amount, one.supplier_id, one.place.country) for one in told] == [(Decimal(15000), "", "PY")]
    assert counts(await lonja("prices", path, "--mapping", mapping, "--json")) == [1, 2, 0, 1, 1]
    wrong = await lonja("awards", path, "--mapping", mapping)
    assert "use `lonja import prices`" in str(wrong.exception)


async def test_one_bad_file_does_not_stop_the_others(
    market: Market, lonja: Run, publish: Callable[..., Path], tmp_path: Path
) -> None:
    good = publish([a_release(f"ocds-abc123-{new_id()}")], "good.jsonl")
    broken_ocid = f"ocds-abc123-{new_id()}"
    whole = gzip.compress("\n".join(json.dumps(a_release(broken_ocid)) for _ in range(3)).encode())
    broken = publish(whole[:-12], "broken.jsonl.gz")
    result = await lonja("ocds", tmp_path / "missing.json", tmp_path, broken, good, "--json")
    assert (result.exit_code, counts(result)) == (1, [4, 1, 1, 0, 0])
    assert json.loads(result.stdout)["unusable"] == 3
    refused = {kind for kind in json.loads(result.stdout)["not_understood"] if kind.startswith("refused: file: ")}
    assert {kind.rpartition(": ")[2] for kind in refused} == {"not readable", "a directory", "damaged compression"}
    said = result.stderr.replace("\n", "")
    assert "missing.json: No such file or directory" in said
    assert "is a directory" in said
    assert "broken.jsonl.gz: the compressed file is damaged" in said
    assert not await market.fetch("select 1 from transparency.originals where ocid = $1", broken_ocid)


async def test_the_summary_for_people_tells_what_was_not_understood(lonja: Run, publish: Callable[..., Path]) -> None:
    release = a_release(f"ocds-abc123-{new_id()}", colour="blue")
    release["tender"]["procurementMethod"] = "by lot drawn"
    result = await lonja("ocds", publish([release]))
    assert "records 1, imported 1, unchanged 0, refused 0" in result.stdout
    assert "tender.procurementMethod: unknown word" in result.stdout
    assert "unknown field: colour" in result.stdout


async def test_the_command_lists_the_fields_of_a_mapping(lonja: Run) -> None:
    told = (await lonja("fields")).stdout
    assert 'date = "compra"' in told
    assert "unit_price, unit_text." in told
    assert "brazil_bps.toml" in told


async def test_without_a_database_the_remedy_is_named(
    lonja: Run, publish: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONJA_DATABASE_URL", "postgresql://nobody:x@127.0.0.1:9/none")
    result = await lonja("ocds", publish([a_release()]))
    assert result.exit_code != 0
    assert "does not answer: start Lonja with `make run`" in str(result.exception)


async def test_the_published_files_come_in_once(market: Market, lonja: Run, data: Path) -> None:
    files = sorted((data / "ocds").glob("*.jsonl.gz"))
    first, second = [await lonja("ocds", *files, "--json") for _ in range(2)]
    assert counts(first) == [5, 1182, 1169, 11, 2]
    assert counts(second) == [5, 1182, 0, 1180, 2]
    bodies = await market.fetch(
        "select envelope::json->>'type' as type, envelope::json->>'subject' as subject, data from transparency.outbox"
    )
    seen = Counter((row["type"], row["subject"], row["data"]) for row in bodies)
    assert max(seen.values()) == 1


async def test_what_no_event_can_carry_is_refused_and_a_large_process_comes_in_several_events(
    market: Market, lonja: Run, publish: Callable[..., Path]
) -> None:
    large, too_large = f"ocds-abc123-{new_id()}", a_release(f"ocds-abc123-{new_id()}")
    item = {**too_large["awards"][0]["items"][0], "description": "x" * 1_000}
    too_large["awards"][0]["items"] = [{**item, "id": str(number)} for number in range(500)]
    several = a_release(large)
    first = several["awards"][0]
    few = [{**item, "id": str(number)} for number in range(100)]
    several["awards"] = [{**first, "id": str(number), "items": few} for number in range(10)]
    result = await lonja("ocds", publish([too_large, several]), "--json")
    assert counts(result) == [1, 2, 1, 0, 1]
    assert json.loads(result.stdout)["not_understood"]["refused: more text or lines than one event carries"] == 1
    told = await of_process(market, large)
    assert len(told) > 1 and sum(len(one.awards) for one in told) == 10
