"""Pages of contracts: what waits for the reader, and one contract with its signatures."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlencode

from litestar import Controller, get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Redirect, Template

from catalogue.policy import TERMS
from events.bounds import Clause
from infra.listing import PAGES
from infra.service import Resources
from infra.tokens import Principal
from infra.web import (
    BLANK,
    PUBLIC,
    Filled,
    FromResources,
    PageNumber,
    PathId,
    Short,
    Visit,
    form_page,
    leaf,
    misfits,
    page,
    redirect,
)
from infra.web import Words as Search
from infra.web.languages import pgettext
from services.contracts.arguments import After, State
from services.contracts.domain.deals import BUYER_ANSWER, BUYER_DRAFT, PARTIES, SUPPLIER_OFFER, SUPPLIER_SIGNATURE
from services.contracts.handlers import may_see
from services.contracts.store import listing, replicas
from services.contracts.store.contracts import ContractRecord
from services.contracts.store.listing import ListedContract
from services.contracts.views import (
    choices_of,
    ending_of,
    is_insider,
    is_party,
    paper_for,
    party_of,
    steps_of,
    visible,
    wanted_by,
)

PER_PAGE = 20
AT_MOST = 50
"""How many contracts that wait for a signature are listed at once."""
OPEN_PURCHASES = 50
STATES = (("", "All"), ("running", "To be signed"), ("concluded", "Concluded"), ("ended", "Ended"))
STEPS = {
    SUPPLIER_OFFER: "The supplier signs the offer",
    BUYER_DRAFT: "The buyer sends the draft",
    BUYER_ANSWER: "The buyer answers the objection",
    SUPPLIER_SIGNATURE: "The supplier signs the contract",
}
BUTTONS = {
    SUPPLIER_OFFER: "Sign the offer",
    BUYER_DRAFT: "Send the draft",
    BUYER_ANSWER: "Answer the objection",
    SUPPLIER_SIGNATURE: "Sign the contract",
}
MEANINGS = {
    SUPPLIER_OFFER: "You confirm the lines and prices on this page. The buyer then sends you the draft of the contract.",
    BUYER_DRAFT: "You sign the contract as it is on this page, with the terms that you write, and send it to the supplier to sign.",
    BUYER_ANSWER: (
        "The supplier objects to the draft. Every point that you accept makes a new version of the draft; then the supplier signs or"
        " refuses."
    ),
    SUPPLIER_SIGNATURE: "Your signature concludes the contract. It binds both sides, and everybody can read it from then on.",
}
_EVASION = (
    "the contract goes to the next bidder, if there is one. It counts as an evasion, unless the supplier was asked at the buyer's request."
    " A supplier with several evasions is suspended."
)
_BUYER = "the process ends without a contract. It counts as the buyer's refusal without a ground, for which a buyer is suspended."
CONSEQUENCES = {
    SUPPLIER_OFFER: _EVASION,
    BUYER_DRAFT: _BUYER,
    BUYER_ANSWER: _BUYER,
    SUPPLIER_SIGNATURE: _EVASION,
}
"""What happens if a step is not taken in time."""
Part = Annotated[int | None, QueryParameter(ge=0, le=100_000)]
SECURITIES = {"bank-guarantee": "Bank guarantee", "deposit": "Deposit"}


def too_long(values: Mapping[str, str]) -> dict[str, str]:
    """Return the errors of fields whose text is too long for a contract or cannot be shown."""
    return misfits(values, Clause)


async def contract_page(resources: Resources, request: Visit, contract_id: str, filled: Filled = BLANK) -> Template:
    principal: Principal | None = request.scope.get("user")
    found = await visible(resources, contract_id, principal)
    drafted = found.drafted
    deal = await listing.of_deal(resources.database.pool, drafted.process_id, drafted.buyer_id)
    others = [each for each in deal if each.rank != drafted.rank and _told(each, found, principal)]
    return form_page(
        request,
        "contracts/contract.html",
        filled,
        contract=found,
        drafted=drafted,
        status=(await replicas.carried_out(resources.database.pool, [contract_id])).get(contract_id),
        steps=steps_of(found, principal),
        words=STEPS,
        buttons=BUTTONS,
        meanings=MEANINGS,
        turn=_turn(found, principal),
        consequences=CONSEQUENCES,
        party=party_of(found, principal) or "",
        insider=is_insider(found, principal),
        paper=paper_for(found, principal),
        choices=await choices_of(resources, found, principal),
        ending=await ending_of(resources, found, principal),
        terms=TERMS,
        line_names={line.line_id: line.description for line in drafted.lines},
        securities=SECURITIES,
        others=others,
        readable={each.contract_id for each in others if may_see(each, principal)},
    )


def _told(other: ListedContract, shown: ContractRecord, principal: Principal | None) -> bool:
    """Return whether the page mentions the other contract. Earlier awards are always mentioned, later ones only to
    readers that may see that contract."""
    return other.rank < shown.drafted.rank or may_see(other, principal)


def _turn(contract: ContractRecord, principal: Principal | None) -> bool:
    return contract.step is not None and PARTIES[contract.step] == party_of(contract, principal)


class ContractPages(Controller):
    path = "/contracts"
    include_in_schema = False

    @get(opt=PUBLIC)
    async def list_contracts(
        self,
        resources: FromResources,
        request: Visit,
        q: Search = "",
        wanted_state: State = "",
        process: Short = "",
        whose: FromQuery[Literal["", "all", "mine"]] = "",
        number: PageNumber = 1,
        after: After = "",
    ) -> Template:
        principal: Principal | None = request.scope.get("user")
        party = is_party(principal)
        mine = party and whose != "all"
        wanted = wanted_by(principal, mine=mine, state=wanted_state, process=process, q=q)
        pool = resources.database.pool

        async def read(number: int) -> listing.FoundContracts:
            async with pool.acquire() as db:
                return await listing.search(db, wanted, limit=PER_PAGE, offset=PER_PAGE * (number - 1), after=after)

        found, number, pages = await leaf(request, number, PER_PAGE, read)
        me, now = principal.organisation_id if principal else "", resources.clock()
        kept = {"q": q, "state": wanted_state, "process": process, "whose": whose}
        return page(
            request,
            "contracts/contracts.html",
            party=party,
            me=me,
            mine=mine,
            waiting=await listing.waiting_for(pool, me, limit=AT_MOST) if party else None,
            requests=await replicas.requests_of(pool, "supplier", me, now=now, limit=OPEN_PURCHASES) if party else None,
            asked=await replicas.requests_of(pool, "buyer", me, now=now, limit=OPEN_PURCHASES) if party else None,
            found=found,
            statuses=await replicas.carried_out(pool, [each.contract_id for each in found.rows]),
            number=number,
            pages=pages,
            filters=kept,
            query=urlencode({name: value for name, value in kept.items() if value}),
            most=PAGES,
            states=[(state, pgettext("contract", words)) for state, words in STATES],
            buttons=BUTTONS,
            words=STEPS,
        )

    @get("/{contract_id:str}", opt=PUBLIC)
    async def show(
        self, resources: FromResources, request: Visit, contract_id: PathId, number: PageNumber = 1, part: Part = None
    ) -> Template | Redirect:
        """Show the contract. ``page`` and ``part`` belong to its history and its orders, which have their own page;
        letters of both releases still link to this address with ``part``, and are redirected."""
        if part is not None or number > 1:
            found = await visible(resources, contract_id, request.scope.get("user"))
            query = urlencode({name: value for name, value in (("page", number), ("part", part)) if value is not None})
            return redirect(f"/contracts/{found.drafted.contract_id}/execution?{query}")
        return await contract_page(resources, request, contract_id)
