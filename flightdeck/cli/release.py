"""``flightdeck release …``: register, list, show and verify releases; ``diff`` compares, ``promotion`` promotes."""

from __future__ import annotations

import json
from pathlib import Path

import click

from flightdeck.cli import diff, examples, promotion
from flightdeck.cli.connection import api, path_of

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
    """List registered releases, newest first: id, agent, version, environment, time, tab-separated.

    \b
    Example:
      flightdeck release list
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        for line in flightdeck.get("/v1/releases")["releases"]:
            columns = ("release_id", "agent_id", "version", "environment", "created_at")
            click.echo("\t".join(line[column] for column in columns))


@release.command()
@click.argument("release_id")
def show(release_id: str) -> None:
    """Show a release as JSON.

    \b
    Example:
      flightdeck release show rel_0123456789ab
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        record = flightdeck.get(path_of("releases", release_id))
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
        said = flightdeck.post(
            path_of("releases", release_id, "verify"), {"checksum": checksum, "digest_v2": digest_v2}
        )
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


for command in (diff.diff, *promotion.COMMANDS):
    release.add_command(command)
