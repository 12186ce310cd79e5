"""Programs identify a refusal by its code: each code belongs to one rule, and each rule has one class."""

import ast
from collections import defaultdict
from functools import cache

from tests.names import nodes, parsed
from tests.rooms import PROJECT, files

ONE_RULE = {
    "act-of-other-party": "only the other side may do this act of the execution",
    "amount-not-finite": "an amount of money is a number of few digits",
    "amount-not-rounded": "an amount is a whole multiple of the minor unit",
    "answered-already": "an answer is given once",
    "attribute-unit-unknown": "an attribute has a unit of the kind that the category asks for",
    "buyer-not-active": "only an active buyer opens",
    "comes-to-nothing": "a whole that is rounded to the minor unit is above zero",
    "contract-over": "a contract that ended has no steps",
    "decided-otherwise": "a decision stands",
    "decision-unexplained": "a decision says why",
    "draft-changed": "what is signed or refused is the version that was read",
    "duration-not-offered": "a session has a length that the policy offers for its kind",
    "engine-failed": "the recommender's child process answers",
    "equivalent-undescribed": "an equivalent is a SKU of the catalogue, or is described",
    "evidence-missing": "a claim says where it can be seen",
    "file-unusable": "a file to import can be read",
    "firm-quantity-not-positive": "a member of a pool takes something in any case",
    "line-not-complete": "a line has all that such a process needs of it",
    "line-not-priced": "a line of a pool has an id, a pack size and a price above zero",
    "name-missing": "a person, organisation or thing that needs a name has one",
    "no-quantity": "at least one line has a quantity above zero",
    "nobody-left": "a pool has members with demand",
    "not-a-supplier": "only a supplier that is known here sells",
    "not-comparable": "a price compares by a base unit",
    "not-lower": "a bid is lower than what it has to undercut",
    "not-the-buyer": "an act is the buyer's",
    "nothing-of-that-number": "an order, delivery, invoice or dispute that is named was made",
    "nothing-to-invoice": "an invoice is for deliveries of which something was accepted",
    "offer-ended": "an offer that ended is not bought, replaced or withdrawn",
    "organisation-not-active": "only active organisations buy and sell",
    "paid-not-comparable": "a price that was paid compares with a line in unit and VAT",
    "policy-not-valid": "a policy is a file of sound numbers",
    "price-missing": "a quote prices each line of its request, and nothing else",
    "price-not-positive": "a price is above zero",
    "price-out-of-range": "a price can be computed with and written",
    "quantity-not-positive": "a quantity is above zero",
    "reason-missing": "an act that ends something says why",
    "reference-not-comparable": "a reference price compares with a line in currency, unit and VAT",
    "role-missing": "an act needs a role",
    "scoring-not-sound": "criteria, options and weights of a scoring fit together",
    "sku-not-published": "only published SKUs are offered and bought",
    "step-out-of-order": "a step of a contract is taken when it is its turn",
    "supplier-not-active": "only an active supplier bids and quotes",
    "taken-back": "nobody acts on something that was withdrawn",
    "title-missing": "a process has a title",
    "too-late-to-delete": "a bid is deleted within the seconds of the policy, while the session runs",
    "unknown-kind": "a process is for a kind that the policy has",
    "unknown-line": "a line that is named is one of the pool, once",
    "unknown-region": "a region is one of ISO 3166-2",
    "unknown-time-zone": "a time zone is one of IANA",
    "unknown-unit": "a unit is one of Recommendation 20",
    "unparseable-number": "a number is above zero and is read in one way",
    "unparseable-unit": "the text of a unit or pack is read without a guess",
    "unsound": "a log follows from its rules",
    "wrong-stage": "an act has its stage of a process",
    "wrong-state": "a step of a card follows from its state",
}
"""Codes with several sentences, and the one rule that all of these sentences state. A sentence about another rule needs
its own code."""


@cache
def codes() -> dict[str, list[str]]:
    """The classes that define each code."""
    found = defaultdict(list)
    for path in files():
        for node in parsed((PROJECT / path).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                for each in node.body:
                    match each:
                        case (
                            ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code)))
                            | ast.AnnAssign(target=ast.Name(id="code"), value=ast.Constant(value=str(code)))
                        ):
                            found[code].append(f"{path}: {node.name}")
    return found


def test_a_code_has_one_class() -> None:
    found = codes()
    assert len(found) > 300
    assert {code: classes for code, classes in found.items() if len(classes) > 1} == {}


def sentences() -> dict[str, set[str]]:
    """The English sentences for each code."""
    names = {each.rpartition(": ")[2]: code for code, classes in codes().items() for each in classes}
    found = defaultdict(set)
    for path in files():
        if path.startswith(("catalogue/", "services/")):
            for node in nodes(parsed((PROJECT / path).read_text(encoding="utf-8")), ast.Call):
                match node:
                    case ast.Call(
                        func=ast.Name(id=name) | ast.Attribute(attr=name),
                        args=[(ast.Constant() | ast.JoinedStr() | ast.IfExp()) as sentence, *_],
                    ) if name in names:
                        found[names[name]].add(ast.unparse(sentence))
    return found


def test_a_code_with_several_sentences_says_one_rule() -> None:
    several = {code for code, said in sentences().items() if len(said) > 1}
    assert several == set(ONE_RULE)
    assert len(set(ONE_RULE.values())) == len(ONE_RULE)
