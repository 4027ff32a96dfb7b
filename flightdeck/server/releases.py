"""Routes over releases: list, register, show, verify."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from flightdeck.app import App
from flightdeck.environments import environment_named
from flightdeck.models import ReleaseArtifact, ReleaseRecord
from flightdeck.server import answers, archives
from flightdeck.server.archives import unpacking
from flightdeck.server.auth import may_write, readers
from flightdeck.store.quality import unregistered

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Hashes(BaseModel):
    """The hashes over a bundle's files, made where the files are; ``digest_v2`` may be unknown."""

    checksum: Sha256
    digest_v2: Sha256 | Literal[""] = ""


class Registration(Hashes):
    """A release to register: its artifact, and the hashes over its files."""

    artifact: ReleaseArtifact
    environment: str | None = None


class Verification(BaseModel):
    """Whether files are those that were registered; by both hashes, where both sides know both."""

    release_id: str
    matches: bool
    registered: Hashes
    found: Hashes


def router(app: App) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["releases"])
    reads = readers(app.access)
    may_read = Depends(reads)
    registering = APIRouter(tags=["releases"], route_class=unpacking(app, partial(may_write, app.access)))
    verifying = APIRouter(tags=["releases"], route_class=unpacking(app, reads))

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

    @registering.post("/v1/releases", openapi_extra=archives.REGISTERING)
    def register(registration: Registration, request: Request) -> dict[str, Any]:
        """Registers a release. The same bundle twice gives two ids. Stored spans of its version become runs.

        Instead of JSON the body may be a tar archive of the bundle, plain or gzipped, of up to 16 MiB (unpacked:
        32 MiB, 10,000 members, no links); then ``environment`` is a query parameter. Files are hashed, never stored.
        """
        may_write(app.access, request)
        artifact = registration.artifact
        if registration.environment:  # "" is none, as in 1.3: the workspace's
            environment_named(registration.environment)
        record = ReleaseRecord(
            release_id=f"rel_{uuid.uuid4().hex[:12]}",
            agent_id=artifact.spec.agent.agent_id,
            version=artifact.metadata.version,
            environment=registration.environment or app.settings.default_environment,
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

    @verifying.post("/v1/releases/{release_id}/verify", openapi_extra=archives.OPENAPI)
    def verify(release_id: str, found: Hashes, request: Request) -> Verification:
        """Whether files are those that were registered: by their hashes, or by themselves as a tar archive.

        It changes nothing, so the read rule holds.
        """
        reads(request)
        record = app.ledger().releases.get(release_id)
        registered = Hashes(checksum=record.checksum, digest_v2=record.digest_v2)
        both = bool(found.digest_v2 and registered.digest_v2)
        matches = found.checksum == registered.checksum and (not both or found.digest_v2 == registered.digest_v2)
        return Verification(release_id=release_id, matches=matches, registered=registered, found=found)

    routes.include_router(registering)
    routes.include_router(verifying)
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
