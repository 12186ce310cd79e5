"""The child process of `engine`: `python -m services.recommender.work` answers on stdout the questions from stdin."""

import os
import signal
import sys
import time
import traceback

import msgspec

from infra.beside import YIELDING, end_without
from recommender import Model, RankedOpportunity, SupplierProfile, in_turns, retrain, train
from services.recommender.engine import (
    Advice,
    Advise,
    Answer,
    Failed,
    Fit,
    Learn,
    Learnt,
    Question,
    Train,
    Trained,
    read,
    write,
)
from services.recommender.words import in_words

REASONS = 4
"""The most reasons; the strongest are chosen."""


def speaks_of_the_trade(fit: RankedOpportunity) -> bool:
    """Whether a reason is about the trade. A purchase that is only near by does not fit a supplier that does not sell
    such things."""
    return any(reason.code != "in_your_region" for reason in fit.reasons)


def buyer_of(fit: RankedOpportunity) -> str:
    """The buyer's name. Each purchase with an unknown buyer counts as having a buyer of its own."""
    return fit.opportunity.buyer or fit.opportunity.id


class Desk:
    """Answers questions, and keeps the model that it uses."""

    def __init__(self) -> None:
        self.model: Model | None = None

    def answer(self, question: Question) -> Answer:
        if isinstance(question, Learn):
            return self.learn(question)
        return self.advise(question) if isinstance(question, Advise) else self.train(question)

    def learn(self, question: Learn) -> Learnt:
        base = Model.from_bytes(question.model) if question.model else train([], question.now)
        self.model = base.over(question.awards, question.now)
        return Learnt(len(question.awards))

    def advise(self, question: Advise) -> Advice:
        assert self.model is not None, "asked for advice before it was taught"
        fits = {supplier.supplier_id: self.fits(self.model, supplier, question) for supplier in question.suppliers}
        invitees = {one.id: self.model.rank_suppliers(one, question.k) for one in question.invite}
        return Advice(fits, invitees)

    def fits(self, model: Model, supplier: SupplierProfile, question: Advise) -> list[Fit]:
        without = set(question.without.get(supplier.supplier_id, ()))
        asked = [one for one in question.opportunities if one.id not in without]
        found = [fit for fit in model.recommend(supplier, asked, len(asked)) if speaks_of_the_trade(fit)]
        return [
            Fit(fit.opportunity.id, fit.score, tuple(in_words(reason) for reason in fit.reasons[:REASONS]))
            for fit in in_turns(found, buyer_of, question.k)
        ]

    def train(self, question: Train) -> Trained:
        started = time.perf_counter()
        incumbent = Model.from_bytes(question.incumbent) if question.incumbent else None
        retraining = retrain(question.awards, question.now, incumbent)
        model = retraining.model
        assert model.figures is not None
        assert model.new_suppliers is not None
        return Trained(
            model=model.to_bytes(),
            decision=retraining.decision,
            figures=model.figures,
            new_suppliers=model.new_suppliers,
            suppliers=len(model.history.suppliers),
            seconds=time.perf_counter() - started,
        )


def main() -> None:
    os.nice(YIELDING)
    end_without(os.getppid())
    # Ctrl-C reaches the whole process group, but here the end of the input ends the process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # nothing that prints may come between the answers
    desk = Desk()
    while (data := read(sys.stdin.buffer)) is not None:
        try:
            answer = desk.answer(msgspec.msgpack.decode(data, type=Question))
        except Exception:  # noqa: BLE001 - the parent gets the error and raises it
            answer = Failed(traceback.format_exc())
        write(answers, msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    main()
