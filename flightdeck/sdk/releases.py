"""Methods over what is registered: releases, price tables, policies."""

from __future__ import annotations

from typing import Any

from flightdeck.sdk import calls
from flightdeck.sdk.caller import Answer, Caller, Export

RELEASES = "/v1/releases"


class Releases(Caller[Answer, Export]):
    """Releases, prices and policies."""

    def list_releases(self) -> Answer:
        """All registered releases, newest first."""
        return self._json(calls.get(RELEASES))

    def get_release(self, *, release_id: str) -> Answer:
        """A release with its artifact and hashes."""
        return self._json(calls.get(calls.under(RELEASES, release_id)))

    def register_release(
        self, *, artifact: dict[str, Any], checksum: str, digest_v2: str = "", environment: str | None = None
    ) -> Answer:
        """Registers a release by its artifact (the content of ``release.yaml``) and the hashes over its files."""
        hashes = {"checksum": checksum, "digest_v2": digest_v2}
        return self._json(calls.post(RELEASES, {"artifact": artifact, **hashes, "environment": environment}))

    def register_archive(self, archive: bytes, *, environment: str | None = None) -> Answer:
        """Registers a release by a tar archive of its files, plain or gzipped; they are hashed, never stored."""
        return self._json(calls.upload(RELEASES, archive, environment=environment))

    def verify_release(self, *, release_id: str, checksum: str, digest_v2: str = "") -> Answer:
        """Whether hashes are those of the registered files: ``matches``, and both sides."""
        path = calls.under(RELEASES, release_id, "verify")
        return self._json(calls.post(path, {"checksum": checksum, "digest_v2": digest_v2}, repeatable=True))

    def verify_archive(self, archive: bytes, *, release_id: str) -> Answer:
        """Whether the files in a tar archive are those that were registered."""
        return self._json(calls.upload(calls.under(RELEASES, release_id, "verify"), archive, repeatable=True))

    def list_pricing(self, *, provider: str | None = None, pricing_version: str | None = None) -> Answer:
        """The imported price tables, all or some; the default prices under their version."""
        return self._json(calls.get("/v1/pricing", provider=provider, pricing_version=pricing_version))

    def list_pricing_versions(self) -> Answer:
        """Provider and version of every imported table, and the version of the default prices."""
        return self._json(calls.get("/v1/pricing/versions"))

    def list_pricing_imports(self, *, limit: int = 50) -> Answer:
        """The record of imports, newest first."""
        return self._json(calls.get("/v1/pricing/imports", limit=limit))

    def import_pricing(
        self, *, table: dict[str, Any], replace: bool = False, reason: str | None = None, actor: str = "sdk"
    ) -> Answer:
        """Imports a price table; to replace one, say so and why."""
        wanted = {"table": table, "replace": replace, "reason": reason, "actor": actor}
        return self._json(calls.post("/v1/pricing", wanted))

    def get_policy(self, *, agent_id: str | None = None, environment: str | None = None) -> Answer:
        """The policy for all; or the one set for exactly this agent and environment."""
        return self._json(calls.get("/v1/policy", agent=agent_id, env=environment))

    def get_effective_policy(self, *, agent_id: str | None = None, environment: str | None = None) -> Answer:
        """The policy that decides for an agent in an environment, complete, and who set it."""
        return self._json(calls.get("/v1/policy/effective", agent=agent_id, env=environment))

    def list_policies(self) -> Answer:
        """The policy of every scope that has one, the widest first."""
        return self._json(calls.get("/v1/policies"))

    def list_policy_history(self, *, limit: int = 50) -> Answer:
        """What was set and removed, newest first."""
        return self._json(calls.get("/v1/policies/history", limit=limit))

    def set_policy(
        self,
        policy: dict[str, Any],
        *,
        agent_id: str | None = None,
        environment: str | None = None,
        actor: str = "sdk",
    ) -> Answer:
        """Makes a policy the one for all, or for an agent, an environment, or both."""
        scope = calls.given(agent=agent_id, env=environment, actor=actor)
        return self._json(calls.Call("PUT", "/v1/policy", scope, body=policy))

    def remove_policy(
        self, *, agent_id: str | None = None, environment: str | None = None, actor: str = "sdk"
    ) -> Answer:
        """Takes the policy of a scope out of force."""
        scope = calls.given(agent=agent_id, env=environment, actor=actor)
        return self._json(calls.Call("DELETE", "/v1/policy", scope))

    def post_policy_test(
        self, *, policy: dict[str, Any], agent_id: str | None = None, environment: str | None = None, limit: int = 20
    ) -> Answer:
        """What a policy would have said of the latest decisions, by the evidence that they keep."""
        tried = {"policy": policy, "agent": agent_id, "env": environment, "limit": limit}
        return self._json(calls.post("/v1/policy/test", tried, repeatable=True))
