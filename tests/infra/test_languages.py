"""The catalogs have all sentences of the pages and no others; readers get pages in their language."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import SimpleNamespace
from typing import Any, NamedTuple, get_args

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_python
from jinja2 import Environment, nodes
from jinja2.ext import extract_from_ast
from litestar.testing import RequestFactory

from catalogue import categories
from catalogue.durations import DurationNotOffered
from catalogue.policy import TERMS, load
from catalogue.roles import ROLES
from catalogue.rules import AnyOf, Minutes, RuleBroken, Typed, role_missing
from catalogue.units import UNITS, UnknownUnit, unit_word
from events.limits import SENTENCES
from infra.tokens import Principal
from infra.web.languages import (
    AS_WRITTEN,
    COOKIE,
    ENGLISH,
    FORMER,
    LANGUAGES,
    PROJECT,
    catalog,
    catalogs,
    moment,
    ngettext,
    pgettext,
    refusal_in_texts,
    refusal_text,
    speaking,
    with_numbers,
)
from infra.web.languages import value_text as said_of
from infra.web.pages import duration, money, number, percent, price, when
from infra.web.readers import language_of
from services.auctions.domain.closing import AlreadyClosed
from services.auctions.domain.opening import StepNotOffered
from tests.names import nodes as nodes_of
from tests.names import parsed

POLICIES = sorted(path.stem for path in (PROJECT / "catalogue/policies").glob("*.toml"))
OTHERS = sorted(set(LANGUAGES) - {ENGLISH})
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
REQUESTS = RequestFactory()
TEMPLATES = Environment(extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True)
MARKED = re.compile(r"gettext|\b_\s*\(|\btrans\b")
"""A file without any of these marks no sentence."""
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
Key = tuple[str, str]
"""(context, English words)."""


@cache
def value_text(project: Path = PROJECT) -> dict[Key, str]:
    """Every sentence marked in the templates and pages, and where."""
    found: dict[Key, str] = {}
    pages = [path for room in ("infra/web", "services") for path in sorted((project / room).rglob("*.html"))]
    code = [path for room in ("infra/web", "services") for path in sorted((project / room).rglob("*.py"))]
    for path in [*pages, *code]:
        if not MARKED.search(path.read_text(encoding="utf-8")):
            continue
        for line, function, words in occurrences(path):
            texts = [text for text in (words if isinstance(words, tuple) else (words,)) if text]
            if not texts or (function == "pgettext" and len(texts) < 2):
                continue  # the words are not literal: they come from one of the lists below
            key = (texts[0], texts[1]) if function == "pgettext" else ("", texts[0])
            found.setdefault(key, f"{path.relative_to(project)}:{line}")
    return found


def occurrences(path: Path) -> list[tuple[int, str, Any]]:
    """Line, function and words of each call and block that marks a sentence."""
    if path.suffix == ".html":
        return list(extract_from_ast(TEMPLATES.parse(path.read_text(encoding="utf-8")), list(KEYWORDS)))
    with path.open("rb") as file:
        return [(line, function, words) for line, function, words, _ in extract_python(file, list(KEYWORDS), (), {})]


@cache
def entries(language: str) -> dict[Key, Message]:
    found: dict[Key, Message] = {}
    for path in catalogs(language):
        for message in catalog(path, language):
            if message.id:
                assert not message.fuzzy, f"{path}: {message.id!r} is not sure"
                key = (message.context or "", _first(message.id))
                assert key not in found, f"{path}: {key} is there twice"
                found[key] = message
    return found


def _first(words: str | tuple[str, ...]) -> str:
    return words if isinstance(words, str) else words[0]


@cache
def rules() -> dict[str, set[str]]:
    """The rules of all services, by code, and the numbers that every refusal by it has."""
    domain = import_module("services.auctions.domain")
    names = [f"{domain.__name__}.{module.name}" for module in iter_modules(domain.__path__)]
    others = [
        *(
            "catalogue.durations",
            "catalogue.identifiers",
            "catalogue.places",
            "catalogue.references",
            "catalogue.rules",
            "services.market.lines",
            "infra.outgoing",
            "services.auctions.handlers",
        ),
        *("services.observatory.views", "services.pools.handlers", "services.quotes.handlers"),
        *(f"services.quotes.domain.{module}" for module in ("choosing", "opening", "quoting", "request")),
        *(f"services.pools.domain.{module}" for module in ("enrolment", "pool", "sourcing", "terms")),
        *(f"catalogue.{module}" for module in ("categories", "offers", "skus")),
        *(f"services.catalogue.handlers.{module}" for module in ("basket", "offers", "skus")),
        "services.catalogue.pricing",
        *modules_of("services.contracts.domain"),
        *modules_of("services.fulfilment.domain"),
        *modules_of("services.conduct.domain"),
        *modules_of("services.purchases.domain"),
        *modules_of("services.observatory.domain"),
        *(
            "catalogue.units",
            "services.contracts.handlers",
            "services.fulfilment.handlers",
            "services.purchases.handlers",
        ),
        *("services.notifications.domain", "services.notifications.links"),
        *(
            f"services.accounts.{module}"
            for module in ("categories", "domain", "handlers", "invitations", "keys", "login", "places")
        ),
    ]
    found: dict[str, set[str]] = {}
    for module in map(import_module, names + others):
        classes = {name: each for name, each in vars(module).items() if isinstance(each, type)}
        for call in nodes_of(parsed(Path(module.__file__ or "").read_text(encoding="utf-8")), ast.Call):
            named = classes.get(call.func.id) if isinstance(call.func, ast.Name) else None
            if named is not None and issubclass(named, RuleBroken):
                if any(word.arg is None for word in call.keywords):
                    continue  # values of another refusal, which is checked where it is made
                numbers = {word.arg for word in call.keywords if word.arg} - {"field"}
                found[named.code] = found.get(named.code, numbers) & numbers
    return found


class Raised(NamedTuple):
    """A place at which a refusal is made: ``shown`` are the values in its English sentence, ``quoted`` those of them with
    ``!r``, and ``numbers`` those that it carries, each as code."""

    code: str
    where: str
    shown: tuple[str, ...]
    quoted: tuple[str, ...]
    numbers: dict[str, str]

    def placeholders(self, language: str) -> set[str] | None:
        """The placeholders of its sentence in the language; None if the sentence stays English."""
        there = entries(language)
        for key in (with_numbers(self.code, self.numbers), self.code):
            if message := there.get(("refusal", key)):
                return set(PLACEHOLDER.findall(str(message.string)))
        return None

    def names_of(self, value: str) -> list[str]:
        """The names of the numbers that a value in the sentence is, or is computed from."""
        return [name for name, number in self.numbers.items() if number in value or value in number]


@cache
def raised() -> tuple[Raised, ...]:
    """Every refusal that is made in the code by the name of its class."""
    found = []
    for path in sorted(path for room in ("catalogue", "services", "infra") for path in (PROJECT / room).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "migrations" in path.parts or ("RuleBroken" not in text and "rules import" not in text):
            continue
        module = import_module(".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"))
        for call in nodes_of(parsed(text), ast.Call):
            named = getattr(module, call.func.id, None) if isinstance(call.func, ast.Name) else None
            if isinstance(named, type) and issubclass(named, RuleBroken) and call.args:
                fields = [node for node in ast.walk(call.args[0]) if isinstance(node, ast.FormattedValue)]
                values = [field.value for field in fields]
                quoted = [field.value for field in fields if field.conversion == ord("r")]
                numbers = {
                    word.arg: ast.unparse(word.value) for word in call.keywords if word.arg and word.arg != "field"
                }
                where = f"{path.relative_to(PROJECT)}:{call.lineno}"
                found.append(
                    Raised(named.code, where, tuple(map(ast.unparse, values)), tuple(map(ast.unparse, quoted)), numbers)
                )
    return tuple(found)


def lost(language: str) -> Iterator[str]:
    """Values that are in the English sentence but not in the translation."""
    for one in raised():
        there = one.placeholders(language)
        for value in one.shown if there is not None else ():
            names = one.names_of(value)
            in_currency = value.endswith("currency") and "currency" in (there or ())
            if names and not in_currency and not set(names) & (there or set()):
                yield f"{one.where} {with_numbers(one.code, one.numbers)}: {value}"


@pytest.mark.parametrize("language", OTHERS)
def test_the_values_of_a_refusal_are_shown_in_every_language(language: str) -> None:
    assert len(raised()) > 350
    assert list(lost(language)) == []


WITHOUT_ALL = {
    "not-lower": "its numbers are in the chained log of a session, as they were",
    "amount-too-fine": "the same",
}
"""Rules whose English sentence has values that the refusal does not carry, and why."""


def test_every_value_in_a_refusal_goes_with_it() -> None:
    """Otherwise no other language can show it."""
    missing = [
        f"{one.where} {one.code}: {value}"
        for one in raised()
        if one.placeholders("es") is not None and one.code not in WITHOUT_ALL
        for value in one.shown
        if not one.names_of(value)
    ]
    assert missing == []


def modules_of(package: str) -> list[str]:
    path = PROJECT / package.replace(".", "/")
    return [".".join(each.relative_to(PROJECT).with_suffix("").parts) for each in sorted(path.rglob("*.py"))]


def lacking(language: str, project: Path = PROJECT) -> Iterator[str]:
    there = entries(language)
    yield from (f"{place}: {key[1]!r}" for key, place in value_text(project).items() if key not in there)
    yield from (f"rule {code}" for code in [*rules(), *unavailable(), *SENTENCES] if ("refusal", code) not in there)
    yield from (f"{key}" for key in sorted(words_of_lists()) if key not in there)
    yield from (f"{key} is empty" for key, message in there.items() if not all(_strings(message)))


FORMER_GROUNDS = {"The draft differs from what the session or the offer said"}
"""Titles of grounds in policies of former releases, which are stored with the contracts that began under them."""


def orphans(language: str, project: Path = PROJECT) -> list[Key]:
    refusals = {each.code for each in _all(RuleBroken)} | unavailable() | set(SENTENCES) | FORMER
    listed = {("refusal", code) for code in refusals} | words_of_lists()
    listed |= {("refusal", with_numbers(one.code, one.numbers)) for one in raised()}
    marked = value_text(project)
    return [key for key in entries(language) if key not in marked and key not in listed and key[0] != "refusal value"]


@cache
def words_of_lists() -> set[Key]:
    """Words that pages show through variables: units, attributes and values of categories, and the reasons for which
    offers ended."""
    asked = [each for definitions in categories._DEFINITIONS.values() for each in definitions]
    histories = import_module("services.fulfilment.pages.history")
    contracts, work = import_module("services.contracts.pages"), import_module("services.fulfilment.pages.work")
    forms, record = import_module("services.fulfilment.pages.acts"), import_module("services.conduct.pages.record")
    accounts, observatory = import_module("services.accounts.domain"), import_module("services.observatory.domain")
    figures = import_module("services.recommender.pages").GROUPS
    states = ("to be signed", "concluded", "ended", "running", "closed", "terminated", "refused", "cancelled")
    acts = {said for _, said in forms.ACTS.values() if said} | {*forms.WITHDRAWN.values()}
    steps = (contracts.STEPS, contracts.BUTTONS, contracts.MEANINGS, contracts.CONSEQUENCES, contracts.SECURITIES)
    grounds = {ground.title for name in POLICIES for ground in load(name).contract.grounds} | FORMER_GROUNDS
    words = {
        "contract": {*states, "did not sign in time", *acts, *(word for each in steps for word in each.values())}
        | {*histories.GROUNDS.values(), *(word for word, _ in work.DUE.values()), *dict(contracts.STATES).values()},
        "term": set(TERMS.values()),
        "ground": grounds,
        "rules": {load(name).title for name in POLICIES}
        | {load(name).auction.none_because for name in POLICIES} - {""},
        "asked": {word for pair in work.ASKED.values() for word in pair},
        "delivery": set(histories.OUTCOMES.values()),
        "history": {*histories.BY.values(), *histories.HOW.values(), *histories.WHAT.values()},
        "side": set(histories.SIDES.values()),
        "record": {*record.KINDS.values(), *record.PERFORMED.values()},
        "sanction": {"in force", "past", "lifted"},
        "purchase": {"waits for the supplier", "not answered in time", "accepted", "refused"},
        "role": {each.replace("_", " ") for each in (*ROLES, *accounts.MEMBER_ROLES)},
        "organisation": set(accounts.NEXT_STATES),
        "figures": {word for _, *both in figures for word in both},
        "training": set(import_module("services.recommender.words").VERDICTS.values()),
        "opportunity": {"mini-auction", "quick quote", "pool", "tender elsewhere", "purchase"},
        "prices": {str(each) for each in observatory.PriceKind},
        "series": {"contract", "award", "bid", "quote", "offer"},
        "level": {"locality", "region", "country"},
        "dropped": {each.code for each in _all(RuleBroken) if each.__module__.startswith("services.observatory.domain")}
        | {each.code for each in _all(RuleBroken) if each.__module__ == "catalogue.units"}
        | {"bad-quantity"},  # in prices that a former release dropped
        "list": {"or", "and"},
        "unit": {unit_word(code) for code in UNITS},
        "attribute": {"yes", "no", *(word for each in asked for word in (each.name, *each.choices))},
        "offer": {"replaced", "withdrawn", "expired", "sku archived", "supplier suspended"},
    }
    return {(context, word) for context, all_of_it in words.items() for word in all_of_it}


@cache
def unavailable() -> set[str]:
    """The codes with which the catalogue says that an offer or a SKU is not available."""
    modules = map(import_module, ("catalogue.offers", "services.catalogue.baskets"))
    texts = [Path(module.__file__ or "").read_text(encoding="utf-8") for module in modules]
    return {
        code
        for text in texts
        for code in re.findall(r'NotAvailable\(\s*"([a-z-]+)"|because="([a-z-]+)"', text)
        for code in code
        if code
    }


def _all(base: type[RuleBroken]) -> Iterator[type[RuleBroken]]:
    for each in base.__subclasses__():
        yield each
        yield from _all(each)


def _strings(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (message.string,)


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_and_every_rule_is_in_every_language(language: str) -> None:
    assert list(lacking(language)) == [], f"say it in services/*/locale/{language}.po"


@pytest.mark.parametrize("language", OTHERS)
def test_no_entry_is_left_over(language: str) -> None:
    rules()  # imports them
    import_module("services.purchases.domain.purchases")
    assert orphans(language) == []


@pytest.mark.parametrize("language", OTHERS)
def test_placeholders_agree_and_every_plural_has_its_forms(language: str) -> None:
    told = rules()
    forms = 3 if language == "ru" else 2
    for (context, words), message in entries(language).items():
        for text in _strings(message):
            placeholders = set(PLACEHOLDER.findall(text))
            assert text.replace("%%", "").count("%") == len(PLACEHOLDER.findall(text)), f"a % is left over: {text!r}"
            if context == "refusal" and ": " in words:
                assert placeholders <= set(words.partition(": ")[2].split(", ")) | {"currency"}, words
            elif context == "refusal" and words in told:
                assert placeholders <= told[words] | {"currency"}, f"{words}: not every refusal has these numbers"
            elif not context:
                assert placeholders == set(PLACEHOLDER.findall(_first(message.id))), f"{words!r} became {text!r}"
        assert not message.pluralizable or len(_strings(message)) == forms, words


def test_a_page_that_says_more_or_less_than_the_catalogs_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services/new.html").write_text("{{ _('Never said before') }}{% trans %}Nor this{% endtrans %}")
    assert list(lacking("es", tmp_path)) == [
        "services/new.html:1: 'Never said before'",
        "services/new.html:1: 'Nor this'",
    ]
    assert ("", "Log in") in orphans("es", tmp_path)


def a_visit(*, chosen: str = "", member: str = "", asks_for: str = "") -> Any:
    headers = {"accept-language": asks_for, "cookie": f"{COOKIE}={chosen}"}
    visit = REQUESTS.get(headers={name: value for name, value in headers.items() if value})
    visit.scope["user"] = SimpleNamespace(language=member) if member else None
    return visit


@pytest.mark.parametrize(
    ("visit", "language"),
    [
        (a_visit(), "en"),
        (a_visit(asks_for="ru-RU,ru;q=0.9,en;q=0.8"), "ru"),
        (a_visit(asks_for="de, es-AR;q=0.5, en;q=0.4"), "es"),
        (a_visit(asks_for="en;q=0.4, es-419;q=0.9"), "es"),
        (a_visit(asks_for="ru;q=0, de"), "en"),
        (a_visit(asks_for="*;q=x, ,,;;=" * 50), "en"),
        (a_visit(member="es", asks_for="ru"), "es"),
        (a_visit(member="pt", asks_for="ru"), "ru"),
        (a_visit(chosen="ru", member="es", asks_for="en"), "ru"),
        (a_visit(chosen="en", member="es"), "en"),
        (a_visit(chosen="xx", member="es"), "es"),
    ],
)
def test_the_choice_comes_first_then_the_member_then_the_browser(visit: Any, language: str) -> None:
    assert language_of(visit) == language


def test_members_have_a_language_that_there_is() -> None:
    somebody = Principal(member_id="m", name="M", organisation_id="o", organisation_name="O", roles=ROLES)
    assert somebody.language in LANGUAGES


@pytest.mark.parametrize(
    ("value", "currency", "written"),
    [("410.8", "RUB", "410.80"), ("0.0341", "RUB", "0.0341"), ("1E+3", "JPY", "1\u202f000"), ("2.50", "JPY", "2.5")],
)
def test_a_unit_price_has_the_digits_of_its_currency_and_more_where_it_is_finer(
    value: str, currency: str, written: str
) -> None:
    assert price(Decimal(value), currency) == written


def test_numbers_and_times_follow_the_language() -> None:
    at = datetime(2026, 11, 25, 20, 4, 7, tzinfo=UTC)
    written = {}
    for language in LANGUAGES:
        with speaking(language):
            written[language] = (
                money(Decimal("1234.5"), "RUB"),
                number(Decimal("0.50")),
                percent(Decimal("5.25"), 2),
                duration(90),
                moment(at),
            )
    assert written["en"] == ("1\u202f234.50\u00a0RUB", "0.5", "5.25\u202f%", "1 h 30 min", "2026-11-25 20:04 UTC")
    assert written["es"] == ("1\u202f234,50\u00a0RUB", "0,5", "5,25\u202f%", "1 h 30 min", "25 nov 2026 20:04 UTC")
    assert written["ru"] == (
        "1\u202f234,50\u00a0RUB",
        "0,5",
        "5,25\u202f%",
        "1 ч 30 мин",
        "25 нояб. 2026\u202fг. 20:04 UTC",
    )
    assert duration(0.5) == "30 s"
    assert 'datetime="2026-11-25T20:04:07Z"' in when(at)


def test_russian_counts_in_three_ways() -> None:
    with speaking("ru"):
        words = [ngettext("%(num)s bid", "%(num)s bids", count) % {"num": count} for count in (1, 2, 5, 11, 21, 104)]
    assert words == ["1 ставка", "2 ставки", "5 ставок", "11 ставок", "21 ставка", "104 ставки"]


def test_a_refusal_is_translated_with_its_numbers_and_an_unknown_rule_stays_english() -> None:
    numbers = {"price": "1000.00", "step": "10.00", "cut": "5.00", "amount": "995"}
    assert refusal_in_texts("cut-below-step", "As published.", numbers, "RUB") == "As published."
    with speaking("es"):
        told = refusal_in_texts("cut-below-step", "As published.", numbers, "RUB")
        assert told == "Una puja debe bajar de 1\u202f000,00 RUB en al menos un escalón de 10,00; esta baja 5,00."
        assert refusal_in_texts("supplier-not-active", "", {"standing": "suspended"}).endswith(": suspendido.")
        at = {"closes_at": "2026-11-25 20:04:07+00:00", "arrived_at": "2026-11-25 20:05:00+00:00"}
        assert "25 nov 2026 20:04:07 UTC" in refusal_in_texts("auction-over", "", at)
        assert refusal_in_texts("never-heard-of", "As published.", numbers) == "As published."
        assert refusal_in_texts("cut-below-step", "As published.", {}) == "As published."


def test_a_list_is_translated_word_by_word_a_unit_by_its_name_and_a_persons_text_not_at_all() -> None:
    with speaking("es"):
        told = refusal_in_texts("term-not-changeable", "", {"term": "price", "changeable": "delivered by, payment"})
        assert told == "Una objeción cambia solo: plazo de entrega, pago; no «precio»."
        assert refusal_in_texts("unknown-period", "", {"periods": "daily or weekly", "period": "monthly"}).startswith(
            "Un resumen llega cada día o cada semana, no «monthly»."
        )
        units = {"paid_unit": "KGM", "line_unit": "C62"}
        assert refusal_in_texts("paid-in-other-unit", "", units) == (
            "El precio pagado era por kilogramo y la línea cuenta en unidad."
        )
        assert "«Bolt, open 2000»" in refusal_in_texts("equivalent-twice", "", {"description": "Bolt, open 2000"})
        assert "«2000»" in refusal_in_texts("equivalent-twice", "", {"description": "2000"})
        assert said_of("open, Smith") == "open, Smith", "a name among them: it is no list of our words"


@pytest.mark.parametrize(
    ("code", "numbers", "told"),
    [
        ("decided-otherwise", {"decision": "justified"}, "Un moderador ya halló este rechazo justificado."),
        ("decided-otherwise", {"decision": "unjustified"}, "Un moderador ya halló este rechazo injustificado."),
        (
            "decided-otherwise",
            {"decision": "lifted", "suspension": "was lifted"},
            "El recurso ya está decidido: la suspensión se levantó.",
        ),
        (
            "decided-otherwise",
            {"decision": "upheld", "suspension": "stands"},
            "El recurso ya está decidido: la suspensión se mantiene.",
        ),
        (
            "wrong-state",
            {"state": "published", "step": "return"},
            "El estado de la ficha es «publicada»: eso ya no es posible. Cargue la página de nuevo.",
        ),
        ("card-reason-missing", {}, "Diga por qué devuelve o archiva esta ficha."),
        ("invoice-number-missing", {}, "Indique el número de la factura."),
    ],
)
def test_no_sentence_has_an_english_code_or_asks_for_another_thing(
    code: str, numbers: dict[str, str], told: str
) -> None:
    with speaking("es"):
        assert refusal_in_texts(code, "", numbers) == told


def test_a_reason_that_was_stored_without_a_value_is_shown_without_it() -> None:
    numbers = {"price": "9.00", "low": "1.00", "high": "2.00", "among": "12"}
    with speaking("es"):
        assert (
            refusal_in_texts("outlier", "", numbers) == "9,00 queda fuera de 1,00 – 2,00, lo habitual entre 12 precios."
        )
        assert refusal_in_texts("outlier", "", numbers | {"rule": "tukey"}).endswith(
            "12 precios (según las vallas de Tukey)."
        )


SPOKEN = re.compile(r"[A-Za-z]{2,} +[a-z]{2,}|[A-Z][a-z]{2,}")
"""Matches texts that look like words for people, not like names in code."""
ALIKE_EVERYWHERE = {
    "UTC",
    "CPV",
    "GTIN",
    "API",
    "OpenAPI",
    "Lonja",
    "OCDS",
    "RU-MOW",
    "&nbsp;",
    "SKU",
    "ISO",
    "CSV",
    "JSON",
}
ATTRIBUTES = re.compile(r'\b(?:aria-label|placeholder|title|alt)="([^"\0]*)"')


def unmarked(text: str) -> Iterator[str]:
    """Texts of a template that are not marked for translation: between tags, in attributes that people read, and in
    expressions."""
    plain = re.sub(r"\{%-? *trans\b.*?endtrans *-?%\}", "", text, flags=re.DOTALL)
    plain = re.sub(r"\{% macro (?:attributes|described)\b.*?endmacro %\}", "", plain, flags=re.DOTALL)  # of a tag
    tree = TEMPLATES.parse(plain)
    pieces = [node for output in tree.find_all(nodes.Output) for node in output.nodes]
    shown = "".join(node.data if isinstance(node, nodes.TemplateData) else "\0" for node in pieces)
    shown = re.sub(r"<(script|style|code)\b.*?</\1>", "", shown, flags=re.DOTALL)
    between = re.sub(r"<[^>]*>?", "\0", shown).split("\0")
    for words in [*between, *ATTRIBUTES.findall(shown)]:
        if set(re.findall(r"&?[A-Za-z-]{2,};?", words)) - ALIKE_EVERYWHERE:
            yield words.strip()
    for piece in pieces:
        if not isinstance(piece, nodes.TemplateData):
            yield from _said_in(piece)


def _said_in(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in KEYWORDS:
        return
    if isinstance(node, nodes.Const) and isinstance(node.value, str) and SPOKEN.search(node.value):
        yield node.value
    for child in node.iter_child_nodes():
        yield from _said_in(child)


PAGES = sorted(path for room in ("infra/web", "services") for path in (PROJECT / room).rglob("*.html"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: "-".join(path.parts[-2:]))
def test_a_page_says_nothing_without_a_mark(path: Path) -> None:
    assert list(unmarked(path.read_text(encoding="utf-8"))) == []


def test_what_a_page_says_without_a_mark_is_noticed() -> None:
    text = (
        '<p>Two words</p><input aria-label="Your name">{{ field("price", "Price a pack") }}{{ _("Marked") }}{{ x }} UTC'
    )
    assert list(unmarked(text)) == ["Two words", "Your name", "Price a pack"]


def values_in(value: ast.expr, around: ast.AST) -> Iterator[ast.expr]:
    """The expression and, for a name, what it is set to in the function around it."""
    yield value
    for name in (node.id for node in ast.walk(value) if isinstance(node, ast.Name)):
        for node in ast.walk(around):
            if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
                yield node.value


def joined_values() -> Iterator[str]:
    """Values of refusals that are texts joined in English."""
    for path in sorted(path for room in ("catalogue", "services") for path in (PROJECT / room).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "migrations" in path.parts or ".join(" not in text or "rules import" not in text:
            continue
        module = import_module(".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"))
        for around in [*nodes_of(parsed(text), ast.FunctionDef), *nodes_of(parsed(text), ast.AsyncFunctionDef)]:
            for call in (node for node in ast.walk(around) if isinstance(node, ast.Call)):
                named = getattr(module, call.func.id, None) if isinstance(call.func, ast.Name) else None
                if not isinstance(named, type) or not issubclass(named, RuleBroken):
                    continue
                for word in call.keywords:
                    found = [ast.unparse(each) for each in values_in(word.value, around) if word.arg]
                    if any(".join(" in each for each in found):
                        yield f"{path.relative_to(PROJECT)}:{call.lineno} {word.arg}"


def test_no_value_of_a_refusal_is_a_list_that_was_joined_in_english() -> None:
    assert list(joined_values()) == [], "give it as Several, AnyOf or AllOf"


CODES = {"attribute", "chosen", "ground", "kind", "language", "name", "period", "rule", "step", "term", "topic"}
"""Values that are quoted in English, but are codes of Lonja, which have names in every language."""


def test_no_text_that_somebody_typed_is_translated() -> None:
    """English quotes with ``!r`` what was entered."""
    translated = []
    for one in raised():
        for name, code in one.numbers.items():
            as_written = name in AS_WRITTEN | CODES or code.startswith("Typed(")
            if not as_written and any(name in one.names_of(value) for value in one.quoted):
                translated.append(f"{one.where} {one.code}: {name}={code}")
    assert translated == [], "give it as Typed"
    with speaking("es"):
        assert refusal_text(UnknownUnit("", unit=Typed("4L"))).startswith("«4L» no es una unidad")
        assert refusal_text(UnknownUnit("", unit=Typed("open"))).startswith("«open» no es una unidad")


@pytest.mark.parametrize(
    ("language", "kind", "step"),
    [
        ("en", "lasts 6 min or 1 h 30 min, not 3 min.", "must be 0.5 or 1 %, not 7 %."),
        ("es", "dura 6 min o 1 h 30 min, no 3 min.", "ser de 0,5 o 1 %, no de 7 %."),
        ("ru", "длится 6 мин или 1 ч 30 мин, а не 3 мин.", "0,5 или 1 %, а не 7 %."),
    ],
)
def test_lists_of_lengths_and_numbers_are_written_as_the_reader_writes_them(
    language: str, kind: str, step: str
) -> None:
    lengths, percents = AnyOf(map(Minutes, (6, 90))), AnyOf((Decimal("0.5"), Decimal(1)))
    length = DurationNotOffered(
        f"A mini-auction for works lasts {lengths}, not {Minutes(3)}.",
        duration_minutes=3,
        kind="works",
        lengths=lengths,
    )
    percent = StepNotOffered(f"The step must be {percents} %, not 7 %.", offered=percents, step_percent=Decimal(7))
    assert length.as_dict()["numbers"]["lengths"] == "6 min or 1 h 30 min"
    with speaking(language):
        for broken, told in ((length, kind), (percent, step)):
            assert refusal_text(broken).endswith(told)
            texts = {name: str(value) for name, value in broken.numbers.items()}
            assert refusal_in_texts(broken.code, broken.message, texts).endswith(told)


@pytest.mark.parametrize(
    ("language", "told"), [("en", "336 h, not 168 h."), ("es", "336 h, no 168 h."), ("ru", "336 ч, а не 168 ч.")]
)
def test_one_length_is_written_in_one_form_wherever_it_is(language: str, told: str) -> None:
    """The length that is offered, and the one that was chosen, also in a refusal that was stored as texts."""
    lengths = AnyOf([Minutes(20_160)])
    broken = DurationNotOffered(
        f"A mini-auction for works lasts {lengths}, not {Minutes(10_080)}.",
        duration_minutes=10_080,
        kind="works",
        lengths=lengths,
    )
    with speaking(language):
        assert duration(10_080) in told
        assert refusal_text(broken).endswith(told)
        texts = {name: str(value) for name, value in broken.numbers.items()}
        assert refusal_in_texts(broken.code, broken.message, texts).endswith(told)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_role_has_one_name_in_each_language(language: str) -> None:
    with speaking(language):
        for role in ROLES:
            assert pgettext("role", role.replace("_", " ")) in refusal_text(role_missing(role))


def unsaid(language: str) -> Iterator[str]:
    """Ids that a translation shows and the English sentence does not."""
    for one in raised():
        shown = {name for value in one.shown for name in one.names_of(value)}
        for name in (one.placeholders(language) or set()) - shown:
            if re.fullmatch(r"line|sku|.*_id|.*_ids", name):
                yield f"{one.where} {one.code}: {name}={one.numbers.get(name)}"


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_shows_an_id_that_english_does_not_show(language: str) -> None:
    assert list(unsaid(language)) == []


def test_no_refusal_has_a_time_without_its_day_and_zone() -> None:
    """A page can show only a whole instant in the zone of its reader."""
    found = [
        f"{path.relative_to(PROJECT)}: {match[0]}"
        for path in sorted(path for room in ("catalogue", "services") for path in (PROJECT / room).rglob("*.py"))
        if "RuleBroken" in (text := path.read_text(encoding="utf-8")) or "domain" in path.parts
        for match in re.finditer(r"\{[^{}\n]*%H:%M:%S\}.{0,4}", text)
        if not re.search(r":%Y-%m-%d %H:%M:%S\} UTC", match[0])
    ]
    assert found == []


def test_an_instant_with_seconds_is_shown_in_the_zone_of_the_page() -> None:
    at = datetime(2026, 11, 25, 20, 4, 7, tzinfo=UTC)
    broken = AlreadyClosed(f"The mini-auction was closed at {at:%Y-%m-%d %H:%M:%S} UTC.", closes_at=at)
    assert refusal_text(broken) == broken.message
    assert refusal_text(broken, zone="Europe/Moscow") == (
        "The mini-auction was closed at 2026-11-25 23:04:07 (Europe/Moscow)."
    )


@pytest.mark.parametrize("language", OTHERS)
def test_each_word_of_a_list_in_a_refusal_has_an_entry(language: str) -> None:
    """The words that the code lists; the words of a policy and of the catalogue's attributes are not among them."""
    pools, notes = import_module("services.pools.domain.pool"), import_module("services.notifications.domain")
    policies, contracts = import_module("catalogue.policy.auction"), import_module("services.contracts.domain")
    security, signing = import_module(f"{contracts.__name__}.security"), import_module(f"{contracts.__name__}.terms")
    words = {
        *pools.BelowMinimum,
        *pools.PoolStage,
        *notes.PERIODS,
        *policies.SCORINGS,
        *signing.TERMS,
        *ROLES,
        "nobody",
    }
    words |= {"goods", "works", "services", "no ground", *get_args(security.SecurityKind)}
    words |= {word.lower() for word in TERMS.values()}
    words -= {pools.PoolStage.CLOSED} if hasattr(pools.PoolStage, "CLOSED") else set()
    assert [word for word in sorted(words) if ("refusal value", word) not in entries(language)] == []
