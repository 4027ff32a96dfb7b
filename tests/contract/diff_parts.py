"""What tests of the diff are made of: the store's answers, and releases."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from flightdeck.models import ReleaseRecord
from flightdeck.releases.evidence import Evidence
from flightdeck.store import cells, quality
from flightdeck.store.client import Engine


def evidence(engine: Engine) -> Evidence:
    """The real store, as a diff asks it."""
    return Evidence(
        usage_keys=partial(cells.usage_keys, engine),
        cells=partial(cells.cells, engine),
        quality=partial(quality.quality, engine),
    )


def release(
    release_id: str, provider: str, pricing_version: str, *, agent_id: str = "agent_x", model: str = "m1"
) -> ReleaseRecord:
    """A registered release that refers to a pricing table."""
    artifact = {
        "metadata": {"name": "a", "version": "1"},
        "spec": {
            "agent": {"agent_id": agent_id},
            "runtime": {"provider": provider, "model": model},
            "prompts": {"system_ref": "system.md"},
            "pricing_reference": {"provider": provider, "pricing_version": pricing_version},
        },
    }
    return ReleaseRecord(
        release_id=release_id,
        agent_id=agent_id,
        version="1",
        environment="local",
        checksum="c" * 64,
        artifact_json=artifact,
        created_at=datetime.now(UTC),
    )
