"""``flightdeck demo``."""

from __future__ import annotations

from pathlib import Path

import click

OK = (
    "Demo OK — workspace initialized, releases registered, runs ingested, diff computed, "
    "worse candidate stopped and better one let through under policy."
)


@click.command()
@click.option(
    "--quickstart-root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another copy of the example agent (examples/support_agent), or the folder that holds it.",
)
@click.option("--verify/--no-verify", show_default=True, help="Run `release verify` on the baseline too.")
@click.option("--doctor/--no-doctor", show_default=True, help="Run `doctor` afterwards too.")
@click.option("--keep-workspace", is_flag=True, help="Keep the temporary workspace and print where it is.")
@click.option("--serve", is_flag=True, help="Keep the server up until Ctrl-C and print the page's address.")
@click.option(
    "--runs", type=click.IntRange(30, 100_000), default=1_260, show_default=True, help="Tickets for the three releases."
)
@click.option(
    "--seed", type=click.IntRange(0), default=7, show_default=True, help="Same seed, same tickets and replies."
)
def demo(
    quickstart_root: Path | None, verify: bool, doctor: bool, keep_workspace: bool, serve: bool, runs: int, seed: int
) -> None:
    """See it work: three releases of a real agent, two verdicts.

    A temporary workspace, a server, and a support agent that OpenTelemetry instruments without a line of code. Its
    releases answer the same stream of tickets, each in a process of its own, against a scripted model on this machine:
    a baseline, a candidate that costs more and fails more on one task, and one that is better. Exit code 0 says that
    the first candidate failed the policy and the second passed it.

    \b
    Example:
      flightdeck demo --serve
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    import signal
    from contextlib import suppress

    from rich.console import Console

    from flightdeck.demo.example import example_folder
    from flightdeck.demo.report import Display, print_next, print_story, unexpected
    from flightdeck.demo.story import Plan, told, workspace

    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)  # children and workspace go whichever way it ends
    console = Console()
    console.soft_wrap = not console.is_terminal  # a file keeps its lines whole
    plan = Plan(example_folder(quickstart_root), runs=runs, seed=seed, verify=verify, doctor=doctor)
    with (
        workspace(keep=keep_workspace) as folder,
        Display(console) as display,
        told(plan, folder, display) as story,
    ):
        print_story(console, story)
        if not story.as_it_should_be:
            raise click.ClickException(unexpected(story))
        print_next(console, story, serving=serve)
        click.echo(f"\n{OK}")
        if story.also:
            click.echo(f"(also ran: {', '.join(story.also)})")
        if keep_workspace:
            click.echo(f"Workspace: {folder}")
        if serve:
            with suppress(KeyboardInterrupt):  # from the moment on that the line invites it
                click.echo(f"\nThe server is up at {story.server.url} until Ctrl-C.")
                story.server.wait()
