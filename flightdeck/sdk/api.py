"""The API as methods, written once for both clients; they differ only in how they wait for the answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from flightdeck.sdk import calls
from flightdeck.sdk.calls import Call

Json = dict[str, Any]
Answer = TypeVar("Answer")
Export = TypeVar("Export")


class Api(ABC, Generic[Answer, Export]):
    """Each method returns the decoded JSON, or raises ``httpx.HTTPStatusError`` on any answer of 400 and above."""

    @abstractmethod
    def _json(self, call: Call) -> Answer:
        """Sends a request and decodes the JSON of its answer."""

    @abstractmethod
    def _export(self, call: Call) -> Export:
        """Sends a request and returns the bytes of its answer with the counting headers."""

    def health(self) -> Answer:
        """Whether the server is up, and what it asks for."""
        return self._json(calls.get("/health"))

    def get_workspace(self) -> Answer:
        """The public facts of the workspace."""
        return self._json(calls.get("/v1/workspace"))

    def list_releases(self) -> Answer:
        """All registered releases, newest first."""
        return self._json(calls.get("/v1/releases"))

    def list_promoted(self) -> Answer:
        """Which release is live for each agent and environment."""
        return self._json(calls.get("/v1/promoted"))

    def list_actions(self, *, agent_id: str | None = None, environment: str | None = None, limit: int = 50) -> Answer:
        """The latest promotions and rollbacks, newest first."""
        return self._json(calls.get("/v1/actions", limit=limit, agent=agent_id, env=environment))

    def list_promotion_requests(self, *, status: str | None = None, limit: int = 50) -> Answer:
        """The latest promotion requests, newest first."""
        return self._json(calls.get("/v1/promotion-requests", limit=limit, status=status))

    def post_diff(
        self,
        *,
        baseline_release_id: str,
        candidate_release_id: str,
        window: str,
        environment: str | None = None,
        tenant_id: str | None = None,
        task_id: str | None = None,
    ) -> Answer:
        """Compares two releases over a window like ``7d`` that ends now."""
        return self._json(
            calls.post(
                "/v1/diff",
                baseline_release_id=baseline_release_id,
                candidate_release_id=candidate_release_id,
                window=window,
                environment=environment,
                tenant_id=tenant_id,
                task_id=task_id,
            )
        )

    def post_promote(
        self, *, release_id: str, environment: str, window: str, reason: str, actor: str = "sdk"
    ) -> Answer:
        """Promotes a release if the policy allows it."""
        body = {"environment": environment, "window": window, "reason": reason, "actor": actor}
        return self._json(calls.post("/v1/promote", release_id=release_id, **body))

    def post_rollback(
        self, *, release_id: str, environment: str, window: str, reason: str, actor: str = "sdk"
    ) -> Answer:
        """Makes an earlier release live again."""
        body = {"environment": environment, "window": window, "reason": reason, "actor": actor}
        return self._json(calls.post("/v1/rollback", release_id=release_id, **body))

    def post_promote_request(
        self, *, release_id: str, environment: str, window: str, reason: str, actor: str = "sdk"
    ) -> Answer:
        """Asks for a promotion that somebody else confirms."""
        body = {"environment": environment, "window": window, "reason": reason, "actor": actor}
        return self._json(calls.post("/v1/promote/request", release_id=release_id, **body))

    def post_promote_confirm(self, *, request_id: str, approval_reason: str, actor: str = "sdk") -> Answer:
        """Confirms a pending promotion request."""
        return self._json(
            calls.post("/v1/promote/confirm", request_id=request_id, approval_reason=approval_reason, actor=actor)
        )

    def list_runs(
        self,
        *,
        release_id: str,
        window: str,
        environment: str | None = None,
        tenant_id: str | None = None,
        task_id: str | None = None,
        trace_id: str | None = None,
        session_id: str | None = None,
        span_id: str | None = None,
        run_kind: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> Answer:
        """A page of the release's runs, newest first."""
        return self._json(
            calls.get(
                "/v1/runs",
                release_id=release_id,
                window=window,
                limit=limit,
                offset=offset,
                environment=environment,
                tenant_id=tenant_id,
                task_id=task_id,
                trace_id=trace_id,
                session_id=session_id,
                span_id=span_id,
                run_kind=run_kind,
            )
        )

    def fetch_runs_export_ndjson(
        self,
        *,
        release_id: str,
        window: str,
        environment: str | None = None,
        tenant_id: str | None = None,
        task_id: str | None = None,
        trace_id: str | None = None,
        session_id: str | None = None,
        span_id: str | None = None,
        run_kind: str | None = None,
        offset: int = 0,
        limit: int = 500,
    ) -> Export:
        """The same page as lines of JSON (bytes), with the ``X-Flightdeck-*`` headers that say how many match."""
        return self._export(
            calls.get(
                "/v1/runs/export",
                release_id=release_id,
                window=window,
                limit=limit,
                offset=offset,
                environment=environment,
                tenant_id=tenant_id,
                task_id=task_id,
                trace_id=trace_id,
                session_id=session_id,
                span_id=span_id,
                run_kind=run_kind,
            )
        )
