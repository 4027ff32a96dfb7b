"""examples/deploy: what the platforms' files promise, held against the image's own parts and a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.serving import STOP_S, environment

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "deploy"
CHART = EXAMPLES / "helm" / "flightdeck"
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
TOKEN = "s3cret"


def rendered(**changes: Any) -> dict[str, dict[str, Any]]:
    """The chart's documents by kind, for the few constructs of Helm that its templates use; others fail."""
    values = yaml.safe_load((CHART / "values.yaml").read_text()) | changes
    documents = {}
    for path in sorted((CHART / "templates").glob("*.yaml")):
        lines, shown = [], [True]
        for line in path.read_text().splitlines():
            if condition := re.fullmatch(r"\s*\{\{- if (\S+) \}\}", line):
                shown.append(bool(value(condition[1], values)))
            elif re.fullmatch(r"\s*\{\{- else \}\}", line):
                shown[-1] = not shown[-1]
            elif re.fullmatch(r"\s*\{\{- end \}\}", line):
                shown.pop()
            elif all(shown):
                lines.append(re.sub(r"\{\{ (toJson )?(\S+) \}\}", lambda found: filled(found, values), line))
        assert shown == [True]
        text = "\n".join(lines)
        assert "{{" not in text
        if document := yaml.safe_load(text):
            documents[document["kind"]] = document
    return documents


def filled(found: re.Match[str], values: dict[str, Any]) -> str:
    return json.dumps(value(found[2], values)) if found[1] else str(value(found[2], values))


def value(name: str, values: dict[str, Any]) -> Any:
    if name == ".Release.Name":
        return "flightdeck"
    at: Any = values
    for key in name.removeprefix(".Values.").split("."):
        at = at[key]
    return at


@pytest.mark.contract("C7.05")
def test_the_chart_s_container_serves(tmp_path):
    """Its arguments go to the image's entrypoint, which runs here without an image."""
    (container,) = rendered()["Deployment"]["spec"]["template"]["spec"]["containers"]
    stated = {one["name"]: one.get("value", TOKEN) for one in container["env"]}
    (tmp_path / "flightdeck").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flightdeck.cli.main "$@"\n')
    (tmp_path / "flightdeck").chmod(0o755)
    env = environment(stated | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PORT": "0"})
    env |= {f"FLIGHTDECK_RECEIVERS__OTLP__PROTOCOLS__{one}__ENDPOINT": "127.0.0.1:0" for one in ("GRPC", "HTTP")}
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    command = ["sh", str(ROOT / "deploy" / "entrypoint.sh"), *container["args"]]
    process = subprocess.Popen(command, cwd=workspace, env=env, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        ready = next(line for line in process.stderr if " is ready: " in line)
        port = re.search(r"api=http://[^:]+:(\d+)", ready)[1]
        url = f"http://127.0.0.1:{port}"
        probe = container["readinessProbe"]["httpGet"]["path"]
        assert httpx.get(f"{url}{probe}").json()["mutation_auth"] == "bearer"
        assert httpx.get(f"{url}/v1/releases").status_code == 401
        assert httpx.get(f"{url}/v1/releases", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    finally:
        process.terminate()
        begin = time.monotonic()
        process.communicate(timeout=STOP_S)
        assert time.monotonic() - begin < STOP_S


def test_the_chart_keeps_the_workspace_unless_told_not_to():
    kept = rendered()
    (volume,) = kept["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == kept["PersistentVolumeClaim"]["metadata"]["name"]
    lost = rendered(persistence={"enabled": False, "size": "1Gi"})
    assert "PersistentVolumeClaim" not in lost
    assert lost["Deployment"]["spec"]["template"]["spec"]["volumes"] == [{"name": "workspace", "emptyDir": {}}]


def test_the_chart_s_stores_are_settings():
    """They hold passwords: the deployment names the secret's keys, nobody reads them off the manifest."""
    (container,) = rendered(served=True)["Deployment"]["spec"]["template"]["spec"]["containers"]
    asked = {one["name"]: one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"] if "valueFrom" in one}
    secret = {
        "token": TOKEN,
        "store-dsn": "clickhouse://u:p@db:8123/fd",
        "database-url": "postgresql://u:p@db:5432/fd",
    }
    assert sorted(asked.values()) == sorted(secret)
    stated = {name: secret[key] for name, key in asked.items()}
    code = "from flightdeck.settings import load; s = load({}); print(s.store.dsn.get_secret_value())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(stated), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == stated["FLIGHTDECK_STORE__DSN"]


def test_every_service_port_is_a_port_of_the_image():
    exposed = set(re.search(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)[1].split())
    assert {str(one["port"]) for one in rendered()["Service"]["spec"]["ports"]} == exposed


@pytest.mark.contract("C7.05")
def test_fly_and_railway_build_the_image_and_ask_for_its_health():
    fly = tomllib.loads((EXAMPLES / "fly.toml").read_text())
    railway = tomllib.loads((EXAMPLES / "railway.toml").read_text())
    for path in (fly["build"]["dockerfile"], railway["build"]["dockerfilePath"]):
        assert (ROOT / path).is_file()
    assert fly["mounts"]["destination"] == re.search(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)[1]
    assert fly["http_service"]["checks"][0]["path"] == railway["deploy"]["healthcheckPath"] == "/health"
    assert fly["http_service"]["internal_port"] == 8765
