"""The home page before anything has happened."""

from pathlib import Path

from infra.clock import ManualClock, system_clock
from infra.config import Config
from infra.web.pages import engine
from services.portal.store import Front

EMPTY = Front(auctions=0, quotes=0, pools=0, suppliers=0, contracts=0, totals=[], closing=[], enrolling=[], latest=[])


def test_empty_market_says_what_to_do(tmp_path: Path) -> None:
    config = Config.load({"LONJA_HOME": str(tmp_path)})
    services = Path(__file__).parents[3] / "services"
    template = engine(config, ManualClock(system_clock()), services).get_template("portal/home.html")
    text = template.render(front=EMPTY, currencies=[], csrf_token=lambda: "t", csrf_input="")
    for words in (
        "No mini-auction is open",
        "No pool is enrolling",
        "No contract was concluded yet",
        "lonja import ocds",
    ):
        assert words in text
