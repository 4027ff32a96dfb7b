"""Where the demo's example agent lies: in a clone under ``examples/``, in an installed package beside this file."""

from __future__ import annotations

from pathlib import Path

from flightdeck.errors import Invalid

FOLDER = "support_agent"
FILES = ("agent.py", "tickets.py", "pricing.yaml", "policy.yaml", "releases")


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
    missing = [name for name in FILES if not (places[0] / name).exists()]
    raise Invalid(f"No example agent in {places[0]} (missing: {', '.join(missing)}).", field="quickstart-root")
