import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flightdeck.models import Window

VECTORS = json.loads((Path(__file__).parents[1] / "golden/window_vectors.json").read_text())
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(("text", "expected"), VECTORS.items())
@pytest.mark.contract("C6.01")
def test_windows_are_read_as_1_3_reads_them(text, expected):
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=r"^Invalid window") as caught:
            Window.ending(NOW, text)
        assert f"ValueError: {caught.value}" == expected
    else:
        window = Window.ending(NOW, text)
        assert (window.until, window.until - window.since) == (NOW, timedelta(seconds=expected))


@pytest.mark.parametrize("text", ["999999999d", "9999999999999999999h", "800000d", "9" * 5_000 + "d"])
@pytest.mark.contract("C6.01")
def test_a_window_longer_than_time_is_refused_like_any_bad_one(text):
    with pytest.raises(ValueError, match=r"^Invalid window"):
        Window.ending(NOW, text)
