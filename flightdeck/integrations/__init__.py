"""RunEvents from what vendors' client libraries return: for agents that post runs themselves instead of sending spans.

One module per library, under the names of 1.3. Importing them imports no vendor library: a response is read by its
attributes (or keys, for one that was turned into a dict). Zero-code instrumentation needs none of this.
"""

from __future__ import annotations

from flightdeck.integrations.common import make_run_end_event, temporal_labels

__all__ = ["make_run_end_event", "temporal_labels"]
