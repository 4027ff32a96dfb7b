"""``python -m benchmarks.judge [--quick] [--write]``: every table again.

Exits 1 if a figure of the design is not met; those whose world is not given are named and not compared.

``--quick`` takes a tenth of the worlds; ``--write`` puts the tables into ``benchmarks/judge/README.md``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.judge import agreement, quantiles, tables
from benchmarks.judge.report import Report

SEED = 20261124
README = Path(__file__).parent / "README.md"
MARK = "<!-- tables -->"


def main() -> int:
    quick = "--quick" in sys.argv
    worlds = 200 if quick else 2000
    rng = np.random.default_rng(SEED)
    report, start = Report(), time.process_time()
    agreement.check(rng, 5 if quick else 20)
    tables.mix(report, rng, worlds)
    tables.clusters(report, rng, worlds)
    tables.looks(report, rng, worlds)
    tables.one_look(report, rng, worlds)
    tables.enumerated(report)
    tables.tails(report, rng, 5 * worlds)
    quantiles.coverage(report, np.random.default_rng((SEED, 1)), worlds)
    tables.needed(report)
    tables.hours(report, rng, worlds)
    text = report.markdown()
    text += f"\n\n{report.summary()}; seed {SEED}, {worlds} worlds.\n"
    print(text)
    print(f"CPU {time.process_time() - start:.0f} s", file=sys.stderr)
    if "--write" in sys.argv:
        head = README.read_text(encoding="utf-8").split(MARK)[0]
        README.write_text(f"{head}{MARK}\n{text}", encoding="utf-8")
    return 1 if report.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
