"""A real ClickHouse over the network, for tests: the engine of an npm package, listening in a child process.

The package holds ClickHouse as one shared library. The child loads it and runs it like ``clickhouse-local`` with two
listeners; HTTP handler, authentication and errors are the server's own. There is no Keeper, hence no ``ON CLUSTER``.
``FLIGHTDECK_TEST_CLICKHOUSE`` (a DSN without database) names another server instead.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

VERSION = "26.7.3-stable.1"
CACHE = Path(__file__).parent.parent / ".cache" / "served-clickhouse"
USER, PASSWORD = "flightdeck", "served"

# `default` runs the query that starts the listeners, `flightdeck` is who the tests are.
_USERS = f"""<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>
<default><password></password><networks><ip>127.0.0.1</ip></networks></default>
<{USER}><password>{PASSWORD}</password><networks><ip>127.0.0.1</ip></networks></{USER}>
</users></clickhouse>"""
_CONFIG = """<clickhouse><users_config>{users}</users_config>
<max_server_memory_usage>2000000000</max_server_memory_usage><mark_cache_size>67108864</mark_cache_size></clickhouse>"""
_SERVE = """SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP;
SELECT sleepEachRow(3) FROM numbers(1000000) SETTINGS max_block_size = 1, max_threads = 1 FORMAT Null;"""


class Unavailable(Exception):
    """This machine can't run a served ClickHouse; says what is missing."""


class ServedClickHouse:
    """A ClickHouse server; ``address`` is ``clickhouse://user:password@host:port``."""

    def __init__(self, address: str, child: subprocess.Popen[bytes] | None = None) -> None:
        self.address = address
        self._child = child

    def database(self) -> str:
        """The DSN of a new database, which does not exist yet."""
        return f"{self.address}/test_{uuid4().hex}"

    def pause(self) -> None:
        """Holds the server still, as if the network were gone: connections open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._child is None:
            raise Unavailable("FLIGHTDECK_TEST_CLICKHOUSE names a server that tests must not stop")
        self._child.send_signal(number)


@contextmanager
def served(folder: Path, *, port: int = 0) -> Iterator[ServedClickHouse]:
    """Runs a server with its files in ``folder`` (kept, so that it may be started there again) for the block's length.

    Raises:
        Unavailable: no npm, no registry, or no package for this machine.
    """
    other = os.environ.get("FLIGHTDECK_TEST_CLICKHOUSE")
    if other:
        yield ServedClickHouse(other.rstrip("/"))
        return
    library = _library()
    http, tcp = port or free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "users.xml").write_text(_USERS)
    (folder / "config.xml").write_text(_CONFIG.format(users=folder / "users.xml"))
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [
                *(sys.executable, __file__, str(library), f"--path={folder / 'data'}", "--listen_host=127.0.0.1"),
                *(f"--http_port={http}", f"--tcp_port={tcp}", f"--config-file={folder / 'config.xml'}"),
                *("--multiquery", "--query", _SERVE),
            ],
            cwd=folder,  # it writes format schemas there
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(http, child, folder / "log")
        yield ServedClickHouse(f"clickhouse://{USER}:{PASSWORD}@127.0.0.1:{http}", child)
    finally:
        child.kill()
        child.wait()


def query(address: str, sql: str) -> str:
    """Asks a server by plain HTTP, apart from the code under test."""
    parts = urllib.parse.urlsplit(address)
    request = urllib.request.Request(f"http://{parts.hostname}:{parts.port}/", data=sql.encode())
    request.add_header("X-ClickHouse-User", parts.username or "default")
    request.add_header("X-ClickHouse-Key", parts.password or "")
    with urllib.request.urlopen(request, timeout=10) as answer:
        text: bytes = answer.read()
        return text.decode()


def _library() -> Path:
    """The shared library, fetched once into the cache."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        raise Unavailable(f"the package has no build for {sys.platform} on {platform.machine()}")
    home = CACHE / f"{VERSION}-{machine}"
    library = home / "package" / "libchdb.so"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not library.exists():
            _fetch(f"@chdb/lib-linux-{machine}-gnu@{VERSION}", home)
    return library


def _fetch(package: str, home: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is missing; it fetches the served ClickHouse")
    fresh = home.with_suffix(".part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    fetched = subprocess.run(
        [npm, "pack", package], cwd=fresh, capture_output=True, text=True, timeout=600, check=False
    )
    if fetched.returncode != 0:
        raise Unavailable(f"npm could not fetch {package}: {fetched.stderr.strip()[-300:]}")
    (archive,) = fresh.glob("*.tgz")
    with tarfile.open(archive) as file:
        file.extractall(fresh, filter="data")
    archive.unlink()
    fresh.rename(home)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        try:
            query(f"clickhouse://{USER}:{PASSWORD}@127.0.0.1:{port}", "SELECT 1")
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)  # a poll: the server has no other way to say that it listens
        else:
            return
    raise RuntimeError(f"the served ClickHouse did not come up:\n{log.read_text(errors='replace')[-2000:]}")


def _child() -> None:
    """In the child: become the server; ends with its parent."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    library = ctypes.CDLL(sys.argv[1])
    arguments = [b"clickhouse", *(argument.encode() for argument in sys.argv[2:])]
    run = library.query_stable_v2
    run.restype = ctypes.c_void_p
    run.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
    run(len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))


if __name__ == "__main__":
    _child()
