"""docs/contract.md: every rule has a test that names it, and every name is a rule's."""

from __future__ import annotations

import re

from tests.docs.contract_page import PAGE, ROW, current, named
from tests.docs.test_differences import LINES

TEXT = PAGE.read_text(encoding="utf-8")
RULES = {found[1]: (found[2], found[3]) for found in ROW.finditer(TEXT)}


def test_every_line_of_a_table_is_a_rule_and_no_id_stands_twice():
    lines = [line for line in TEXT.splitlines() if line.startswith("| C")]
    assert len(lines) == len(RULES) == len(ROW.findall(TEXT)) > 100


def test_every_rule_is_held_by_a_test_that_names_it():
    assert not sorted(RULES.keys() - named().keys())


def test_every_id_that_a_test_names_is_a_rule():
    assert not sorted(named().keys() - RULES.keys())


def test_the_page_names_the_tests_as_they_are():
    assert current(TEXT) == TEXT, "run `python -m tests.docs.contract_page`"


def test_the_differences_that_a_rule_names_exist():
    told = {name for _, differs in RULES.values() for name in re.findall(r"D\d+", differs)}
    assert told <= LINES.keys()
    assert all(re.fullmatch(r"(D\d+(, D\d+)*)?", differs.strip()) for _, differs in RULES.values())


def test_the_numbers_of_a_section_have_no_gaps():
    sections: dict[str, list[int]] = {}
    for rule in RULES:
        sections.setdefault(rule[1], []).append(int(rule[3:]))
    assert sections.keys() == set("12345678")
    for numbers in sections.values():
        assert numbers == list(range(1, len(numbers) + 1))
