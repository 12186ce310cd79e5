"""Pages of the recommender: a supplier's own list, the suppliers that a buyer may invite, and the measurements."""

from litestar import Controller, get, post
from litestar.response import Redirect, Template

from catalogue.policy import load
from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from infra.denied import Missing
from infra.web import PUBLIC, FromResources, MemberVisit, PathId, Short, Visit, allow, page, redirect
from infra.web.languages import ENGLISH, gettext, pgettext, spoken, written
from services.market.reasons import in_language
from services.recommender.store import advice, openings, trainings
from services.recommender.store.openings import horizon
from services.recommender.training import MIN_AWARDS
from services.recommender.views import TRAININGS, own_opening
from services.recommender.words import VERDICTS, category_in_words, measured

WORTH_OFFERING = 5
ASKED_ABOUT = 200
"""The most offers of a supplier for which SKUs that are bought together with them are searched."""
GROUPS = (
    ("all", "All awards", "the model"),
    ("known", "Awards to suppliers with a record", "the model"),
    ("per tender", "Each tender counting once", "the model"),
    ("long tail", "Awards to the many small winners", "the model"),
    ("new by category", "Suppliers without a record", "their declared category"),
    ("new by region", "Suppliers without a record", "their region"),
    ("baseline category_in_region", "All awards", "most frequent winners of category and region"),
    ("baseline category", "All awards", "most frequent winners of the category"),
    ("baseline popularity", "All awards", "most frequent winners overall"),
)
"""The rows of the public table: (group of figures, what was searched for, by which method)."""


class RecommendationPages(Controller):
    path = "/recommendations"
    include_in_schema = False

    @get("/", opt=allow(SUPPLIER_AGENT))
    async def own(self, resources: FromResources, request: MemberVisit) -> Template:
        supplier_id = request.user.organisation_id
        async with resources.database.transaction("recommender") as tx:
            made = await advice.made(tx, supplier_id, horizon(resources.config.policy, tx.now))
            known = await advice.knows(tx, supplier_id)
            offered = await advice.offered_skus(tx, supplier_id, ASKED_ABOUT)
            together = await advice.bought_with(tx, offered, WORTH_OFFERING) if offered else []
        return page(
            request,
            "recommender/recommendations.html",
            made=made,
            known=known,
            together=together,
            in_language=in_language,
        )

    @post("/{opportunity_id:str}/dismiss", opt=allow(SUPPLIER_AGENT))
    async def dismiss(self, resources: FromResources, request: MemberVisit, opportunity_id: PathId) -> Redirect:
        async with resources.database.transaction("recommender") as tx:
            opening = await openings.opening(tx, opportunity_id)
            if opening is None:
                raise Missing("opportunity", opportunity_id)
            await advice.dismiss(tx, request.user.organisation_id, opportunity_id)
        return redirect(
            "/recommendations",
            gettext("“%(title)s” was hidden.", title=opening.title),
        )

    @post("/{opportunity_id:str}/restore", opt=allow(SUPPLIER_AGENT))
    async def restore(self, resources: FromResources, request: MemberVisit, opportunity_id: PathId) -> Redirect:
        async with resources.database.transaction("recommender") as tx:
            await advice.restore(tx, request.user.organisation_id, opportunity_id)
        return redirect("/recommendations", gettext("It was put back into your list."))

    @get("/suppliers", opt=allow(BUYER_OFFICER))
    async def suppliers(self, resources: FromResources, request: MemberVisit, auction: Short) -> Template:
        opening, invitees = await own_opening(resources, request.user, auction)
        until = horizon(resources.config.policy, resources.clock())
        return page(
            request,
            "recommender/suppliers.html",
            opening=opening,
            invitees=invitees,
            category=category_in_words(opening.category),
            days=load(resources.config.policy).recommendation.horizon_days,
            ahead=opening.closes_at is not None and opening.closes_at > until,
        )


class RecommenderPage(Controller):
    path = "/recommender"
    include_in_schema = False

    @get("/", opt=PUBLIC)
    async def how_it_is_measured(self, resources: FromResources, request: Visit) -> Template:
        async with resources.database.transaction("recommender") as tx:
            in_use = await trainings.id_in_use(tx)
            newest = await trainings.newest(tx, TRAININGS)
            awards = 0 if newest else await advice.count_awards(tx, MIN_AWARDS)
        figures = {(figure.group, figure.name): figure.value for figure in newest[0].figures} if newest else {}
        return page(
            request,
            "recommender/figures.html",
            trainings=newest,
            figures=figures,
            groups=[group for group in GROUPS if figures.get((group[0], "n"))],
            in_use=in_use,
            awards=awards,
            enough=MIN_AWARDS,
            decision=decision,
        )


def decision(training: trainings.Training) -> str:
    """Why a model came into use, or did not, in the reader's language; for an unknown code the stored sentence."""
    numbers = {name: written(value) for name, value in measured(training.reason).items()}
    if spoken() == ENGLISH or training.code not in VERDICTS or not numbers:
        return training.reason
    verdict = pgettext("training", VERDICTS[training.code])
    if "theirs" in numbers:
        return gettext("%(verdict)s: hit rate %(hr)s against %(theirs)s", verdict=verdict, **numbers)
    return gettext(
        "%(verdict)s: the same hit rate %(hr)s, mean 1/rank %(mrr)s against %(other)s", verdict=verdict, **numbers
    )
