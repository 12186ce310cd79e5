"""The home page before anything has happened."""

import re
from pathlib import Path

import pytest

from infra.clock import ManualClock, system_clock
from infra.config import Config
from infra.listing import COUNTED
from infra.web.languages import speaking
from infra.web.pages import engine
from services.portal.views import Front

EMPTY = Front(auctions=0, quotes=0, pools=0, suppliers=0, contracts=0, totals=[], closing=[], enrolling=[], latest=[])


def home(tmp_path: Path, live: bool = True) -> str:
    config = Config.load({"LONJA_HOME": str(tmp_path)})
    services = Path(__file__).parents[3] / "services"
    template = engine(config, ManualClock(system_clock()), services).get_template("portal/home.html")
    return template.render(
        front=EMPTY, currencies=[], counted=COUNTED, live=live, csrf_token=lambda: "t", csrf_input=""
    )


def test_empty_market_says_what_to_do(tmp_path: Path) -> None:
    text = home(tmp_path)
    for words in (
        "No mini-auction is open",
        "No pool is enrolling",
        "No contract was concluded yet",
        "lonja import ocds",
    ):
        assert words in text


def test_it_is_said_in_the_readers_language(tmp_path: Path) -> None:
    with speaking("ru"):
        text = home(tmp_path)
    assert "Открытых котировочных сессий нет." in text and "Контрактов пока нет." in text and '<main id="main">' in text


@pytest.mark.parametrize(
    ("language", "words"), [("en", "mini-auction|pool"), ("es", "minisubasta|conjunta"), ("ru", "котировочн|совместн")]
)
def test_a_market_without_live_auctions_does_not_promise_them(tmp_path: Path, language: str, words: str) -> None:
    with speaking(language):
        main = home(tmp_path, live=False).partition("<main")[2].partition("</main")[0]
        assert not re.search(words, main) and re.search(words, home(tmp_path))
