"""Where something is decided must have a name: one rule for the command line and the server."""

from __future__ import annotations

from flightdeck.errors import Invalid


def environment_named(environment: str) -> None:
    """Makes sure that what is decided is decided somewhere: ``--env "$UNSET"`` would be the first promotion there.

    Raises:
        Invalid: the environment's name is empty, or only blanks.
    """
    if not environment.strip():
        message = "The environment is empty: is a variable not set that should name it?"
        raise Invalid(message, hint="Name one, like production.", field="environment")
