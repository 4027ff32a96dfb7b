"""Routes over releases: list, register, show."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from flightdeck.app import App
from flightdeck.models import ReleaseArtifact, ReleaseRecord
from flightdeck.server import answers
from flightdeck.server.auth import may_write, readers
from flightdeck.store.quality import unregistered

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Registration(BaseModel):
    """A release to register: its artifact, and the hashes over its files, made where the files are."""

    artifact: ReleaseArtifact
    checksum: Sha256
    digest_v2: Sha256 | Literal[""] = ""
    environment: str | None = None


def router(app: App) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["releases"])
    may_read = Depends(readers(app.access))

    @routes.get("/v1/releases", dependencies=[may_read], responses=answers.RELEASES)
    def releases(include: Annotated[Literal["unregistered"] | None, Query()] = None) -> dict[str, Any]:
        """All registered releases, newest first; with ``include=unregistered`` also ids that only runs name.

        Of these the newest 1,000.
        """
        listed = [
            {**line._asdict(), "created_at": line.created_at.isoformat()} for line in app.ledger().releases.list()
        ]
        if include:
            known = {line["release_id"] for line in listed}
            listed += _unregistered(app, known)
        return {"releases": listed}

    @routes.post("/v1/releases")
    def register(registration: Registration, request: Request) -> dict[str, Any]:
        """Registers a release. The same bundle twice gives two ids. Stored spans of its version become runs."""
        may_write(app.access, request)
        artifact = registration.artifact
        environment = registration.environment
        record = ReleaseRecord(
            release_id=f"rel_{uuid.uuid4().hex[:12]}",
            agent_id=artifact.spec.agent.agent_id,
            version=artifact.metadata.version,
            environment=app.settings.default_environment if environment is None else environment,
            checksum=registration.checksum,
            digest_v2=registration.digest_v2,
            artifact_json=artifact.model_dump(mode="json"),
            created_at=datetime.now(UTC),
        )
        app.ledger().releases.add(record)
        if (spans := app.spans.made) is not None:
            spans.assembler.registered()
        return _shown(record)

    @routes.get("/v1/releases/{release_id}", dependencies=[may_read])
    def release(release_id: str) -> dict[str, Any]:
        """A release with its artifact and hashes."""
        return _shown(app.ledger().releases.get(release_id))

    return routes


def _unregistered(app: App, known: set[str]) -> Iterator[dict[str, Any]]:
    """Releases that runs name and nobody registered; ``created_at`` is when the first of these runs ended."""
    for seen in unregistered(app.engine(), known):
        yield {
            "release_id": seen.release_id,
            "agent_id": seen.agent_id,
            "version": "",
            "environment": seen.environment,
            "checksum": "",
            "created_at": datetime.fromtimestamp(seen.first_us / 1_000_000, UTC).isoformat(),
            "registered": False,
        }


def _shown(record: ReleaseRecord) -> dict[str, Any]:
    return {**record.model_dump(mode="json"), "digest_v2": record.digest_v2}
