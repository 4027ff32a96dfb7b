"""What tests of the diff are made of: releases."""

from __future__ import annotations

from datetime import UTC, datetime

from flightdeck.models import ReleaseRecord


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
