"""A real browser for tests: the machine's Chromium, or else the one inside npm's ``@sparticuz/chromium``."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import hatch_build

ROOT = Path(__file__).parent.parent
PACKED = "@sparticuz/chromium@153.0.0"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_INFLATE = 'import chromium from "@sparticuz/chromium"; console.log(await chromium.executablePath());'


@dataclass(frozen=True)
class Browser:
    """What Playwright starts: the program, and what it needs in its environment."""

    program: Path
    env: dict[str, str] = field(default_factory=dict)


class NoBrowserError(Exception):
    """There is no browser, and none could be fetched."""


def browser() -> Browser:
    """The browser to test with: ``FLIGHTDECK_TEST_CHROMIUM``, one on the ``PATH``, or the packed one."""
    if named := os.environ.get("FLIGHTDECK_TEST_CHROMIUM"):
        return Browser(Path(named))
    for name in NAMES:
        if found := shutil.which(name):
            return Browser(Path(found))
    return packed(ROOT / ".cache" / "chromium-153")


def packed(cache: Path) -> Browser:
    """The packed browser, installed and unpacked once into a folder that later runs find again."""
    program = cache / "unpacked" / "chromium"
    done = cache / "done"
    if not done.is_file():
        (cache / "unpacked").mkdir(parents=True, exist_ok=True)
        try:
            node = hatch_build.node()
            node.run(cache, "install", "--prefix", str(cache), "--no-save", "--ignore-scripts", PACKED)
        except hatch_build.PageBuildError as error:
            raise NoBrowserError(f"No Chromium on the PATH, and {PACKED} could not be installed: {error}") from error
        env = {
            **os.environ,
            "PATH": os.pathsep.join([node.folder, os.environ.get("PATH", os.defpath)]),
            "TMPDIR": str(cache / "unpacked"),  # where it unpacks to
            "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x",  # makes it unpack its libraries too
        }
        script = cache / "inflate.mjs"
        script.write_text(_INFLATE)
        subprocess.run(["node", str(script)], cwd=cache, env=env, check=True, timeout=120, capture_output=True)
        done.touch()
    libraries = os.pathsep.join(filter(None, [str(cache / "unpacked/al2023/lib"), os.environ.get("LD_LIBRARY_PATH")]))
    fonts = {} if Path("/etc/fonts").is_dir() else {"FONTCONFIG_PATH": str(cache / "unpacked/fonts")}
    return Browser(program, {"LD_LIBRARY_PATH": libraries, **fonts})
