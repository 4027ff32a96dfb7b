"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from flightdeck.environments import environment_named
from flightdeck.errors import Invalid

Command = TypeVar("Command", bound=Callable[..., Any])


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options and arguments as one decorator; help shows them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def environment_given(context: click.Context, parameter: click.Parameter, environment: str | None) -> str | None:
    """Callback of ``--env`` where something is decided: an empty one, as of an unset variable, is a usage error."""
    del context, parameter
    try:
        if environment is not None:
            environment_named(environment)
    except Invalid as error:
        raise click.BadParameter(str(error)) from error
    return environment


def actor_option(command: Command) -> Command:
    """``--actor``: else FLIGHTDECK_ACTOR, else the user that the system names, as 1.3 took it, else unknown."""
    add = click.option(
        "--actor",
        default="unknown",
        envvar=["FLIGHTDECK_ACTOR", "USER", "USERNAME"],
        show_envvar=True,
        help="Who you are, for the record.",
    )
    return add(command)


def output_option(command: Command) -> Command:
    """``--output``, as ``output``: text for people, or JSON."""
    add = click.option(
        "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How it is written."
    )
    return add(command)
