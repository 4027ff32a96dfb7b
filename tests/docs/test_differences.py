"""docs/differences.md: every deliberate difference has a line, and the tests that a line names exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = {
    cells[1].strip(): line
    for line in (ROOT / "docs" / "differences.md").read_text(encoding="utf-8").splitlines()
    if (cells := line.split("|"))[1:2] and re.fullmatch(r"D\d+", cells[1].strip())
}


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_all_differences_have_a_line():
    assert list(LINES) == [f"D{number}" for number in range(1, 20)]


@pytest.mark.parametrize("name", LINES)
def test_a_line_names_tests_that_exist_or_says_that_it_does_not_hold_yet(name):
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", LINES[name])
    assert named or "Not yet" in LINES[name]
    for path, test in named:
        assert test in functions(ROOT / path), f"{path}::{test}"
