"""HTML pages: Jinja templates of infra and of every service, with filters that show money, quantities and times
uniformly, in the reader's language."""

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
from infra.web import days, languages
from infra.web.answers import GONE, MINUTES, page_of_form
from infra.web.forms import Filled
from infra.web.gone import with_errors_at_head
from infra.web.kept import PREFIX, KeptForm
from infra.web.languages import duration, spoken, written

NOTICE = "lonja_notice"


def page(request: Request[Any, Any, Any], template: str, *, status_code: int = 200, **context: Any) -> Template:
    """Render ``<service>/<name>.html``. ``principal`` and a ``notice`` left by :func:`redirect` are always available,
    and so is ``here``, the address of this page; for the answer to a form it is the address of the form's page."""
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


def form_page(request: Request[Any, Any, Any], template: str, filled: Filled, **context: Any) -> Template:
    """Like :func:`page`, with ``values``, ``errors`` and ``instead`` of the form on the page, unless the context has
    others. The status is 422 if the form was refused."""
    status = 422 if filled.errors else 200
    shown = {"values": filled.values, "errors": filled.errors, "instead": filled.instead}
    return page(request, template, status_code=status, **shown | context)


def template_of(request: Request[Any, Any, Any], name: str) -> Any:
    """The template for a part of a page that is rendered without a response."""
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
    """``goal`` is the address after the login; the content of a ``kept`` form is shown there first, to be sent."""
    values, errors = {"email": email, "next": goal}, {"": error} if error else {}
    return page(
        request, "accounts/login.html", values=values, errors=errors, kept=kept, prefix=PREFIX, status_code=status_code
    )


def redirect(path: str, notice: str = "") -> Redirect:
    """Redirect (See Other) after a form was accepted; ``notice`` is shown once on the next page."""
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
        "with_errors_at_head": with_errors_at_head,
        "unambiguous": unambiguous,
        "when": when,
        "percent": percent,
        "duration": duration,
        "day": days.day,
        "date": languages.date_of,
        "date_in": days.date_in,
        "share": share,
        "month": days.month,
        "month_in": days.month_in,
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
        "refusal_text": languages.refusal_text,
        "kept_refusal": languages.kept_refusal,
        "refusal": languages.refusal_in_texts,
    }
    return JinjaTemplateEngine.from_environment(environment)


def _with_facts_shown(translate: Any) -> Any:
    """Wrap ``translate``, Jinja's form of a gettext function, so that the facts of a sentence are shown in the reader's
    form."""

    @pass_context
    def translated(context: Context, /, *words: Any, **facts: Any) -> str:
        sentence: str = translate(context, *words, **languages.shown(facts))
        return sentence

    return translated


def number(value: Decimal | int | None, places: int | None = None) -> str:
    """1234.5 → ``1 234.5`` with narrow no-break spaces; None → a dash."""
    if value is None:
        return "–"
    exact = Decimal(value)
    return written(digits(exact, ",f") if places is None else written_out(exact, f",.{places}f"))


def money(value: Decimal | None, currency: str | None = "") -> str:
    """The amount to the minor unit, with the currency: ``1 234.50 RUB``."""
    if value is None:
        return "–"
    return f"{number(value, minor_units(currency) if currency else 2)}\u00a0{currency}".strip()


def price(value: Decimal | None, currency: str) -> str:
    """The price of one unit, to the minor unit of the currency or with more decimals if it has them: ``410.80``,
    ``0.0341``."""
    if value is None or not can_be_written_out(value):
        return number(value)
    finest = -int(value.normalize().as_tuple().exponent)
    return number(value, max(minor_units(currency), finest))


def payable(ceiling: Decimal, currency: str) -> str:
    """The highest payable price under a ceiling, for the field of a price: ``519.43`` for 519.439997."""
    return not_misread(written_out(round_down(ceiling, currency)))


def percent(value: Decimal | float | None, places: int = 1) -> str:
    if value is None:
        return "–"
    form = f".{places}f"
    return written(written_out(value, form) if isinstance(value, Decimal) else f"{value:{form}}") + "\u202f%"


def share(value: Decimal) -> str:
    """A percentage of a whole, to one decimal; below one to two significant digits, if it has that many: ``12.5 %``,
    ``0.033 %``. A value that was rounded to zero is ``< 0.01 %``."""
    if not can_be_written_out(value):
        return percent(value)
    finest = -int(value.as_tuple().exponent)
    if not value:
        return f"<\u202f{percent(Decimal(1).scaleb(-finest), max(0, finest))}"
    return percent(value, max(0, min(finest, max(1, 1 - value.adjusted()))))


def when(value: datetime | None) -> Markup:
    """A ``<time>`` element: it has UTC for machines and without script; a script shows the reader's zone."""
    if value is None:
        return Markup("–")
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat().replace("+00:00", "Z"), languages.moment(utc))
