"""Releases: the content of ``release.yaml`` and what is kept of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, FiniteFloat

from flightdeck.models.fields import Moment


class ReleaseMetadata(BaseModel):
    """What a release is called."""

    name: str
    version: str
    description: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None


class ReleaseAgent(BaseModel):
    """Which agent this is a release of."""

    agent_id: str
    entrypoint: str | None = None


class ReleaseRuntime(BaseModel):
    """The model the release mainly runs on."""

    provider: str
    model: str
    temperature: FiniteFloat | None = None
    max_output_tokens: int | None = None


class ReleasePrompts(BaseModel):
    """Paths of the prompts within the bundle; they are hashed, never stored."""

    system_ref: str
    template_refs: list[str] = Field(default_factory=list)


class ReleaseTools(BaseModel):
    """The tools the release offers."""

    manifest_ref: str | None = None
    tool_names: list[str] = Field(default_factory=list)


class ReleaseFallback(BaseModel):
    """The model that takes over."""

    model: str
    on_error: bool = True


class ReleaseRouting(BaseModel):
    """How a model is chosen."""

    strategy: Literal["single_model", "fallback_model"] = "single_model"
    fallback: ReleaseFallback | None = None


class ReleaseRetryPolicy(BaseModel):
    """How failed calls are repeated."""

    max_retries: int = 0
    backoff_ms: int | None = None


class ReleaseTimeouts(BaseModel):
    """Milliseconds until a call is given up."""

    model_call: int | None = None
    tool_call: int | None = None


class ReleaseSafety(BaseModel):
    """Retries and timeouts."""

    retry_policy: ReleaseRetryPolicy | None = None
    timeouts_ms: ReleaseTimeouts | None = None


class PricingReference(BaseModel):
    """The pricing table that prices the release's runs."""

    provider: str
    pricing_version: str


class ReleaseSpec(BaseModel):
    """What a release is made of."""

    agent: ReleaseAgent
    runtime: ReleaseRuntime
    prompts: ReleasePrompts
    tools: ReleaseTools | None = None
    routing: ReleaseRouting | None = None
    safety: ReleaseSafety | None = None
    pricing_reference: PricingReference
    tags: dict[str, str] = Field(default_factory=dict)


class ReleaseArtifact(BaseModel):
    """The content of ``release.yaml``."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["Release"] = "Release"
    metadata: ReleaseMetadata
    spec: ReleaseSpec


class ReleaseRecord(BaseModel):
    """A registered release. Immutable: there is no update and no delete.

    ``checksum`` is 1.3's hash over the bundle's files, ``digest_v2`` the same with every length framed ("" where the
    release was registered without it).
    """

    release_id: str
    agent_id: str
    version: str
    environment: str
    checksum: str
    digest_v2: str = Field(default="", exclude=True)
    artifact_json: dict[str, Any]
    created_at: Moment
