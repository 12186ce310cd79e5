"""One web app for all tests of the door, because none of them changes it."""

import pytest
from litestar import Litestar

from tests.door.outside import Outside
from tests.market import unconnected
from tests.test_access import composed


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    home = tmp_path_factory.mktemp("home")
    return Outside(composed(home), unconnected(home).tokens)


@pytest.fixture(scope="session")
def app(market: Outside) -> Litestar:
    return market.app
