"""Which supplier fits which purchase: a library, usable in a notebook, without services or servers.

    from recommender import Award, Opportunity, SupplierProfile, evaluate, retrain, split_by_time, train

    model = train(awards, now)                              # Award(supplier, Opportunity(buyer, region, category, …), date)
    model.rank_suppliers(opportunity, k=10)                 # suppliers to invite
    model.recommend(profile_or_id, opportunities, k=10)     # purchases to look at, each with reasons
    evaluate(model, later_awards, k=10)                     # figures beside the baselines'
    retrain(awards, now, incumbent).model.to_bytes()        # measured, promoted only if not worse

The modules: `features` describes a purchase for the model; `history` counts past awards and turns them into evidence
(smoothing along the category path in several contexts, similar purchases, popularity, recency); `ranking` learns from
the later parts of the history how to weigh this evidence; `model` joins both; `reasons` gives the reasons in words;
`turns` prevents that one buyer fills a list; `evaluation` measures; `interest` counts single events; `names` derives
one key for a supplier from all spellings of its name; `tables` reads awards from CSV files; `trades` finds the
suppliers that an opening may concern; `values` defines the input and output types. Time is always an argument, and
training is seeded: equal inputs give equal models.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recommender.names import supplier_key
from recommender.reasons import sentence
from recommender.tables import UnreadableTable, read_awards
from recommender.turns import in_turns
from recommender.values import (
    Award,
    HitRate,
    ModelDecision,
    ModelFigures,
    NewSupplierFigures,
    Opportunity,
    RankedOpportunity,
    Reason,
    Scored,
    Split,
    SupplierProfile,
)

if TYPE_CHECKING:
    from recommender.evaluation import (
        DifferentSplit,
        Retraining,
        evaluate,
        evaluate_new_suppliers,
        promote,
        retrain,
        split_by_time,
    )
    from recommender.model import Model, UnreadableModel, train

__all__ = [
    "Award",
    "DifferentSplit",
    "HitRate",
    "Model",
    "ModelDecision",
    "ModelFigures",
    "NewSupplierFigures",
    "Opportunity",
    "RankedOpportunity",
    "Reason",
    "Retraining",
    "Scored",
    "Split",
    "SupplierProfile",
    "UnreadableModel",
    "UnreadableTable",
    "evaluate",
    "evaluate_new_suppliers",
    "in_turns",
    "promote",
    "read_awards",
    "retrain",
    "sentence",
    "split_by_time",
    "supplier_key",
    "train",
]

_COMPUTING = {
    **dict.fromkeys(
        (
            "DifferentSplit",
            "Retraining",
            "evaluate",
            "evaluate_new_suppliers",
            "promote",
            "retrain",
            "split_by_time",
        ),
        "recommender.evaluation",
    ),
    **dict.fromkeys(("Model", "UnreadableModel", "train"), "recommender.model"),
}


def __getattr__(name: str) -> Any:
    """Import a name that computes when it is first used, because numpy and scipy take a second and 40 MB."""
    if name not in _COMPUTING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_COMPUTING[name]), name)
