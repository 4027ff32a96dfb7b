# ruff: noqa: INP001 - a script beside the sources it writes
"""Writes ``web/src/api/schema.d.ts`` from the server's OpenAPI document; ``--check`` says whether it is current."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

WEB = Path(__file__).resolve().parent
sys.path.insert(0, str(WEB.parent))

import hatch_build  # noqa: E402 - beside this folder
from flightdeck.server.app import create_app  # noqa: E402
from flightdeck.settings import Settings  # noqa: E402

TYPES = WEB / "src" / "api" / "schema.d.ts"


def types(folder: Path) -> str:
    """The types, made in a scratch folder by openapi-typescript."""
    document, written = folder / "openapi.json", folder / "schema.d.ts"
    settings = Settings(workspace=folder)
    document.write_text(json.dumps(create_app(settings, lazily=True).openapi()), encoding="utf-8")
    hatch_build.Page(WEB.parent).install_packages()
    # What has a default may be left out of a request; by default it would have to be sent.
    options = ("--default-non-nullable=false", str(document), "--output", str(written))
    hatch_build.node().run(WEB, "exec", "--", "openapi-typescript", *options)
    return written.read_text(encoding="utf-8")


def main() -> int:
    """Writes or checks; exit code 1 says that the types are stale."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = types(Path(folder))
    if "--check" in sys.argv:
        if TYPES.read_text(encoding="utf-8") != fresh:
            print("stale: web/src/api/schema.d.ts; run `make generate`", file=sys.stderr)  # noqa: T201
            return 1
        return 0
    TYPES.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
