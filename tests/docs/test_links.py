"""Every page can be found from the README, and what pages point at is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "benchmarks/**/*.md", "tests/**/*.md")
    for page in ROOT.glob(pattern)
)
PATH = re.compile(r"`((?:benchmarks|deploy|docs|examples|flightdeck|schemas|tests|web)/[\w/.-]+)(?:::[^`]*)?`")
MADE_BY_THE_READER = {"deploy/.env"}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """What a page links to in this repository: the file or folder, and the heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            path, _, heading = target.partition("#")
            yield ((page.parent / path).resolve() if path else page), heading


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_at_is_there(page):
    text = page.read_text(encoding="utf-8")
    gone = [str(target) for target, _ in links(page) if not target.exists()]
    gone += [path for path in PATH.findall(text) if path not in MADE_BY_THE_READER and not (ROOT / path).exists()]
    gone += [f"#{heading}" for target, heading in links(page) if heading and heading not in anchors(target)]
    assert gone == []


def test_every_page_of_the_docs_can_be_found_from_the_readme():
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        found = {target for target, _ in links(page)} - reached
        reached |= found
        ahead += [target for target in found if target.suffix == ".md"]
    pages = set(ROOT.glob("docs/**/*.md"))
    assert {page for page in pages if not reached & {page, page.parent}} == set()
