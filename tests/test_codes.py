"""Programs identify a refusal by its code: each code belongs to one rule, and each rule has one class."""

import ast
import re
from collections import defaultdict
from functools import cache

from tests.names import nodes, parsed
from tests.rooms import PROJECT, files

ONE_RULE = {
    "act-of-other-party": "only the other side may do this act of the execution",
    "amount-not-finite": "an amount of money is a number of few digits",
    "amount-not-rounded": "an amount is a whole multiple of the minor unit",
    "answered-already": "an answer is given once",
    "attribute-unit-unknown": "an attribute has a unit that converts to the one that the category asks for",
    "auction-cancelled": "nobody acts on a mini-auction that a moderator cancelled",
    "auction-over": "nobody bids or deletes a bid from the end of a mini-auction on",
    "auction-withdrawn": "nobody acts on a mini-auction that its buyer withdrew",
    "bad-setting": "a setting has a possible value",
    "buyer-not-active": "only an active buyer opens a process",
    "ceiling-exceeded": "a purchase begins at most at the ceiling of its kind",
    "comes-to-nothing": "an amount is above zero after it is rounded",
    "contract-over": "a contract that ended has no further steps",
    "decided-otherwise": "a decision is final",
    "decision-unexplained": "a decision has a reason",
    "draft-changed": "an act names the present version of the draft",
    "duration-not-offered": "a mini-auction has a length that the policy offers for its kind",
    "engine-failed": "the recommender's child process answers",
    "enrolment-too-short": "enrolment lasts at least as long as the policy demands",
    "evidence-missing": "a claim names the place of its evidence",
    "file-unusable": "a file to import can be read",
    "line-not-complete": "a line states every value that such a process needs",
    "mapping-unusable": "the file of a mapping can be read",
    "name-missing": "what needs a name has one",
    "java-missing": "there is a Java where it is looked for",
    "no-backup": "the directory holds all files of a backup",
    "no-quantity": "at least one line has a quantity above zero",
    "not-a-supplier": "only a supplier that is known to this service sells",
    "not-comparable": "a price is compared only if its unit says how much it contains",
    "not-empty": "a directory that is filled is empty before",
    "not-running": "a server that is needed answers",
    "not-the-buyer": "only the buyer may do this",
    "nothing-of-that-number": "the matter that is named exists",
    "offer-ended": "an offer that ended stays as it is",
    "organisation-not-active": "only an active organisation trades",
    "pack-not-positive": "the size of a pack is above zero",
    "policy-not-valid": "a policy holds only possible values",
    "postgres-broken": "a program of PostgreSQL ends without an error",
    "price-not-positive": "a price is above zero",
    "price-out-of-range": "a price lies in the range that can be published",
    "quantity-absurd": "a quantity is below a limit that keeps the arithmetic exact",
    "quantity-not-positive": "a quantity is above zero",
    "quantity-too-fine": "a quantity has at most six decimals",
    "reason-missing": "an act that ends a process has a reason",
    "request-ended": "a request that ended is not changed",
    "sku-not-published": "only a published SKU is traded",
    "supplier-not-active": "only an active supplier bids or quotes",
    "withdrawn-already": "nobody acts on something that was withdrawn",
    "title-missing": "a process has a title",
    "unknown-kind": "a process is for a kind that the policy has",
    "unknown-line": "a line that is named is one of the process",
    "unknown-region": "a region is a code of ISO 3166",
    "unknown-step": "a step is one of the procedure of this contract",
    "unknown-time-zone": "a time zone is one of IANA",
    "unknown-unit": "a unit is one of Recommendation 20",
    "unparseable-number": "the text of a number has exactly one reading",
    "unparseable-unit": "the text of a unit is read without a guess",
    "unsound": "a log follows from its rules",
    "wrong-clock": "the clock of this machine is known to be right",
    "wrong-state": "a card is in the state that its next step needs",
}
"""Codes with several sentences, and the one rule that all of these sentences state: a program that gets the code knows
what to do. A sentence about another rule needs its own code."""
SPEAKING = ("catalogue/", "events/", "infra/", "services/")
"""The rooms that refuse with sentences."""
JOINED = re.compile(r"\band\b|[,;:]")
"""What joins two rules in one sentence."""


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
    found = defaultdict(set)
    for path in files():
        if path.startswith(SPEAKING):
            tree = parsed((PROJECT / path).read_text(encoding="utf-8"))
            names = named_in(path, tree)
            for node in nodes(tree, ast.Call):
                match node:
                    case ast.Call(
                        func=ast.Name(id=name) | ast.Attribute(attr=name),
                        args=[(ast.Constant() | ast.JoinedStr() | ast.IfExp() | ast.Call()) as sentence, *_],
                    ) if name in names:
                        found[names[name]].add(ast.unparse(sentence))
    return found


def named_in(path: str, tree: ast.Module) -> dict[str, str]:
    """The codes by the names of their classes in a module. A class of the same name that has no code, of this module or
    of one that it imports from, is another class."""
    names = {each.rpartition(": ")[2]: code for code, classes in codes().items() for each in classes}
    other = without_code(path)
    for node in nodes(tree, ast.ImportFrom):
        place = (node.module or "").replace(".", "/")
        for file in (f"{place}.py", f"{place}/__init__.py"):
            other |= {each.name for each in node.names} & without_code(file)
    return {name: code for name, code in names.items() if name not in other}


@cache
def without_code(path: str) -> frozenset[str]:
    """The classes of a module that define no code."""
    if not (PROJECT / path).is_file():
        return frozenset()
    tree = parsed((PROJECT / path).read_text(encoding="utf-8"))
    coded = {
        each.rpartition(": ")[2] for classes in codes().values() for each in classes if each.startswith(f"{path}: ")
    }
    return frozenset(node.name for node in tree.body if isinstance(node, ast.ClassDef)) - coded


def test_a_code_with_several_sentences_says_one_rule() -> None:
    several = {code for code, said in sentences().items() if len(said) > 1}
    assert several == set(ONE_RULE)
    assert len(set(ONE_RULE.values())) == len(ONE_RULE)


def test_one_rule_is_not_two_rules_joined() -> None:
    assert JOINED.search("a line has an id and a price") and JOINED.search("an id, a price")
    assert {code: rule for code, rule in ONE_RULE.items() if JOINED.search(rule)} == {}
