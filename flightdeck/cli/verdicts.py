"""Verdicts at the command line: how they are shown, and which exit code each has."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flightdeck.cli.files import save
from flightdeck.cli.options import together

if TYPE_CHECKING:
    from flightdeck.models import Diff
    from flightdeck.presentation.judged import Judged

EXIT_CODES: Mapping[str, int] = {"PASS": 0, "FAIL": 5, "INCONCLUSIVE": 3, "NODATA": 4}
"""By status. 1 is an error, 2 wrong usage, 130 Ctrl-C."""

RENDERINGS = ("text", "markdown", "junit", "annotations")
OUTPUTS = ("text", "json", "evidence", *RENDERINGS[1:])
"""What the answer to a diff can be written as. ``evidence`` is all that the verdict rests on, to judge it again."""

Reports = Sequence[tuple[str, Path]]
Text = Callable[["Judged", "Diff"], str]

verdict_outputs = together(
    click.option(
        "--output",
        type=click.Choice(OUTPUTS),
        default="text",
        show_default=True,
        help="How it is written. evidence: all that the verdict rests on, for `flightdeck judge`.",
    ),
    click.option(
        "--report",
        "reports",
        type=(click.Choice(OUTPUTS), click.Path(dir_okay=False, path_type=Path)),
        multiple=True,
        metavar="FORMAT FILE",
        help="Write the same answer to a file too; may be given several times.",
    ),
)
"""The options that say how an answer is written; they come as ``output`` and ``reports``."""


def wants_evidence(output: str, reports: Reports) -> bool | None:
    """Whether the server must be asked for the evidence; None where not, so that the key is left out."""
    return True if "evidence" in {output, *(form for form, _ in reports)} else None


def write(answer: dict[str, Any], wanted: Mapping[str, Any], output: str, reports: Reports, text: Text) -> None:
    """Writes the answer to a diff: the reports to their files, then the output.

    Args:
        answer: of ``POST /v1/diff``.
        wanted: its request.
        output: one of ``OUTPUTS``.
        reports: what to write to which file.
        text: what ``text`` is for this command.

    Raises:
        Invalid: a file can't be written.
    """
    for form, path in reports:
        save(path, f"{_shown(answer, wanted, form, text)}\n".encode())
    click.echo(_shown(answer, wanted, output, text))


def _shown(answer: dict[str, Any], wanted: Mapping[str, Any], output: str, text: Text) -> str:
    if output == "evidence":
        return json.dumps(answer["evidence"], indent=2, ensure_ascii=False)
    if output == "json":
        return json.dumps({key: answer[key] for key in answer if key != "evidence"}, indent=2, sort_keys=True)
    from flightdeck.models import Diff
    from flightdeck.presentation.judged import Judged

    found = Diff.model_validate(answer)
    judged = Judged.of(wanted["baseline_release_id"], wanted["candidate_release_id"], found)
    return text(judged, found) if output == "text" else rendered(judged, output)


def rendered(judged: Judged, rendering: str) -> str:
    """A verdict in one of ``RENDERINGS``; text has colours on a terminal, unless NO_COLOR is set."""
    from flightdeck.presentation import annotations, junit, markdown, text

    if rendering == "text":
        return text.text(judged, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    return {"markdown": markdown.markdown, "junit": junit.junit, "annotations": annotations.annotated}[rendering](
        judged
    )
