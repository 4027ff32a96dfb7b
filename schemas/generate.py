"""Writes the JSON Schemas in ``schemas/v1/`` from ``flightdeck.models``; ``--check`` says whether they are current.

Models that are sent are described as sent (serialization); those that users send, as accepted (validation).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic.json_schema import GenerateJsonSchema

from flightdeck.models import Diff, DiffCharts, ReleaseRecord, wire_models

FOLDER = Path(__file__).parent / "v1"
ANSWERS = {Diff, DiffCharts, ReleaseRecord}


def schemas() -> dict[str, str]:
    """File name to content."""
    files = {}
    for model in wire_models():
        schema = model.model_json_schema(mode="serialization" if model in ANSWERS else "validation")
        schema = {"$schema": GenerateJsonSchema.schema_dialect, **schema}
        files[f"{model.__name__}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return files


def main() -> int:
    """Writes or checks; exit code 1 names what is stale."""
    files = schemas()
    have = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    if "--check" in sys.argv:
        stale = sorted(name for name in files.keys() | have.keys() if files.get(name) != have.get(name))
        if stale:
            print(f"stale in schemas/v1: {', '.join(stale)}; run `make generate`", file=sys.stderr)  # noqa: T201
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in have.keys() - files.keys():
        (FOLDER / name).unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
