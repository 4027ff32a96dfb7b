"""An embedded store belongs to one process: a second one is told who has it; a dead one is in nobody's way."""

from __future__ import annotations

import subprocess

from flightdeck.store.home import holder_file
from tests.serving import FREE_PORTS, command, environment, serving


def test_a_second_server_on_the_store_is_told_who_has_it(tmp_path):
    with serving(tmp_path) as server:
        second = subprocess.run(
            command("serve", *FREE_PORTS),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert server.process.poll() is None, "the first one is not disturbed"
    assert second.returncode == 1
    (line,) = [line for line in second.stderr.splitlines() if "is open in" in line]
    assert f"process {server.process.pid} since 20" in line
    assert "FLIGHTDECK_URL" in second.stderr, "and what to do"


def test_a_holder_that_was_killed_is_no_obstacle(tmp_path):
    """The file that names the holder outlives kill -9; the claim does not."""
    with serving(tmp_path) as server:
        file = holder_file(tmp_path / ".flightdeck" / "clickhouse")
        server.process.kill()
        server.process.wait()
        assert f'"pid": {server.process.pid}' in file.read_text()
    with serving(tmp_path) as server:
        assert f'"pid": {server.process.pid}' in file.read_text()
        assert server.stop()[0] == 0
    assert file.read_text() == ""
