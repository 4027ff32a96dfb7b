"""A run inside a Temporal workflow: labels lead from the run to the workflow.

    python temporal.py
    python temporal.py --ingest --release-id rel_...

In an activity the ids come from ``temporalio.activity.info()``: ``workflow_id`` and ``workflow_run_id``. With the
activity's own id in ``run_id``, an activity that is tried again is still one run: the first event of an id wins.
"""

from __future__ import annotations

import sys

from delivery import deliver, identity, options

from flightdeck.integrations import make_run_end_event, temporal_labels


def main() -> int:
    """One activity, one run."""
    chosen = options(__doc__)
    event = make_run_end_event(
        **identity(chosen),
        provider="openai",
        model="gpt-4.1-mini",
        input_tokens=400,
        output_tokens=120,
        latency_ms=900,
        labels={"integration": "temporal", **temporal_labels(workflow_id="order-4711", workflow_run_id="2c1a")},
    )
    return deliver(event, chosen)


if __name__ == "__main__":
    sys.exit(main())
