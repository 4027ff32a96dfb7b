"""What ``FLIGHTDECK_*`` says in an agent's environment: who it is and where the server listens."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_URL = "http://127.0.0.1:8765"

RELEASE_ID = "flightdeck.release_id"
AGENT_ID = "flightdeck.agent_id"
ENVIRONMENT = "flightdeck.environment"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """The settings of FlightDeck's side of an agent. Empty text means that the environment does not say.

    ``url`` is the server's API address (``FLIGHTDECK_URL``), ``api_token`` what it wants as a Bearer token.
    ``tenant_keys`` and ``task_keys`` are attribute keys like the server's settings of the same name.
    """

    release_id: str = ""
    agent_id: str = ""
    environment: str = ""
    url: str = ""
    api_token: str = field(default="", repr=False)
    tenant_keys: tuple[str, ...] = ()
    task_keys: tuple[str, ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> AgentSettings:
        """Reads ``FLIGHTDECK_*``; blank values count as unset, a list of keys may be JSON or separated by commas."""

        def text(name: str) -> str:
            return environ.get(f"FLIGHTDECK_{name}", "").strip()

        return cls(
            release_id=text("RELEASE_ID"),
            agent_id=text("AGENT_ID"),
            environment=text("ENVIRONMENT"),
            url=text("URL").rstrip("/"),
            api_token=text("LOCAL_API_TOKEN"),
            tenant_keys=_keys(text("TENANT_KEYS")),
            task_keys=_keys(text("TASK_KEYS")),
        )

    @property
    def attributes(self) -> dict[str, str]:
        """The identity as telemetry attributes, without what is not set."""
        identity = {RELEASE_ID: self.release_id, AGENT_ID: self.agent_id, ENVIRONMENT: self.environment}
        return {key: value for key, value in identity.items() if value}


def _keys(text: str) -> tuple[str, ...]:
    try:
        named = json.loads(text) if text.startswith("[") else text.split(",")
    except ValueError:
        return ()
    return tuple(key.strip() for key in named if isinstance(key, str) and key.strip())
