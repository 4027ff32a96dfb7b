"""The HTTP client for FlightDeck's API: :class:`FlightdeckClient` and its asynchronous twin.

>>> from flightdeck.sdk import FlightdeckClient
>>> with FlightdeckClient("http://127.0.0.1:8765", max_retries=2) as client:
...     print(type(client).__name__)
FlightdeckClient
"""

from flightdeck.sdk.client import AsyncFlightdeckClient, FlightdeckClient

__all__ = ["AsyncFlightdeckClient", "FlightdeckClient"]
