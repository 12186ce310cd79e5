"""Programs identify a refusal by its code: each code belongs to one rule, and each rule has one class."""

import ast
from collections import defaultdict

from tests.test_architecture import PROJECT, files


def codes() -> dict[str, list[str]]:
    """The classes that set a code, by code."""
    found = defaultdict(list)
    for path in files():
        for node in ast.parse((PROJECT / path).read_text(encoding="utf-8")).body:
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
