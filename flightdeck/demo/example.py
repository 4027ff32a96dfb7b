"""Where the demo's example agent lies: in a clone under ``examples/``, in an installed package beside this file."""

from __future__ import annotations

from pathlib import Path

from flightdeck.errors import Invalid

FOLDER = "support_agent"
FILES = ("agent.py", "tickets.py", "pricing.yaml", "policy.yaml", "releases")
FORMER = ("baseline-release", "candidate-release", "baseline-events.jsonl", "candidate-events.jsonl")
"""What the demo of 1.3 took: told apart for the sake of the error alone."""


def example_folder(root: Path | None = None) -> Path:
    """The folder of the example agent.

    Args:
        root: a copy of it, or the folder that holds one as ``support_agent``; without it the one that came along.

    Raises:
        Invalid: there is none; the message names what is missing.
    """
    here = Path(__file__).parent
    places = (root, root / FOLDER) if root is not None else (here / FOLDER, here.parents[1] / "examples" / FOLDER)
    for place in places:
        if all((place / name).exists() for name in FILES):
            return place.resolve()
    if all((places[0] / name).exists() for name in FORMER):
        raise Invalid(
            f"{places[0]} is a quick start of flightdeck-ai 1.3, two runs told in files; this demo runs an agent. "
            "Go through it by the commands of examples/quickstart/README.md.",
            field="quickstart-root",
        )
    missing = [name for name in FILES if not (places[0] / name).exists()]
    raise Invalid(f"No example agent in {places[0]} (missing: {', '.join(missing)}).", field="quickstart-root")
