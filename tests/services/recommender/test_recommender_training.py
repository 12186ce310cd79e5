"""Learning on the real servers: models are measured, stored, and used only if they are not worse; and streaming views
are rebuilt by replay."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest
from aiokafka import AIOKafkaProducer

from events.auctions import BidDisclosed
from events.catalogue import SkuPublished
from events.contracts import AwardMade, ContractConcluded
from events.recommender import ModelTrained, RecommendationsMade
from events.values import Attribute, Category, Line, Place
from infra import streams
from infra.ids import new_id
from infra.producer import Producer
from recommender import Model, Opportunity
from services.recommender.agents import VIEWS
from services.recommender.engine import Advise, Engine, EngineFailed, Learn
from services.recommender.service import create
from services.recommender.store import advice, trainings
from services.recommender.store.alone import alone
from services.recommender.store.trainings import Training
from services.recommender.training import TooFewAwards, TrainingRuns, train_now
from tests.market import Market
from tests.services.recommender.builders import ELSEWHERE, a_supplier, agent_of, an_auction, an_award

TRADES = [Category(scheme="TRADE", code=f"{letter}100") for letter in "ABCDEF"]
PLACES = [Place(country="CA", region=region) for region in ("CA-ON", "CA-QC")]


def a_pattern(market: Market, awards: int, days_ago: int) -> list[AwardMade]:
    """One award per day: in each trade and region one supplier wins two of three times, and another one the rest."""
    start = market.clock() - timedelta(days=days_ago)
    found = []
    for day in range(awards):
        trade, place = TRADES[day % 6], PLACES[day // 6 % 2]
        winner = "second" if day // 12 % 3 == 2 else "first"
        supplier = f"{winner} {trade.code} {place.region}"
        at, buyer = start + timedelta(days=day), f"{place.region} city"
        found.append(an_award(supplier, at, trade, buyer=buyer, place=place, title=f"order{day}"))
    return found


def a_lottery(market: Market, awards: int) -> list[AwardMade]:
    """A few popular suppliers win most awards of all kinds: nothing else can be learned.

    The model depends on the order within a day, which is that of the ids, so the ids are always the same."""
    chance = random.Random(2)
    start = (market.clock() - timedelta(days=300)).replace(hour=0, minute=0)
    return [
        an_award(
            f"lucky {min(int(chance.expovariate(0.4)), 90)}",
            start + timedelta(hours=number),
            Category(scheme="LOT", code=f"{chance.randrange(10**6):06}"),
            buyer=f"buyer {chance.randrange(400)}",
            place=Place(),
            process_id=f"lottery {number:04}",
        )
        for number in range(awards)
    ]


async def until_heard(market: Market, awards: list[AwardMade]) -> None:
    last = [award.award_id for award in awards]

    async def heard() -> bool:
        rows = await market.fetch("select count(*) from recommender.awards where award_id = any($1::text[])", last)
        return rows[0]["count"] == len(last)

    await market.eventually(heard, 90)


@pytest.fixture(scope="module")
async def learned(market: Market) -> Training:
    """The first training of a market whose history is only the pattern."""
    await market.fetch("delete from recommender.awards")
    await market.fetch("delete from recommender.trainings")
    awards = a_pattern(market, 480, days_ago=880)
    await market.publish(*awards)
    await until_heard(market, awards)
    return await train_now(market.resources)


async def test_a_model_is_learned_measured_kept_and_used(market: Market, learned: Training) -> None:
    training = learned
    assert training.promoted
    assert training.in_use == training.model_id
    figures = {(figure.group, figure.name): figure.value for figure in training.figures}
    assert figures["all", "hr@10"] >= figures["baseline popularity", "hr@10"] > 0
    assert figures["all", "n"] == round(0.2 * training.awards)
    (event,) = [one for one in await market.published("recommender", ModelTrained) if one.model_id == training.model_id]
    assert (event.promoted, event.awards, event.figures) == (True, training.awards, training.figures)
    async with market.resources.database.transaction("recommender") as tx:
        in_use, data = await trainings.model_in_use(tx)
    assert in_use == training.model_id
    model = Model.from_bytes(data or b"")
    assert model.ranker.learned
    first = model.rank_suppliers(Opportunity(buyer="CA-ON city", region="CA-ON", category="TRADE:A100"), 1)
    assert [one.supplier for one in first] == ["first A100 CA-ON"]

    supplier, auction = a_supplier(TRADES[0]), an_auction(market.clock(), TRADES[0], place=Place())
    await market.publish(supplier, auction)

    async def recommended() -> bool:
        lists = await market.published("recommender", RecommendationsMade)
        return any(one.supplier_id == supplier.organisation_id and one.model_id == training.model_id for one in lists)

    await market.eventually(recommended, 90)


async def test_a_worse_model_is_not_promoted_and_the_public_page_says_why(market: Market, learned: Training) -> None:
    """It was trained on a lottery that lasted a month, and is measured on awards that follow the pattern again."""
    awards = a_lottery(market, 600) + a_pattern(market, 270, days_ago=272)
    await market.publish(*awards)
    await until_heard(market, awards)
    training = await train_now(market.resources)
    assert not training.promoted, training
    assert training.code == "worse_than_incumbent"
    assert training.in_use == learned.model_id
    async with market.client() as client:
        figures = (await client.get("/api/recommender/figures")).json()
        assert figures["in_use"] == learned.model_id
        assert figures["trainings"][0]["promoted"] is False
    async with market.browser() as browser:
        page = (await browser.get("/recommender")).text
        assert "not promoted" in page
        assert training.reason in page


async def test_a_restarted_service_recommends_with_the_kept_model(market: Market, learned: Training) -> None:
    async with market.resources.database.transaction("recommender") as tx:
        in_use, model = await trainings.model_in_use(tx)
        history = await advice.awards(tx)
    assert in_use == learned.model_id
    engine = Engine()
    try:
        with pytest.raises(EngineFailed, match="before it was taught"):
            await engine.advise(Advise([], [], [], 5))
        await engine.learn(Learn(model, history, market.clock().date()), "again")
        opening = Opportunity(category="TRADE:B100", region="CA-ON", buyer="CA-ON city", id="one")
        answer = await engine.advise(Advise([], [], [opening], 5))
        assert answer.invitees["one"][0].supplier == "first B100 CA-ON"
        engine.close()
        assert engine.knows is None
    finally:
        engine.close()


async def test_too_little_history_is_refused_by_name(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.recommender.training.MIN_AWARDS", 10**6)
    with pytest.raises(TooFewAwards, match="at least 1000000"):
        await train_now(market.resources)


async def test_two_trainings_do_not_run_at_once(market: Market) -> None:
    async with alone(market.resources, "training") as mine:
        assert mine
        with pytest.raises(TrainingRuns):
            await train_now(market.resources)


@pytest.fixture
async def kafka(market: Market) -> AsyncIterator[AIOKafkaProducer]:
    started = Producer(market.resources.config.kafka_bootstrap or "")
    await started.start()
    yield started
    await started.stop()


async def test_interest_and_co_purchases_come_again_by_replay(market: Market, kafka: AIOKafkaProducer) -> None:
    bootstrap = market.resources.config.kafka_bootstrap or ""
    supplier = a_supplier()
    trade = Category(scheme="TEST", code=new_id().replace("-", "").upper())
    bid = BidDisclosed(auction_id=new_id(), bid_id=new_id(), supplier_id=supplier.organisation_id, category=trade)
    paper, ink, glue = (new_id() for _ in range(3))
    skus = [
        SkuPublished(
            sku_id=sku,
            version=1,
            name=name,
            category=trade,
            attributes=(Attribute(name="a", value="b"),),
            base_unit="H87",
        )
        for sku, name in ((paper, "Paper"), (ink, "Ink"), (glue, "Glue"))
    ]
    contracts = [
        ContractConcluded(
            process_id=new_id(), contract_id=new_id(), award_id="a", origin="auction", buyer_id="b", buyer_name="B",
            supplier_id=supplier.organisation_id, supplier_name="", title="", category=trade, method="", place=Place(),
            currency=None, amount=Decimal(1), signed_at=market.clock(), source=ELSEWHERE,
            lines=tuple(Line(line_id=sku, description="", sku_id=sku) for sku in bought),
        )
        for bought in ((paper, ink), (paper, ink, glue), (glue,))
    ]  # fmt: skip
    await market.publish(*skus, bid, *contracts)
    for _ in range(2):
        for view in VIEWS:
            assert await streams.rebuild(market.resources, bootstrap, kafka, create(market.resources), view) > 0
        async with market.client() as client:
            together = (await client.get("/api/recommender/co-purchases", params={"sku": paper})).json()
        assert [(one["name"], one["together"]) for one in together] == [("Ink", 2), ("Glue", 1)]

    auction = an_auction(market.clock(), trade, place=Place())
    await market.publish(supplier, auction)

    async def why() -> list[str]:
        async with market.client(agent_of(supplier.organisation_id)) as client:
            return [
                reason
                for item in (await client.get("/api/recommendations")).json()["items"]
                for reason in item["reasons"]
            ]

    assert await market.eventually(why, 90) == [f"You have been active in category TEST {trade.code} before"]
