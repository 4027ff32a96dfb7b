"""What the README shows works when it is done as it stands there, against a real server."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from flightdeck.cli.main import COMMANDS
from tests.contract.commands import run
from tests.serving import serving

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
RELEASE = "rel_0123456789ab"


def block(kind: str, start: str) -> str:
    (found,) = [text for language, text in BLOCKS if language == kind and text.startswith(start)]
    return found


def commands(text: str) -> list[list[str]]:
    """The commands of a block, each as its words; comments are left out."""
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.strip()]


def test_every_command_that_is_shown_exists():
    shown = set(re.findall(r"(?:^|`|bin/)flightdeck ([a-z][a-z-]+)", README, re.MULTILINE))
    assert len(shown) > 6
    assert shown <= set(COMMANDS)


def test_the_three_files_one_event_and_a_question_do_what_the_readme_says(tmp_path, monkeypatch):
    for name in ("bundle/release.yaml", "prices.yaml", "policy.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(block("yaml", f"# {name}"))
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path) as server:
        registered = ""
        for words in commands(block("console", "flightdeck pricing import")):
            ended = run(*words[1:])
            assert ended.exit_code == 0, ended.output
            registered = ended.stdout.strip()
        assert re.fullmatch(r"rel_[0-9a-f]{12}", registered)

        if shutil.which("curl") is None:
            pytest.skip("curl is missing")
        script = block("console", "curl").replace("localhost:8765", server.url).replace(RELEASE, registered)
        sent = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
        answer = json.loads(sent.stdout)
        assert (answer["inserted"], answer["warnings"]) == (1, [])

        (words,) = commands(block("console", "flightdeck release diff"))
        asked = [registered if word.startswith("rel_") else word for word in words[1:]]
        ended = run(*asked)
        assert ended.exit_code == 1, "one run is less than the policy asks for"
        assert "Samples: baseline=1 candidate=1" in ended.stdout


def test_the_collector_s_exporter_is_one():
    (exporter,) = yaml.safe_load(block("yaml", "exporters:"))["exporters"].items()
    assert exporter == ("otlp/flightdeck", {"endpoint": "flightdeck:4317", "tls": {"insecure": True}})
