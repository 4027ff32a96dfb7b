"""The API as methods, written once for both clients."""

from __future__ import annotations

from flightdeck.sdk import calls
from flightdeck.sdk.caller import Answer, Export
from flightdeck.sdk.decisions import Decisions
from flightdeck.sdk.releases import Releases
from flightdeck.sdk.runs import Runs


class Api(Runs[Answer, Export], Releases[Answer, Export], Decisions[Answer, Export]):
    """Each method returns the decoded JSON, or raises ``httpx.HTTPStatusError`` on any answer of 400 and above."""

    def health(self) -> Answer:
        """Whether the server is up, and what it asks for."""
        return self._json(calls.get("/health"))

    def get_workspace(self) -> Answer:
        """The public facts of the workspace."""
        return self._json(calls.get("/v1/workspace"))

    def get_metrics(self) -> Answer:
        """How much the workspace holds of everything."""
        return self._json(calls.get("/v1/metrics"))

    def get_workspace_info(self) -> Answer:
        """Where the workspace is, what it holds, how it is configured."""
        return self._json(calls.get("/v1/workspace/info"))

    def get_doctor(self) -> Answer:
        """Checks ledger and store without changing them."""
        return self._json(calls.get("/v1/doctor"))
