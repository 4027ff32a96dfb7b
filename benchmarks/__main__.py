"""What FlightDeck costs, beside peers: ``python -m benchmarks [--help]``.

Everything runs on this machine over loopback: servers are child processes whose CPU time the kernel counts, the load
generator shares the cores with them. Progress goes to stderr, tables to stdout. CPU
seconds and ratios within one run are steadier than rates.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import diffs, growth, ingest, native, otel
from benchmarks.measured import say


class Part(NamedTuple):
    """One benchmark: how it is measured and how it is shown."""

    measure: Callable[..., dict[str, Any]]
    show: Callable[[dict[str, Any]], str]


PARTS = {
    "ingest": Part(ingest.measure, ingest.show),
    "growth": Part(growth.measure, growth.show),
    "events": Part(native.measure, native.show),
    "diff": Part(diffs.measure, diffs.show),
    "otel": Part(otel.measure, otel.show),
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("part", nargs="?", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--quick", action="store_true", help="one round, small stores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round")
    options = parser.parse_args()
    chosen = PARTS if options.part == "all" else {options.part: PARTS[options.part]}
    machine = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0], "python": platform.python_version()}
    found: dict[str, Any] = {"began": datetime.now(UTC).isoformat(), "quick": options.quick, "machine": machine}
    for name, part in chosen.items():
        found[name] = part.measure(quick=options.quick)
        if options.json:  # after each part, so that an error later loses nothing
            options.json.write_text(json.dumps(found, indent=1) + "\n")
    say("done")
    print("\n\n\n".join(part.show(found[name]) for name, part in chosen.items()))


if __name__ == "__main__":
    main()
