"""``flightdeck release …``: register, list, show, verify and compare releases; what promotes is in ``promotion``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from flightdeck.cli import examples, promotion
from flightdeck.cli.connection import api

MISMATCH = 2
"""Exit code of ``verify`` when the files are not those that were registered."""


@click.group()
def release() -> None:
    """Register, compare, promote and roll back releases."""


@release.command(epilog=examples.shown("A complete release.yaml", examples.RELEASE))
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--env", "environment", help="Where it is meant to run; the workspace's default otherwise.")
def register(path: Path, environment: str | None) -> None:
    """Register the bundle at PATH, a folder with release.yaml or a single file, and print its id.

    Its files are hashed, never stored or sent. Registering the same bundle again gives another id.

    \b
    Example:
      flightdeck release register agents/support --env production
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    from flightdeck.releases.bundle import load_bundle, missing_refs

    bundle = load_bundle(path)
    for field, ref in missing_refs(bundle):
        click.echo(f"WARNING: {field} names {ref!r}, which is not in the bundle: its content is not hashed.", err=True)
    body = {
        "artifact": bundle.artifact,
        "checksum": bundle.checksum,
        "digest_v2": bundle.digest_v2,
        "environment": environment,
    }
    with api() as flightdeck:
        click.echo(flightdeck.post("/v1/releases", body)["release_id"])


@release.command("list")
def list_command() -> None:
    """List registered releases, newest first: id, agent, version, environment, time, tab-separated."""
    with api() as flightdeck:
        for line in flightdeck.get("/v1/releases")["releases"]:
            columns = ("release_id", "agent_id", "version", "environment", "created_at")
            click.echo("\t".join(line[column] for column in columns))


@release.command()
@click.argument("release_id")
def show(release_id: str) -> None:
    """Show a release as JSON."""
    with api() as flightdeck:
        record = flightdeck.get(_path(release_id))
    record.pop("digest_v2", None)
    click.echo(json.dumps(record, indent=2, ensure_ascii=False))


@release.command()
@click.argument("release_id")
@click.option(
    "--path", required=True, type=click.Path(exists=True, path_type=Path), help="The bundle: a folder or a file."
)
def verify(release_id: str, path: Path) -> None:
    """Check that the files at a path are those that were registered; exit code 2 if not.

    \b
    Example:
      flightdeck release verify rel_0123456789ab --path agents/support
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    from flightdeck.releases.bundle import hashes

    checksum, digest_v2 = hashes(path)
    with api() as flightdeck:
        said = flightdeck.post(f"{_path(release_id)}/verify", {"checksum": checksum, "digest_v2": digest_v2})
    if said["matches"]:
        click.echo(f"OK: checksum matches for {release_id}\n  sha256={checksum}")
        return
    stored, found = said["registered"], said["found"]
    # Where only NUL bytes tell two bundles apart, digest_v2 alone differs (D12).
    shown = "checksum" if stored["checksum"] != found["checksum"] else "digest_v2"
    click.echo(f"CHECKSUM MISMATCH for {release_id}", err=True)
    click.echo(f"  stored (DB):      {stored[shown]}", err=True)
    click.echo(f"  recomputed (disk): {found[shown]}", err=True)
    click.echo("The files at this path are not the ones that were registered.", err=True)
    raise SystemExit(MISMATCH)


def _interval(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> dict[str, str] | None:
    """The two ends of an ISO 8601 interval."""
    if text is None:
        return None
    since, slash, until = text.partition("/")
    if not (since and slash and until):
        raise click.BadParameter("write SINCE/UNTIL, like 2026-11-01T00:00Z/2026-11-08T00:00Z")
    return {"since": since.strip(), "until": until.strip()}


@release.command()
@click.argument("baseline")
@click.argument("candidate")
@click.option("--window", help="How far back from now: 7d, 24h, 30m. Required, unless both sides have their own.")
@click.option(
    "--baseline-window", callback=_interval, metavar="SINCE/UNTIL", help="The baseline's own window, ISO 8601."
)
@click.option(
    "--candidate-window", callback=_interval, metavar="SINCE/UNTIL", help="The candidate's own window, ISO 8601."
)
@click.option("--env", "environment", help="The runs' environment; the workspace's default otherwise.")
@click.option("--tenant", help="Only this tenant's runs.")
@click.option("--task", help="Only runs of this task.")
@click.option("--fail-on-policy", is_flag=True, help="Exit with 1 when the policy says no: for CI.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def diff(
    baseline: str,
    candidate: str,
    window: str | None,
    baseline_window: dict[str, str] | None,
    candidate_window: dict[str, str] | None,
    environment: str | None,
    tenant: str | None,
    task: str | None,
    fail_on_policy: bool,
    output: str,
) -> None:
    """Compare the runs of two releases over a window, and say what the policy says.

    \b
    Example:
      flightdeck release diff rel_0123456789ab rel_ba9876543210 --window 7d --fail-on-policy
      flightdeck release diff rel_0123456789ab rel_ba9876543210 --window 7d \\
        --baseline-window 2026-11-01T00:00Z/2026-11-08T00:00Z
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    if window is None and not (baseline_window and candidate_window):
        raise click.MissingParameter(param_hint="'--window'", param_type="option")
    body = {
        "baseline_release_id": baseline,
        "candidate_release_id": candidate,
        "window": window,
        "baseline_window": baseline_window,
        "candidate_window": candidate_window,
        "environment": environment,
        "tenant_id": tenant,
        "task_id": task,
    }
    with api() as flightdeck:
        answer = flightdeck.post("/v1/diff", body)
    if output == "json":
        click.echo(json.dumps(answer, indent=2, sort_keys=True))
    else:
        from flightdeck.releases.report import report

        click.echo(report(answer))
    if fail_on_policy and not answer["policy"]["passed"]:
        raise click.ClickException("Policy gate: diff blocked by active policy (see reasons above).")


for command in promotion.COMMANDS:
    release.add_command(command)


def _path(release_id: str) -> str:
    from urllib.parse import quote

    return f"/v1/releases/{quote(release_id, safe='')}"
