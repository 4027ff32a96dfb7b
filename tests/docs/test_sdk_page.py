"""docs/sdk.md: its blocks run as they stand, against a server."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flightdeck.sdk import FlightdeckClient
from flightdeck.sdk.retry import LONGEST_PAUSE_S
from flightdeck.server.archives import MAX_PACKED
from tests.contract.commands import bundle
from tests.serving import Server, serving
from tests.workspace import artifact

PAGE = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text(encoding="utf-8")
INGEST, COMPARE, ARCHIVE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(UPLOAD,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
ADDRESS = "http://127.0.0.1:8765"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("sdk")) as started:
        yield started


@pytest.fixture
def release_id(server: Server) -> str:
    with FlightdeckClient(server.url) as client:
        entry = {"model": "gpt-4.1-mini", "input_usd_per_1k_tokens": 1, "output_usd_per_1k_tokens": 2}
        table = {"provider": "openai", "pricing_version": "p1", "entries": [entry]}
        client.import_pricing(table=table, replace=True, reason="again")
        return str(client.register_release(artifact=artifact(), checksum="ab" * 32)["release_id"])


def ran(block: str, server: Server, **known: Any) -> dict[str, Any]:
    names = dict(known)
    exec(block.replace(ADDRESS, server.url), names)
    return names


def test_events_are_sent_and_listed_as_the_page_says(server, release_id):
    names = ran(INGEST, server, release_id=release_id)
    assert (names["new"], names["page"]["matched_total"]) == (1, 1)


def test_releases_are_compared_as_the_page_says(server, release_id):
    compare = ran(COMPARE, server, token="")["compare"]
    assert asyncio.run(compare(release_id, release_id)) == "NODATA"


def test_a_release_is_registered_by_an_archive_as_the_page_says(server, tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "support.tar.gz", "w:gz") as tar:
        tar.add(bundle(tmp_path / "support"), arcname=".")
    monkeypatch.chdir(tmp_path)
    names = ran(ARCHIVE, server)
    assert (names["same"], names["release"]["environment"]) == (True, "production")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_an_archive_is_sent_by_curl_as_the_page_says(server, tmp_path):
    bundle(tmp_path / "agents" / "support")
    done = subprocess.run(
        ["sh", "-c", UPLOAD.replace(ADDRESS, server.url)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["environment"] == "production"


def test_the_bounds_on_the_page_are_the_bounds():
    assert LONGEST_PAUSE_S == 60
    assert "more than 60 seconds" in PAGE
    assert MAX_PACKED == 16 * 1024**2
    assert re.search(r"at most\s+16 MiB, 32 MiB unpacked, 10,000 members", PAGE)
