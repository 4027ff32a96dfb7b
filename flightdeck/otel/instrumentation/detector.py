"""The resource detector ``flightdeck``: the agent's identity, from ``FLIGHTDECK_*``, on every span's resource."""

from __future__ import annotations

from opentelemetry.sdk.resources import Resource, ResourceDetector

from flightdeck.otel.instrumentation.settings import AgentSettings


class FlightDeckResourceDetector(ResourceDetector):
    """Adds release, agent and environment; the agent's id is the service's name too, unless one is set.

    The SDK asks its own detector for ``OTEL_RESOURCE_ATTRIBUTES`` and ``OTEL_SERVICE_NAME`` later, so they win.
    """

    def detect(self) -> Resource:
        """The identity that the environment declares; an empty resource if it declares none."""
        settings = AgentSettings.read()
        attributes = settings.attributes
        if settings.agent_id:
            attributes["service.name"] = settings.agent_id
        return Resource(attributes)
