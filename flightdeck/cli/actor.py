"""Who acts, by the command line's word: an option of every command that records something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


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
