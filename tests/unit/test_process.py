"""What the server's process sets up for itself."""

from __future__ import annotations

import gc

from flightdeck.server import process


def test_the_collector_passes_over_what_the_start_has_made():
    before = gc.get_threshold()
    try:
        process._collect_less()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == (20_000, 20, 20)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
