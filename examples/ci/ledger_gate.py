"""A CI gate in a workspace of its own: prices, policy, two releases and their runs in; the policy's answer out.

    WORKSPACE=/tmp/gate python ledger_gate.py

Environment:
    WORKSPACE        folder of the workspace; it is WIPED first (default: ./.ledger-gate)
    QUICKSTART_ROOT  folder with bundles, prices and events (default: ../quickstart)

The exit code is that of the first command that fails: 1 if the policy blocks the candidate, 2 if a bundle is not what
was registered. With your own files under QUICKSTART_ROOT and limits in policy.yaml it is your gate.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKSPACE = Path(os.environ.get("WORKSPACE", ".ledger-gate")).resolve()
QUICKSTART = Path(os.environ.get("QUICKSTART_ROOT", HERE.parent / "quickstart")).resolve()
RELEASE_ID = re.compile(r"rel_[0-9a-f]{12}")


def flightdeck(*arguments: str) -> str:
    """Runs a command in the workspace and shows what it says; ends this program if it fails."""
    print("$ flightdeck", *arguments, flush=True)
    command = [sys.executable, "-m", "flightdeck.cli.main", *arguments]
    done = subprocess.run(command, cwd=WORKSPACE, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def wipe() -> None:
    """Makes the workspace an empty folder. One that holds something else than a workspace is left alone."""
    if WORKSPACE.exists():
        if any(WORKSPACE.iterdir()) and not (WORKSPACE / "flightdeck.yaml").exists():
            sys.exit(f"{WORKSPACE} is no FlightDeck workspace; it is not wiped. Name another one: WORKSPACE=...")
        shutil.rmtree(WORKSPACE)
    WORKSPACE.mkdir(parents=True)


def register(side: str) -> str:
    """Registers a side's bundle; its release id."""
    found = RELEASE_ID.search(flightdeck("release", "register", str(QUICKSTART / f"{side}-release")))
    if found is None:
        sys.exit("no release id was printed")
    return found[0]


def ingest(side: str, release: str) -> None:
    """Ingests a side's runs under its release id, as runs of today: the window must hold them."""
    now = datetime.now(UTC).isoformat()
    events = (QUICKSTART / f"{side}-events.jsonl").read_text(encoding="utf-8")
    events = events.replace(f"__{side.upper()}_RELEASE_ID__", release)
    events = re.sub(r'("timestamp":\s*)"[^"]*"', rf'\1"{now}"', events)
    path = WORKSPACE / f"{side}.jsonl"
    path.write_text(events, encoding="utf-8")
    flightdeck("runs", "ingest", path.name)


def main() -> None:
    """The gate."""
    wipe()
    flightdeck("init")
    for side in ("baseline", "candidate"):
        flightdeck("pricing", "import", str(QUICKSTART / f"pricing-{side}.yaml"))
    flightdeck("policy", "set", str(HERE / "policy.yaml"))
    releases = {side: register(side) for side in ("baseline", "candidate")}
    for side, release in releases.items():
        ingest(side, release)
    flightdeck("release", "diff", *releases.values(), "--window", "7d", "--fail-on-policy")
    for side, release in releases.items():
        flightdeck("release", "verify", release, "--path", str(QUICKSTART / f"{side}-release"))
    flightdeck("doctor")
    print("ledger-gate: OK")


if __name__ == "__main__":
    main()
