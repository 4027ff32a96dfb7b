"""The page: its built files at ``/`` and ``/assets``; where they were not built, a page that says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

BUILT = Path(__file__).parent / "web"
FOREVER = "public, max-age=31536000, immutable"
NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>FlightDeck</title></head>
<body style="font: 16px system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>The page was not built</h1>
<p>This server runs from a source tree whose page has not been built yet. Build it with <code>make setup</code>, then
reload. The API works meanwhile: see <a href="/docs">/docs</a>.</p>
</body></html>
"""


class _Assets(StaticFiles):
    """Files whose names change with their content: browsers may keep them. Without the folder there are none."""

    async def check_config(self) -> None:
        """Nothing: a folder that is not there is no fault of ours (the page was not built)."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """Adds the header that says so."""
        response: Response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = FOREVER
        return response


def install(api: FastAPI, built: Path = BUILT) -> None:
    """Serves the page from a folder of built files."""
    index = built / "index.html"

    @api.get("/", include_in_schema=False)
    def page() -> Response:
        """The page itself; browsers ask again each time whether it changed."""
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, 503)
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    for name in ("flightdeck-icon.png", "favicon.ico", "favicon.svg"):
        if (file := built / name).is_file():
            api.add_api_route(f"/{name}", _file(file), include_in_schema=False)
    api.mount("/assets", _Assets(directory=built / "assets", check_dir=False), name="assets")


def _file(path: Path) -> Callable[[], FileResponse]:
    def send() -> FileResponse:
        return FileResponse(path)

    return send
