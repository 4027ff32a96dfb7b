"""Methods over runs: list and export them, compare two releases by them."""

from __future__ import annotations

from typing import Any

from flightdeck.sdk import calls
from flightdeck.sdk.caller import Answer, Caller, Export


class Runs(Caller[Answer, Export]):
    """Runs and diffs."""

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
        cohort = _cohort(release_id, window, environment, tenant_id, task_id)
        ids = {"trace_id": trace_id, "session_id": session_id, "span_id": span_id, "run_kind": run_kind}
        return self._json(calls.get("/v1/runs", **cohort, **ids, offset=offset, limit=limit))

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
        cohort = _cohort(release_id, window, environment, tenant_id, task_id)
        ids = {"trace_id": trace_id, "session_id": session_id, "span_id": span_id, "run_kind": run_kind}
        return self._export(calls.get("/v1/runs/export", **cohort, **ids, offset=offset, limit=limit))

    def post_diff(
        self,
        *,
        baseline_release_id: str,
        candidate_release_id: str,
        window: str | None = None,
        environment: str | None = None,
        tenant_id: str | None = None,
        task_id: str | None = None,
        baseline_window: dict[str, str] | None = None,
        candidate_window: dict[str, str] | None = None,
        pricing: str | None = None,
        policy: dict[str, Any] | None = None,
        explain: bool = False,
        include_evidence: bool = False,
    ) -> Answer:
        """Compares two releases and judges the candidate; nothing is changed.

        Args:
            baseline_release_id: what the candidate is compared with.
            candidate_release_id: what is judged.
            window: a length like ``7d`` that ends now, for each side without a window of its own.
            environment: the runs'; the workspace's default if not given.
            tenant_id: only this tenant's runs.
            task_id: only runs of this task.
            baseline_window: ``{"since": …, "until": …}``, ISO 8601.
            candidate_window: likewise.
            pricing: prices of another table, ``provider/version``, or of the catalog, ``catalog``.
            policy: judges by this one instead of the one in force.
            explain: asks for what contributes most to each difference.
            include_evidence: asks for all that the verdict rests on.
        """
        pair = _pair(baseline_release_id, candidate_release_id, window, environment, tenant_id, task_id)
        added = calls.given(
            baseline_window=baseline_window,
            candidate_window=candidate_window,
            pricing=pricing,
            policy=policy,
            explain=explain or None,
            include_evidence=include_evidence or None,
        )
        return self._json(calls.post("/v1/diff", pair | added, repeatable=True))

    def post_diff_charts(
        self,
        *,
        baseline_release_id: str,
        candidate_release_id: str,
        window: str | None = None,
        environment: str | None = None,
        tenant_id: str | None = None,
        task_id: str | None = None,
        baseline_window: dict[str, str] | None = None,
        candidate_window: dict[str, str] | None = None,
        pricing: str | None = None,
        policy: dict[str, Any] | None = None,
    ) -> Answer:
        """The runs of the same diff's verdict over time, and how their latency and cost are distributed.

        Args: as for ``post_diff``. Give that diff's ``windows`` for the very same runs.
        """
        pair = _pair(baseline_release_id, candidate_release_id, window, environment, tenant_id, task_id)
        added = calls.given(
            baseline_window=baseline_window, candidate_window=candidate_window, pricing=pricing, policy=policy
        )
        return self._json(calls.post("/v1/diff/charts", pair | added, repeatable=True))

    def post_look(
        self,
        *,
        baseline_release_id: str,
        candidate_release_id: str,
        status: str,
        sequential: bool,
        environment: str | None = None,
        actor: str = "sdk",
    ) -> Answer:
        """Records that a verdict was looked at; ``fixed_looks`` is how often one of a fixed test of this pair was."""
        pair = {"baseline_release_id": baseline_release_id, "candidate_release_id": candidate_release_id}
        look = {"environment": environment, "status": status, "sequential": sequential, "actor": actor}
        return self._json(calls.post("/v1/looks", pair | look))


def _pair(
    baseline: str, candidate: str, window: str | None, environment: str | None, tenant: str | None, task: str | None
) -> dict[str, Any]:
    """Keys that say which runs of which two releases."""
    return {
        "baseline_release_id": baseline,
        "candidate_release_id": candidate,
        "window": window,
        "environment": environment,
        "tenant_id": tenant,
        "task_id": task,
    }


def _cohort(
    release_id: str, window: str, environment: str | None, tenant_id: str | None, task_id: str | None
) -> dict[str, str | None]:
    """Parameters that say which runs."""
    narrowed = {"environment": environment, "tenant_id": tenant_id, "task_id": task_id}
    return {"release_id": release_id, "window": window, **narrowed}
