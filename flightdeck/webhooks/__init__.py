"""Telling webhooks of decisions: which addresses are allowed, what a message looks like, sending, sending again."""

from flightdeck.webhooks.dispatcher import Dispatcher

__all__ = ["Dispatcher"]
