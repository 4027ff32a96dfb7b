"""What ``FLIGHTDECK_*`` says in an agent's environment: who it is and where the server listens."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_URL = "http://127.0.0.1:8765"

RELEASE_ID = "flightdeck.release_id"
AGENT_ID = "flightdeck.agent_id"
ENVIRONMENT = "flightdeck.environment"

TENANT_ID = "flightdeck.tenant_id"
TASK_ID = "flightdeck.task_id"
SESSION_ID = "flightdeck.session_id"

CARRIED = (TENANT_ID, TASK_ID, SESSION_ID)
"""What of a run's identity travels in baggage. Release and agent do not: a service called is a release of its own."""

SPOOL_MB = 100
SHUTDOWN_S = 2.0


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """The settings of FlightDeck's side of an agent. Empty text means that the environment does not say.

    ``url`` is the server's API address (``FLIGHTDECK_URL``), ``api_token`` what it wants as a Bearer token.
    ``tenant_keys`` and ``task_keys`` are attribute keys like the server's settings of the same name.
    ``baggage_keys`` are copied from W3C baggage to spans. ``spool_dir`` is where runs wait that the server has not
    taken yet (empty: in memory), ``spool_bytes`` how many at most. ``shutdown_s``: seconds that the end of the process
    may be held up, by a SIGTERM too if ``flush_on_sigterm``.
    """

    release_id: str = ""
    agent_id: str = ""
    environment: str = ""
    url: str = ""
    api_token: str = field(default="", repr=False)
    tenant_keys: tuple[str, ...] = ()
    task_keys: tuple[str, ...] = ()
    baggage_keys: tuple[str, ...] = CARRIED
    spool_dir: str = ""
    spool_bytes: int = SPOOL_MB * 1024 * 1024
    shutdown_s: float = SHUTDOWN_S
    flush_on_sigterm: bool = True

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
            baggage_keys=tuple(key for key in _keys(text("BAGGAGE_KEYS")) if key != "none")
            if text("BAGGAGE_KEYS")
            else CARRIED,
            spool_dir=text("SPOOL_DIR"),
            spool_bytes=int(_number(text("SPOOL_MAX_MB"), SPOOL_MB, 1, 1_000_000) * 1024 * 1024),
            flush_on_sigterm=text("FLUSH_ON_SIGTERM").lower() not in {"0", "false", "no", "off"},
            shutdown_s=_number(text("SHUTDOWN_S"), SHUTDOWN_S, 0.1, 60.0),
        )

    @property
    def attributes(self) -> dict[str, str]:
        """The identity as telemetry attributes, without what is not set."""
        identity = {RELEASE_ID: self.release_id, AGENT_ID: self.agent_id, ENVIRONMENT: self.environment}
        return {key: value for key, value in identity.items() if value}


def _number(text: str, default: float, least: float, most: float) -> float:
    """A number within bounds; the default for what is none: an agent starts with whatever it was given."""
    try:
        value = float(text)
    except ValueError:
        return default
    return min(max(value, least), most) if math.isfinite(value) else default


def _keys(text: str) -> tuple[str, ...]:
    try:
        named = json.loads(text) if text.startswith("[") else text.split(",")
    except ValueError:
        return ()
    return tuple(key.strip() for key in named if isinstance(key, str) and key.strip())
