"""Which tests hold which rule of docs/contract.md: ``python -m tests.docs.contract_page`` writes its last column.

A test names the rules that it holds: ``@pytest.mark.contract("C2.07")``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contract.md"
ROW = re.compile(r"^\| (C\d\.\d\d) \| (.+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
"""Of a row: the id, the rule, the differences, the tests."""


def named() -> dict[str, list[str]]:
    """Id of a rule to the tests that name it, each as ``tests/….py::name``, sorted."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, ids in _marked(ast.parse(path.read_text(encoding="utf-8"))):
            for rule in ids:
                found.setdefault(rule, []).append(f"{path.relative_to(ROOT).as_posix()}::{name}")
    return {rule: sorted(tests) for rule, tests in sorted(found.items())}


def _marked(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _marked(node, f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            ids = [
                ast.literal_eval(argument)
                for decorator in node.decorator_list
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.contract"
                for argument in decorator.args
            ]
            if ids:
                yield prefix + node.name, ids


def current(page: str) -> str:
    """The page with the tests that name each rule."""
    tests = named()

    def row(found: re.Match[str]) -> str:
        held = ", ".join(f"`{test}`" for test in tests.get(found[1], []))
        return f"| {found[1]} | {found[2]} | {found[3]} | {held} |"

    return ROW.sub(row, page)


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
