"""The part that is pushed to each bidder: it is rendered for several at once, and says to each the same as a page
rendered for that bidder alone."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from litestar.response.sse import ServerSentEventMessage

from catalogue.policy import load
from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from infra.config import Config
from infra.tokens import Principal
from infra.web.pages import engine
from services.auctions.board import Board
from services.auctions.domain.autobid import Autobid
from services.auctions.domain.chain import GENESIS
from services.auctions.domain.closing import closed
from services.auctions.pages.fragments import REQUEST_KEY, own_part, render
from services.auctions.store.auctions import StoredAuction
from tests.services.auctions.builders import NOON_UTC, a_bid, after, an_auction

AT = NOON_UTC + timedelta(hours=1)
RESOURCES: Any = SimpleNamespace(clock=lambda: AT)
BIDS = {"a": "900", "b": "880", "c": "860"}
SERVICES = Path(__file__).parents[3] / "services"


def who(organisation_id: str, role: str = SUPPLIER_AGENT) -> Principal:
    return Principal(
        member_id=f"m-{organisation_id}",
        name="Somebody",
        organisation_id=organisation_id,
        organisation_name=f"Name of {organisation_id}",
        roles=(role,),
    )


READERS = [None, who("newcomer"), who("school", BUYER_OFFICER), *map(who, BIDS)]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Any:
    config = Config.load({"LONJA_HOME": str(tmp_path_factory.mktemp("home"))})
    return engine(config, RESOURCES.clock, SERVICES)


def a_board(policy: str, over: bool) -> Board:
    state = after(an_auction(policy=load(policy)), *(a_bid(each, amount) for each, amount in BIDS.items()))
    result = closed(state, "unsuccessful", state.closes_at) if over else None
    autobids = {"a": Autobid(state.floor, AT)}
    stored = StoredAuction(
        state=state, policy=load(policy), autobids=autobids, lines=4, head=GENESIS, result=result, version=4
    )
    return Board(stored, 4, [], None, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("policy", ["demo", "moscow", "pregao"])
def test_everybody_gets_what_a_page_of_its_own_says_and_nobody_anothers(
    templates: Any, policy: str, over: bool
) -> None:
    board = a_board(policy, over)
    for reader in READERS:
        request: Any = SimpleNamespace(scope={"user": reader}, app=SimpleNamespace(template_engine=templates))
        alone = render(request, "mine", board, RESOURCES, pushed=True, request_key=REQUEST_KEY.decode())
        pushed = own_part(request, board, RESOURCES).decode()
        assert pushed == ServerSentEventMessage(alone, event="mine").encode().decode()
        for number, (bidder, amount) in enumerate(BIDS.items(), start=1):
            own = reader is not None and reader.organisation_id == bidder
            assert (f"participant {number}" in pushed) <= own
            assert (f"Your last bid was {amount}.00" in pushed) <= own
