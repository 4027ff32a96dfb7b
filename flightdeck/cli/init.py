"""``flightdeck init``."""

from __future__ import annotations

from pathlib import Path

import click

from flightdeck.cli.folder import workspace
from flightdeck.errors import Conflict, Misconfigured

CONFIG = """\
api_version: v1
kind: WorkspaceConfig
db_path: .flightdeck/flightdeck.db
database_url: null
default_environment: local
diff:
  min_candidate_runs: 500
  min_baseline_runs: 500
  min_low_runs: 50
pricing_catalog_path: null
promotion_requires_approval: false
"""


@click.command()
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    help="Where to write.  [default: flightdeck.yaml, in FLIGHTDECK_WORKSPACE or here]",
)
@click.option(
    "--no-bundled-pricing", is_flag=True, help="Taken for 1.3's sake: default prices need no import any more."
)
def init(path: Path | None, no_bundled_pricing: bool) -> None:
    """Make the current folder a workspace: write flightdeck.yaml.

    Models that no imported price table lists are priced by the data of the package genai-prices.

    \b
    Example:
      flightdeck init && flightdeck serve
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    path = path or workspace(missing=True) / "flightdeck.yaml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(CONFIG)
    except FileExistsError as error:
        raise Conflict(f"{path} already exists") from error
    except OSError as error:
        raise Misconfigured(f"{path} can't be written: {error.strerror}") from error
    click.echo(f"Wrote {path}")
    if not no_bundled_pricing:
        click.echo(
            "Default prices: the data of genai-prices; import tables of your own with `flightdeck pricing import`."
        )
