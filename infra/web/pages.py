"""HTML pages: Jinja templates of infra and of every service, with the filters that show money, quantities and times alike, in the
reader's language."""

from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from litestar import Request
from litestar.datastructures import Cookie
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Template
from markupsafe import Markup

from catalogue.money import minor_units, round_down
from catalogue.numbers import can_be_written_out, digits, not_misread, unambiguous, written_out
from infra.clock import Clock
from infra.config import Config
from infra.web import languages
from infra.web.answers import GONE, MINUTES, page_of_form
from infra.web.gone import told_of_gone
from infra.web.kept import PREFIX, KeptForm
from infra.web.languages import pgettext, spoken, written

NOTICE = "lonja_notice"


def page(request: Request[Any, Any, Any], template: str, *, status_code: int = 200, **context: Any) -> Template:
    """Render ``<service>/<name>.html``. ``principal`` and a ``notice`` left by :func:`redirect` are always there, and ``here``: the
    address of this page, of one that answers a form the page of the form."""
    notice = unquote(request.cookies.get(NOTICE, ""))
    shown = request.url
    own = shown.path + (f"?{shown.query}" if shown.query else "")
    here = own if request.method == "GET" else page_of_form(request)
    cookies = [Cookie(key=NOTICE, value="", max_age=0, path="/")] if notice else []
    return Template(
        template,
        context={
            "principal": request.scope.get("user"),
            "notice": notice,
            "path": request.url.path,
            "here": here,
            "answers_a_form": request.method == "POST",
            "answer_is_gone": request.method == "GET" and GONE in request.scope,
            **context,
        },
        status_code=status_code,
        cookies=cookies,
    )


def template_of(request: Request[Any, Any, Any], name: str) -> Any:
    """For a part of a page that is rendered without a response."""
    engine = request.app.template_engine
    assert engine is not None, "create_app gives it one"
    return engine.get_template(name)


def login_page(
    request: Request[Any, Any, Any],
    *,
    email: str = "",
    goal: str = "/",
    error: str = "",
    kept: KeptForm | None = None,
    status_code: int = 200,
) -> Template:
    """``goal`` is where to go afterwards; what was ``kept`` of a form is shown first, to be sent."""
    values, errors = {"email": email, "next": goal}, {"": error} if error else {}
    return page(
        request, "accounts/login.html", values=values, errors=errors, kept=kept, prefix=PREFIX, status_code=status_code
    )


def redirect(path: str, notice: str = "") -> Redirect:
    """See other, after a form was taken; ``notice`` is shown once on the next page."""
    cookies = (
        [Cookie(key=NOTICE, value=quote(notice), max_age=60, path="/", httponly=True, samesite="lax")] if notice else []
    )
    return Redirect(path, status_code=303, cookies=cookies)


def engine(config: Config, clock: Clock, services: Path) -> JinjaTemplateEngine:
    """Templates are named ``<service>/<page>.html``; those of the layout have no folder."""
    folders = [str(files("infra.web") / "templates"), *(str(path) for path in sorted(services.glob("*/templates")))]
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        finalize=languages.dated,
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        languages.gettext, languages.ngettext, newstyle=True, pgettext=languages.pgettext
    )
    for name in ("gettext", "ngettext", "pgettext"):
        environment.globals[name] = _with_facts_shown(environment.globals[name])
    for language in languages.LANGUAGES:
        languages.translations(language)
    environment.filters |= {
        "money": money,
        "number": number,
        "payable": payable,
        "price": price,
        "told_of_gone": told_of_gone,
        "unambiguous": unambiguous,
        "when": when,
        "percent": percent,
        "duration": duration,
        "day": languages.day,
        "date": languages.date_of,
        "date_in": languages.date_in,
        "share": share,
        "month": languages.month,
        "month_in": languages.month_in,
    }
    environment.globals |= {
        "now": clock,
        "public_url": config.public_url,
        "answer_minutes": MINUTES,
        "principal": None,
        "notice": "",
        "path": "",
        "here": "/",
        "answers_a_form": False,
        "answer_is_gone": False,
    }
    environment.globals |= {
        "language": spoken,
        "page_languages": languages.LANGUAGES,
        "told": languages.told,
        "kept_refusal": languages.kept_refusal,
        "refusal": languages.refusal_in_texts,
    }
    return JinjaTemplateEngine.from_environment(environment)


def _with_facts_shown(translate: Any) -> Any:
    """``translate`` is what Jinja made of a gettext function: a sentence of a template with its facts."""

    @pass_context
    def told(context: Context, /, *words: Any, **facts: Any) -> str:
        sentence: str = translate(context, *words, **languages.shown(facts))
        return sentence

    return told


def number(value: Decimal | int | None, places: int | None = None) -> str:
    """1234.5 → ``1 234.5`` with narrow no-break spaces; None → a dash."""
    if value is None:
        return "–"
    exact = Decimal(value)
    return written(digits(exact, ",f") if places is None else written_out(exact, f",.{places}f"))


def money(value: Decimal | None, currency: str | None = "") -> str:
    """Amount to the minor unit and currency: ``1 234.50 RUB``."""
    if value is None:
        return "–"
    return f"{number(value, minor_units(currency) if currency else 2)}\u00a0{currency}".strip()


def price(value: Decimal | None, currency: str) -> str:
    """Of one unit, to the minor unit of the currency or as much finer as it is: ``410.80``, ``0.0341``."""
    if value is None or not can_be_written_out(value):
        return number(value)
    finest = -int(value.normalize().as_tuple().exponent)
    return number(value, max(minor_units(currency), finest))


def payable(ceiling: Decimal, currency: str) -> str:
    """The highest price that a ceiling allows, for the field in which a price is asked: ``519.43`` of 519.439997."""
    return not_misread(written_out(round_down(ceiling, currency)))


def percent(value: Decimal | float | None, places: int = 1) -> str:
    if value is None:
        return "–"
    form = f".{places}f"
    return written(written_out(value, form) if isinstance(value, Decimal) else f"{value:{form}}") + "\u202f%"


def share(value: Decimal) -> str:
    """A percentage of a whole to one decimal, and where it is below one to the two digits that tell it from others, if it came with
    so many: ``12.5 %``, ``0.033 %``. What was rounded to nothing is ``< 0.01 %``."""
    if not can_be_written_out(value):
        return percent(value)
    finest = -int(value.as_tuple().exponent)
    if not value:
        return f"<\u202f{percent(Decimal(1).scaleb(-finest), max(0, finest))}"
    return percent(value, max(0, min(finest, max(1, 1 - value.adjusted()))))


def when(value: datetime | None) -> Markup:
    """A ``<time>`` element: UTC for machines and without script, the reader's own zone with it."""
    if value is None:
        return Markup("–")
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat().replace("+00:00", "Z"), languages.moment(utc))


def duration(minutes: float) -> str:
    """90 → ``1 h 30 min``; below one, seconds."""
    hours, rest = divmod(round(minutes), 60)
    hour, minute, second = pgettext("duration", "h"), pgettext("duration", "min"), pgettext("duration", "s")
    if 0 < minutes < 1:
        return f"{round(minutes * 60)} {second}"
    return " ".join(
        part for part in (f"{hours} {hour}" if hours else "", f"{rest} {minute}" if rest or not hours else "") if part
    )
