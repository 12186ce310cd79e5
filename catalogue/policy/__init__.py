"""Policies: the numbers that a jurisdiction may want to change, as one frozen value loaded by name (docs/rules.md,
introduction).

A preset is ``policies/<name>.toml``; a market adds or overrides presets in a folder of its own. ``based_on`` names a
shipped preset of which the file changes only what it says: tables merge, everything else (lists too) is replaced, and
``without`` lists what the file removes from the preset, such as "auction.withdrawal.window". A policy is stored with
each process at its beginning, in the event that opens it (``text_of``, ``of_process``), so a later edit never changes a
running process.

``auction``, ``contract``, ``sanctions``, ``buying``, ``cards``, ``observatory`` and ``advice`` are the parts ·
``jurisdiction`` joins them · ``bounds`` has what they share · ``reading`` makes a policy of the tables of a file and
checks each value · ``loading`` finds the files, and reads stored policies.
"""

from catalogue.policy.advice import RecommendationRules
from catalogue.policy.auction import AuctionRules, Duration, Equivalents, Outage, Restart, Rounds, Window, Withdrawal
from catalogue.policy.bounds import KINDS
from catalogue.policy.buying import PoolRules, PurchaseRules, QuoteRules
from catalogue.policy.cards import CatalogueRules
from catalogue.policy.contract import TERMS, Bracket, ContractRules, ExecutionRules, PerformanceSecurity, RefusalGround
from catalogue.policy.jurisdiction import Policy
from catalogue.policy.loading import (
    NAME,
    PolicyNotValid,
    UnknownPolicy,
    is_shipped,
    keep_own_in,
    load,
    of_process,
    text_of,
)
from catalogue.policy.observatory import ObservatoryRules, OutlierRules
from catalogue.policy.sanctions import Sanctions, SuspensionPolicy

__all__ = [
    "KINDS",
    "NAME",
    "TERMS",
    "AuctionRules",
    "Bracket",
    "CatalogueRules",
    "ContractRules",
    "Duration",
    "Equivalents",
    "ExecutionRules",
    "ObservatoryRules",
    "Outage",
    "OutlierRules",
    "PerformanceSecurity",
    "Policy",
    "PolicyNotValid",
    "PoolRules",
    "PurchaseRules",
    "QuoteRules",
    "RecommendationRules",
    "RefusalGround",
    "Restart",
    "Rounds",
    "Sanctions",
    "SuspensionPolicy",
    "UnknownPolicy",
    "Window",
    "Withdrawal",
    "is_shipped",
    "keep_own_in",
    "load",
    "of_process",
    "text_of",
]
