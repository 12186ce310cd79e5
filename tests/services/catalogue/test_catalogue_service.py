"""The catalogue on real servers: proposed, moderated, published, offered, found, ended."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from catalogue.search import SkuSearch
from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.catalogue import OfferArchived, OfferPublished, SkuArchived, SkuProposed, SkuPublished, SkuReturned
from events.observatory import ReferencePricePublished, ReferencePriceWithdrawn
from events.values import Line, Place
from infra.ids import new_id
from services.catalogue import store
from services.catalogue.finder import Finder
from services.market.lines import beside_references
from tests.market import Market
from tests.services.catalogue.market_builders import D, Stall, a_card, some_terms
from tests.unreadable import lists, only_a_newer_release_reads, says_so


@pytest.fixture
def stall(market: Market) -> Stall:
    return Stall(market)


class TestProposing:
    async def test_a_proposal_awaits_moderation_with_a_deadline(self, stall: Stall) -> None:
        made = (await stall.post(stall.buyer, "/skus", a_card("Zither strings, bronze"))).json()
        assert made["state"] == "moderation"
        assert made["decide_by"] > made["proposed_at"]
        await stall.make_urgent([made["sku"]["sku_id"]])
        queue = await stall.get("/moderation", stall.moderator)
        assert made["sku"]["sku_id"] in [each["sku"]["sku_id"] for each in queue]
        assert len(await stall.happened(SkuProposed, made["sku"]["sku_id"])) == 1

    async def test_a_card_that_breaks_a_rule_is_refused_with_it(self, stall: Stall) -> None:
        refused = await stall.post(stall.buyer, "/skus", a_card("Bare", attributes=[]))
        assert (refused.status_code, refused.json()["rule"]) == (422, "too-few-attributes")

    async def test_four_litres_do_not_become_megabytes(self, stall: Stall) -> None:
        refused = await stall.post(stall.buyer, "/skus", a_card("Oil", base_unit="4L"))
        assert (refused.status_code, refused.json()["rule"], refused.json()["field"]) == (
            422,
            "unknown-unit",
            "base_unit",
        )
        made = await stall.post(stall.buyer, "/skus", a_card("Storage for scores", base_unit="megabyte"))
        assert made.json()["sku"]["base_unit"] == "4L"

    async def test_a_number_nobody_could_print_is_refused(self, stall: Stall) -> None:
        refused = await stall.post(stall.buyer, "/skus", a_card("Endless", pack_size="1E+999999"))
        assert (refused.status_code, refused.json()["rule"]) == (422, "out-of-range")

    async def test_the_same_request_again_proposes_nothing_new(self, stall: Stall) -> None:
        key = new_id()
        first = await stall.post(stall.buyer, "/skus", a_card("Kettle drum skin"), key)
        again = await stall.post(stall.buyer, "/skus", a_card("Kettle drum skin"), key)
        edited = await stall.post(stall.buyer, "/skus", a_card("Kettle drum stick"), key)
        assert (edited.status_code, edited.json()["rule"]) == (422, "idempotency-key-reused")
        assert first.json() == again.json()

    async def test_near_duplicates_are_shown_before_it_can_be_proposed(self, stall: Stall) -> None:
        there = await stall.published("Harmonica in C, chromatic")
        await stall.market.eventually(lambda: found(stall, "harmonica chromatic", there))
        twin = a_card("Harmonica in C, chromatic")
        refused = await stall.post(stall.buyer, "/skus", twin)
        assert (refused.status_code, refused.json()["rule"]) == (422, "near-duplicates")
        assert there in refused.json()["numbers"]["sku_ids"]
        assert (await stall.post(stall.buyer, "/skus", twin | {"none_of_these": True})).status_code == 201

    async def test_one_that_awaits_moderation_is_a_near_duplicate_too(self, stall: Stall) -> None:
        await stall.post(stall.buyer, "/skus", a_card("Ocarina of clay, twelve holes"))
        refused = await stall.post(stall.buyer, "/skus", a_card("Ocarina of clay, twelve holes"))
        assert refused.json()["rule"] == "near-duplicates"


class TestModeration:
    async def test_only_its_proposer_can_correct_a_returned_card(self, stall: Stall) -> None:
        sku_id = (await stall.post(stall.buyer, "/skus", a_card("Bassoon reed"))).json()["sku"]["sku_id"]
        empty = await stall.post(stall.moderator, f"/skus/{sku_id}/return", {"reasons": [" "]})
        assert (empty.status_code, empty.json()["rule"]) == (422, "card-reason-missing")
        for _ in range(2):
            returned = await stall.post(stall.moderator, f"/skus/{sku_id}/return", {"reasons": ["say the cut"]})
            assert returned.json()["reasons"] == ["say the cut"]
        [event] = await stall.happened(SkuReturned, sku_id)
        assert event.reasons[0].message == "say the cut"
        other = await stall.supplier()
        refused = await stall.post(other, f"/skus/{sku_id}/versions", a_card("Bassoon reed, medium"))
        assert refused.json()["rule"] == "not-the-proposer"
        mended = await stall.post(stall.buyer, f"/skus/{sku_id}/versions", a_card("Bassoon reed, medium"))
        assert (mended.json()["state"], mended.json()["sku"]["version"]) == ("moderation", 1)

    async def test_a_published_sku_changes_by_a_new_version_of_the_same_pack(self, stall: Stall) -> None:
        sku_id = await stall.published("Oboe cork grease")
        other_pack = await stall.post(stall.buyer, f"/skus/{sku_id}/versions", a_card("Oboe grease", pack_size="20"))
        assert other_pack.json()["rule"] == "pack-changed"
        second = await stall.post(stall.buyer, f"/skus/{sku_id}/versions", a_card("Oboe cork grease, organic"))
        assert second.json()["sku"]["version"] == 2
        assert (await stall.get(f"/skus/{sku_id}"))["sku"]["version"] == 1
        for _ in range(2):
            await stall.post(stall.moderator, f"/skus/{sku_id}/publish", {"version": 2})
        assert (await stall.get(f"/skus/{sku_id}"))["sku"]["version"] == 2
        assert [event.version for event in await stall.happened(SkuPublished, sku_id)] == [1, 2]

    async def test_archiving_ends_the_offers_and_the_finding(self, stall: Stall) -> None:
        sku_id = await stall.published("Viola mute, rubber")
        await stall.offer(await stall.supplier(), sku_id)
        await stall.market.eventually(lambda: found(stall, "viola mute", sku_id))
        for _ in range(2):
            archived = await stall.post(stall.moderator, f"/skus/{sku_id}/archive", {"reason": "no longer made"})
            assert archived.json()["state"] == "archived"
        assert len(await stall.happened(SkuArchived, sku_id)) == 1
        assert [event.reason for event in await stall.happened(OfferArchived, sku_id)] == ["sku-archived"]
        await stall.market.eventually(lambda: gone(stall, "viola mute", sku_id))

    async def test_only_moderators_decide(self, stall: Stall) -> None:
        sku_id = (await stall.post(stall.buyer, "/skus", a_card("Tuba mouthpiece"))).json()["sku"]["sku_id"]
        for step in ("publish", "return", "archive"):
            assert (await stall.post(stall.buyer, f"/skus/{sku_id}/{step}")).status_code == 403
            assert (await stall.post(None, f"/skus/{sku_id}/{step}")).status_code == 401
        assert (await stall.post(stall.observer, "/skus", a_card("x"))).status_code == 403
        assert (await stall.post(stall.moderator, "/skus/unheard-of/publish")).status_code == 404


class TestOffers:
    async def test_offers_rank_by_landed_price_for_region_and_quantity(self, stall: Stall) -> None:
        sku_id = await stall.published("Cello rosin, dark")
        near, far, bulk = [await stall.supplier(name) for name in ("Near", "Far", "Bulk")]
        with_vat = await stall.offer(near, sku_id, price="110.00")
        plus_vat = await stall.offer(far, sku_id, price="100.00", vat_included=False, regions=["RU"])
        tiers = [{"from_quantity": "50", "price": "90.00"}]
        tiered = await stall.offer(bulk, sku_id, price="130.00", min_quantity="5", tiers=tiers)
        few = await stall.get(f"/skus/{sku_id}", region="RU-MOW", quantity="1")
        assert [row["offer"]["offer_id"] for row in few["offers"]] == [with_vat, plus_vat, tiered]
        assert [row["landed"] for row in few["offers"]] == ["11.000000", "12.000000", None]
        assert few["offers"][2]["unavailable"]["because"] == "below-minimum"
        many = await stall.get(f"/skus/{sku_id}", region="RU-MOW", quantity="50")
        assert many["offers"][0]["offer"]["offer_id"] == tiered
        assert many["offers"][0]["total"] == "4500.00"
        elsewhere = await stall.get(f"/skus/{sku_id}", region="RU-SPE", quantity="50")
        assert elsewhere["offers"][0]["offer"]["offer_id"] == plus_vat
        assert {row["unavailable"]["because"] for row in elsewhere["offers"][1:]} == {"region-not-served"}

    async def test_who_is_not_an_active_supplier_offers_nothing(self, stall: Stall) -> None:
        sku_id = await stall.published("Flute case")
        assert (await stall.post(stall.buyer, "/offers", some_terms(sku_id))).status_code == 403
        supplier = await stall.supplier()
        offer_id = await stall.offer(supplier, sku_id)
        suspended = OrganisationStateChanged(
            organisation_id=supplier.organisation_id, state="suspended", reason="evasion"
        )
        await stall.market.publish(suspended, event_id=(number := new_id()))
        await stall.market.publish(suspended, event_id=number)
        [event] = await stall.market.eventually(lambda: stall.happened(OfferArchived, sku_id))
        assert (event.offer_id, event.reason) == (offer_id, "supplier-suspended")
        refused = await stall.post(supplier, "/offers", some_terms(sku_id))
        assert refused.json()["rule"] == "organisation-not-active"

    async def test_an_offer_is_made_on_a_published_sku_within_the_rules(self, stall: Stall) -> None:
        supplier = await stall.supplier()
        unheard = await stall.post(supplier, "/offers", some_terms("unheard-of"))
        assert unheard.json()["rule"] == "sku-not-published"
        sku_id = await stall.published("Trumpet valve oil")
        for change, rule in (
            ({"price": "0"}, "price-not-positive"),
            ({"price": "NaN"}, "not-finite"),
            ({"valid_until": "2031-01-01"}, "validity-too-long"),
            ({"regions": []}, "no-region-served"),
            ({"regions": ["RU-XYZ"]}, "unknown-region"),
            ({"stock": {"country": "RU", "region": "Nowhere"}}, "unknown-region"),
        ):
            refused = await stall.post(supplier, "/offers", some_terms(sku_id, **change))
            assert (refused.status_code, refused.json().get("rule")) == (422, rule)

    async def test_the_same_request_again_publishes_nothing_new(self, stall: Stall) -> None:
        sku_id, supplier, key = await stall.published("Snare wires"), await stall.supplier(), new_id()
        first = await stall.post(supplier, "/offers", some_terms(sku_id), key)
        again = await stall.post(supplier, "/offers", some_terms(sku_id), key)
        edited = await stall.post(supplier, "/offers", some_terms(sku_id) | {"delivery_days": 9}, key)
        assert (edited.status_code, edited.json()["rule"]) == (422, "idempotency-key-reused")
        assert first.json() == again.json()
        [event] = await stall.happened(OfferPublished, sku_id)
        assert (event.supplier_name, event.category.code) == (supplier.organisation_name, "37000000")
        assert event.stock.latitude is not None

    async def test_an_edit_is_a_copy_and_an_archived_original(self, stall: Stall) -> None:
        sku_id, supplier = await stall.published("Guitar capo"), await stall.supplier()
        former = await stall.offer(supplier, sku_id)
        rival = await stall.supplier("Rival")
        stolen = await stall.post(rival, "/offers", some_terms(sku_id, replaces=former))
        assert stolen.json()["rule"] == "not-your-offer"
        edited = await stall.offer(supplier, sku_id, price="95.00", replaces=former)
        shown = await stall.get(f"/skus/{sku_id}", region="RU-MOW", quantity="1")
        assert [row["offer"]["offer_id"] for row in shown["offers"]] == [edited]
        twice = await stall.post(supplier, "/offers", some_terms(sku_id, replaces=former))
        assert (twice.json()["rule"], twice.json()["numbers"]) == ("offer-ended", {"replaced": "replaced"})
        beside = await stall.published("Guitar capo, brass")
        astray = await stall.post(supplier, "/offers", some_terms(beside, replaces=edited))
        assert astray.json()["rule"] == "offer-of-other-sku"

    async def test_an_edit_is_sent_as_the_answer_tells_the_original(self, stall: Stall) -> None:
        """The answer has the coordinates of its stock, which clients do not send."""
        sku_id, supplier = await stall.published("Zither case"), await stall.supplier()
        former = await stall.offer(supplier, sku_id)
        async with stall.market.client(supplier) as client:
            rows = (await client.get("/api/catalogue/offers")).json()
        told = next(row["offer"] for row in rows if row["offer"]["offer_id"] == former)
        assert told["stock"]["latitude"]
        copied = {name: told[name] for name in some_terms(sku_id) | {"stock": None, "tiers": (), "eco_labels": ()}}
        edited = await stall.post(supplier, "/offers", copied | {"price": "95.00", "replaces": former})
        assert edited.status_code == 201, edited.text
        misspelt = copied | {"stock": told["stock"] | {"lattitude": 5}}
        refused = (await stall.post(supplier, "/offers", misspelt)).json()
        assert (refused["rule"], refused["field"]) == ("unknown-member", "stock.lattitude")

    async def test_a_withdrawn_offer_is_withdrawn_once_and_by_its_supplier(self, stall: Stall) -> None:
        sku_id, supplier = await stall.published("Banjo bridge"), await stall.supplier()
        offer_id = await stall.offer(supplier, sku_id)
        other = await stall.post(await stall.supplier(), f"/offers/{offer_id}/withdraw")
        assert other.json()["rule"] == "not-your-offer"
        for _ in range(2):
            assert (await stall.post(supplier, f"/offers/{offer_id}/withdraw")).json()["ended"] == "withdrawn"
        assert len(await stall.happened(OfferArchived, sku_id)) == 1
        assert (await stall.get("/offers", supplier))[0]["ended"] == "withdrawn"

    async def test_an_offer_that_ended_otherwise_is_not_withdrawn(self, stall: Stall) -> None:
        sku_id, supplier = await stall.published("Banjo head"), await stall.supplier()
        former = await stall.offer(supplier, sku_id)
        edited = await stall.offer(supplier, sku_id, price="95.00", replaces=former)
        refused = (await stall.post(supplier, f"/offers/{former}/withdraw")).json()
        assert (refused["rule"], refused["numbers"]) == ("offer-ended", {"ended": "replaced", "standing": edited})
        assert (await stall.post(supplier, f"/offers/{edited}/withdraw")).status_code == 200
        refused = (await stall.post(supplier, f"/offers/{former}/withdraw")).json()
        assert refused["numbers"] == {"ended": "replaced"}

    async def test_today_is_the_local_date_of_the_supplier(self, stall: Stall) -> None:
        sku_id = await stall.published("Pitch pipe")
        days = {
            zone: (await stall.post(await stall.supplier(time_zone=zone), "/offers", some_terms(sku_id))).json()[
                "offer"
            ]["valid_from"]
            for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago")
        }
        now = stall.market.clock()
        assert days == {zone: str(now.astimezone(ZoneInfo(zone)).date()) for zone in days}
        assert len(set(days.values())) > 1

    async def test_an_offer_ends_with_its_last_day(self, stall: Stall) -> None:
        sku_id, supplier = await stall.published("Metronome"), await stall.supplier()
        today = stall.market.clock().astimezone(ZoneInfo("Europe/Moscow")).date()
        await stall.offer(supplier, sku_id, valid_until=str(today))
        stays = await stall.offer(supplier, sku_id, valid_until=str(today + timedelta(days=30)))
        stall.market.clock.advance(timedelta(days=2))
        [event] = await stall.market.eventually(lambda: stall.happened(OfferArchived, sku_id))
        assert event.reason == "expired"
        shown = await stall.get(f"/skus/{sku_id}")
        assert [row["offer"]["offer_id"] for row in shown["offers"]] == [stays]


class TestSearch:
    async def test_what_is_published_is_found_with_its_best_price_and_facets(self, stall: Stall) -> None:
        sku_id = await stall.published("Marimba mallet, birch")
        supplier = await stall.supplier()
        label = [{"label": "FSC", "certificate": "C-1", "expires": "2030-01-01"}]
        await stall.offer(supplier, sku_id, price="80.00", eco_labels=label)
        await stall.offer(supplier, sku_id, price="70.00", regions=["RU-SPE"])
        both = {"eco": "FSC", "price_to": "70.00"}  # the index may get one offer before the other
        page = await stall.market.eventually(lambda: found(stall, "marimba malets", sku_id, **both))
        card = next(each for each in page["results"] if each["sku_id"] == sku_id)
        assert (card["best_price"], card["offers"]) == ("70.00", 2)
        assert page["facets"]["eco_label"]["FSC"] >= 1
        assert await found(stall, "marimba", sku_id, region="RU-MOW", price_from="70", price_to="70.00")
        assert not await found(stall, "marimba", sku_id, price_from="70.01")
        assert not await found(stall, "marimba", sku_id, region="BR-SP")
        assert not await found(stall, "marimba", sku_id, category="30")
        here = (await found(stall, "marimba", sku_id, region="RU-MOW"))["results"][0]
        assert here["best_price"] == "80.00"

    async def test_a_new_version_is_found_by_its_new_name(self, stall: Stall) -> None:
        sku_id = await stall.published("Didgeridoo, eucalyptus")
        await stall.post(stall.buyer, f"/skus/{sku_id}/versions", a_card("Didgeridoo, quandong"))
        await stall.post(stall.moderator, f"/skus/{sku_id}/publish")
        await stall.market.eventually(lambda: found(stall, "quandong", sku_id))

    async def test_a_category_that_does_not_exist_is_refused_with_the_rule(self, stall: Stall) -> None:
        async with stall.market.client() as client:
            refused = await client.get("/api/catalogue/skus", params={"category": "paper"})
        assert (refused.status_code, refused.json()["rule"]) == (422, "malformed-category")


class TestReferencePrices:
    async def test_the_reference_stands_beside_the_offers_until_it_is_withdrawn(self, stall: Stall) -> None:
        sku_id = await stall.published("Triangle beater")
        await stall.offer(await stall.supplier(), sku_id, price="120.00")
        widest, nearest = (
            a_reference(stall, sku_id, "country", "RU", "9.00"),
            a_reference(stall, sku_id, "region", "RU-MOW", "8.00"),
        )
        older = a_reference(stall, sku_id, "region", "RU-MOW", "1.00", version=0)
        await stall.market.publish(widest, nearest, older)
        shown = await stall.market.eventually(lambda: referred(stall, sku_id, "8.00"))
        assert shown["offers"][0]["landed_net"] == "10.000000"
        assert shown["offers"][0]["against_reference"] == "25.0"
        gone_now = ReferencePriceWithdrawn(item_key=sku_id, reference_id=nearest.reference_id, reason="too few")
        await stall.market.publish(gone_now)
        await stall.market.eventually(lambda: referred(stall, sku_id, "9.00"))

    async def test_card_offer_auction_pool_and_quote_take_the_reference_of_the_buyers_town(self, stall: Stall) -> None:
        market, buyer = stall.market, stall.buyer
        seat = Place(country="RU", region="RU-MOW", locality="Moscow")
        await market.publish(
            OrganisationRegistered(
                organisation_id=buyer.organisation_id,
                roles=("buyer",),
                name=buyer.organisation_name,
                place=seat,
                time_zone="Europe/Moscow",
            )
        )
        sku_id = await stall.published("Viola da gamba, seven strings", pack_size="1")
        await stall.offer(await stall.supplier(), sku_id, price="12.00", vat_included=False)
        await market.publish(
            a_reference(stall, sku_id, "country", "RU", "30.00"),
            a_reference(stall, sku_id, "region", "RU-MOW", "20.00"),
            a_reference(stall, sku_id, "locality", "RU-MOW/Moscow", "10.00"),
        )
        query = "select 1 from catalogue.reference_prices where sku_id = $1 having count(*) = 3"
        await market.eventually(partial(market.fetch, query, sku_id))
        query = "select 1 from catalogue.organisations where organisation_id = $1"
        await market.eventually(partial(market.fetch, query, buyer.organisation_id))

        asked = {"region": "RU-MOW", "quantity": "1"}
        page = await stall.get(f"/skus/{sku_id}", buyer, **asked)
        taken = {"page": page["sku"]["reference"]["per_unit"]}
        assert page["offers"][0]["against_reference"] == "20.0"
        listed = await market.eventually(lambda: found(stall, "gamba", sku_id, region="RU-MOW"))
        assert [each["reference"]["level"] for each in listed["results"] if each["sku_id"] == sku_id] == ["region"]
        mine = await stall.get("/skus", buyer, q="gamba", region="RU-MOW")
        taken["card"] = next(each for each in mine["results"] if each["sku_id"] == sku_id)["reference"]["per_unit"]

        line = Line(line_id="1", description="", sku_id=sku_id, quantity=D(1), unit="C62", vat_included=False)
        async with market.resources.database.transaction("catalogue") as tx:
            [beside] = await beside_references(await tx.raw(), store.references, [line], seat, "RUB")
            taken["auction, pool and quote"] = beside.reference and beside.reference.unit_price
        assert {name: Decimal(price) for name, price in taken.items()} == dict.fromkeys(taken, D(10))

        stranger = await stall.get(f"/skus/{sku_id}", **asked)
        assert stranger["sku"]["reference"]["level"] == "region", "a visitor has no town"
        elsewhere = await stall.get(f"/skus/{sku_id}", buyer, region="RU-SPE", quantity="1")
        assert elsewhere["sku"]["reference"]["level"] == "country"


def a_reference(
    stall: Stall, sku_id: str, level: str, place: str, median: str, version: int = 1
) -> ReferencePricePublished:
    return ReferencePricePublished(
        item_key=sku_id,
        reference_id=new_id(),
        version=version,
        sku_id=sku_id,
        title="",
        category=None,
        unit="C62",
        currency="RUB",
        level=level,
        place_code=place,
        median=D(median),
        p25=D(median),
        p75=D(median),
        observations=9,
        suppliers=4,
        variation=Decimal(10),
        grade="A",
        valued_at=stall.market.clock(),
    )


async def referred(stall: Stall, sku_id: str, median: str) -> dict | None:
    shown = await stall.get(f"/skus/{sku_id}", region="RU-MOW", quantity="1")
    reference = shown["sku"]["reference"]
    return shown if reference and reference["median"] == median else None


async def found(stall: Stall, words: str, sku_id: str, **filters: str) -> dict | None:
    page = await stall.get("/skus", q=words, **filters)
    return page if sku_id in [each["sku_id"] for each in page["results"]] else None


async def gone(stall: Stall, words: str, sku_id: str) -> bool:
    return await found(stall, words, sku_id) is None


async def test_an_offer_or_sku_that_cannot_be_read_does_not_hide_the_others_in_lists(stall: Stall) -> None:
    name = f"lantern {new_id()[-6:]}"
    supplier, sku_id, other = await stall.supplier(), await stall.published(name), await stall.published(f"{name} two")
    whole, strange = await stall.offer(supplier, sku_id), await stall.offer(supplier, other)
    for each in (sku_id, other):
        await stall.market.eventually(partial(found, stall, name, each))
    public = ("/api/catalogue/skus", "/catalogue")
    async with (
        only_a_newer_release_reads(stall.market, "catalogue.offers", ("offer_id", strange), "body.price"),
        stall.market.client(supplier) as client,
    ):
        for path in ("/api/catalogue/offers", "/catalogue/offers"):
            said = await lists(client, path)
            assert whole in said and strange not in said
        for path in (*(f"{path}?q={name}" for path in public), f"/catalogue/skus/{other}"):
            assert other in await lists(client, path)
    async with (
        only_a_newer_release_reads(stall.market, "catalogue.skus", ("sku_id", other), "card.attributes"),
        stall.market.client() as client,
    ):
        for path in public:
            said = await lists(client, f"{path}?q={name}")
            assert sku_id in said and other not in said


async def test_a_page_of_a_search_leaves_out_only_the_sku_that_cannot_be_read(stall: Stall) -> None:
    name = f"gong {new_id()[-6:]}"
    ids = sorted([await stall.published(name), await stall.published(f"{name} two")])
    finder = Finder(stall.market.resources.database.of("catalogue"), "RUB")

    async def finds(*wanted: str) -> bool:
        hits = (await finder.search(SkuSearch(text=name))).sku_ids
        return finder.ready and set(hits) == set(wanted)

    async with (
        only_a_newer_release_reads(stall.market, "catalogue.skus", ("sku_id", ids[1]), "card.attributes"),
        finder.running(),
    ):
        await stall.market.eventually(partial(finds, ids[0]))
    finder = Finder(stall.market.resources.database.of("catalogue"), "RUB")
    async with finder.running():
        await stall.market.eventually(partial(finds, *ids))


async def test_a_proposal_that_cannot_be_read_does_not_hide_the_others_in_lists(stall: Stall) -> None:
    names = [f"{name} {new_id()[-6:]}" for name in ("Celesta hammer", "Zither pick")]
    ids = [(await stall.post(stall.buyer, "/skus", a_card(name))).json()["sku"]["sku_id"] for name in names]
    await stall.make_urgent(ids)
    async with only_a_newer_release_reads(stall.market, "catalogue.skus", ("sku_id", ids[1]), "card.attributes"):
        for who, path, (whole, strange) in (
            (stall.moderator, "/api/catalogue/moderation", ids),
            (stall.moderator, "/catalogue/moderation", ids),
            (stall.buyer, "/catalogue/new", names),
        ):
            async with stall.market.client(who) as client:
                said = await lists(client, path)
                assert whole in said and strange not in said
                await says_so(client, f"/catalogue/skus/{ids[1]}")
