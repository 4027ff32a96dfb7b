from flightdeck.server.variables import ELSEWHERE, PREFIX
from tests.docs.settings_table import PAGE, page, rows


def test_every_setting_is_documented_with_its_variable_and_default():
    """If this fails: python -m tests.docs.settings_table."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_setting_says_what_it_means():
    assert [key for key, _, _, meaning in rows() if not meaning] == []


def test_what_agents_and_the_command_line_read_is_documented():
    assert [name for name in ELSEWHERE if f"`{PREFIX}{name}`" not in PAGE.read_text(encoding="utf-8")] == []
