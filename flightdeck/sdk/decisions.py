"""Methods over decisions: promote, roll back, request and confirm; what is live, what was decided, who is told."""

from __future__ import annotations

from collections.abc import Sequence

from flightdeck.sdk import calls
from flightdeck.sdk.caller import Answer, Caller, Export

WEBHOOKS = "/v1/webhooks"
DELIVERIES = "/v1/webhook-deliveries"


class Decisions(Caller[Answer, Export]):
    """Promotions, rollbacks, requests, and the webhooks that tell of them."""

    def list_promoted(self) -> Answer:
        """Which release is live for each agent and environment."""
        return self._json(calls.get("/v1/promoted"))

    def list_actions(
        self,
        *,
        agent_id: str | None = None,
        environment: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> Answer:
        """Promotions and rollbacks, newest first; ``before`` an ``audit_seq``, to see the next page."""
        return self._json(calls.get("/v1/actions", limit=limit, agent=agent_id, env=environment, before=before))

    def get_action(self, *, action_id: str) -> Answer:
        """A decision with the evidence it was judged on."""
        return self._json(calls.get(calls.under("/v1/actions", action_id)))

    def list_promotion_requests(self, *, status: str | None = None, limit: int = 50) -> Answer:
        """The latest promotion requests, newest first."""
        return self._json(calls.get("/v1/promotion-requests", limit=limit, status=status))

    def post_promote(
        self, *, release_id: str, environment: str, window: str, reason: str, actor: str = "sdk"
    ) -> Answer:
        """Promotes a release if the policy allows it."""
        return self._wish("/v1/promote", release_id, environment, window, reason, actor)

    def post_rollback(
        self, *, release_id: str, environment: str, window: str, reason: str, actor: str = "sdk"
    ) -> Answer:
        """Makes an earlier release live again."""
        return self._wish("/v1/rollback", release_id, environment, window, reason, actor)

    def post_promote_request(
        self, *, release_id: str, environment: str, window: str, reason: str, actor: str = "sdk"
    ) -> Answer:
        """Asks for a promotion that somebody else confirms."""
        return self._wish("/v1/promote/request", release_id, environment, window, reason, actor)

    def post_promote_confirm(self, *, request_id: str, approval_reason: str, actor: str = "sdk") -> Answer:
        """Confirms a pending promotion request."""
        confirmed = {"request_id": request_id, "approval_reason": approval_reason, "actor": actor}
        return self._json(calls.post("/v1/promote/confirm", confirmed))

    def list_webhooks(self) -> Answer:
        """All webhooks, with previews of their secrets."""
        return self._json(calls.get(WEBHOOKS))

    def add_webhook(self, *, url: str, events: Sequence[str], description: str | None = None) -> Answer:
        """Adds a webhook; the secret is in this answer only."""
        return self._json(calls.post(WEBHOOKS, {"url": url, "events": list(events), "description": description}))

    def delete_webhook(self, *, webhook_id: str) -> Answer:
        """Removes a webhook."""
        return self._json(calls.Call("DELETE", calls.under(WEBHOOKS, webhook_id)))

    def test_webhook(self, *, webhook_id: str) -> Answer:
        """Sends a ping, and says what the receiver said."""
        return self._json(calls.Call("POST", calls.under(WEBHOOKS, webhook_id, "test")))

    def list_webhook_deliveries(self, *, webhook_id: str | None = None, limit: int = 50) -> Answer:
        """The latest deliveries, newest first."""
        return self._json(calls.get(DELIVERIES, webhook_id=webhook_id, limit=limit))

    def get_webhook_delivery(self, *, delivery_id: str) -> Answer:
        """A delivery with its attempts."""
        return self._json(calls.get(calls.under(DELIVERIES, delivery_id)))

    def redeliver(self, *, delivery_id: str) -> Answer:
        """Sends a message again that was delivered, or given up."""
        return self._json(calls.Call("POST", calls.under(DELIVERIES, delivery_id, "redeliver")))

    def _wish(self, path: str, release_id: str, environment: str, window: str, reason: str, actor: str) -> Answer:
        wished = {"release_id": release_id, "environment": environment, "window": window}
        return self._json(calls.post(path, {**wished, "reason": reason, "actor": actor}))
