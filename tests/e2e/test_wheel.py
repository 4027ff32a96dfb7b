"""What people install: the wheel, light and in an empty environment."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVER_ONLY = {
    "alembic",
    "chdb",
    "clickhouse_connect",
    "fastapi",
    "genai_prices",
    "grpc_health",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sqlalchemy",
    "starlette",
    "uvicorn",
}
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=240, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def light(wheel, tmp_path_factory):
    """The Python of an environment that holds the light install and nothing else."""
    folder = tmp_path_factory.mktemp("light")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    run(uv, "pip", "install", "--quiet", "--python", python, wheel)
    return python


def test_the_wheel_holds_the_page_the_schema_files_and_the_type_marker(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "flightdeck/py.typed" in names
    assert "flightdeck/server/web/index.html" in names
    assert any(name.startswith("flightdeck/server/web/assets/") and name.endswith(".js") for name in names)
    assert any(name.startswith("flightdeck/store/schema/") and name.endswith(".sql") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "web/", "node_modules/"))]


def test_the_light_install_brings_nothing_of_the_server(light):
    code = (
        "import json, importlib.util as u; "
        f"print(json.dumps([n for n in {sorted(SERVER_ONLY)!r} if u.find_spec(n) is not None]))"
    )
    assert json.loads(run(light, "-c", code)) == []


@pytest.mark.parametrize("module", ["flightdeck.otel", "flightdeck.sdk", "flightdeck.models", "flightdeck.cli.main"])
def test_the_light_install_imports_without_the_server_s_libraries(light, module):
    code = f"import json, sys, {module}; print(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    loaded = set(json.loads(run(light, "-c", code)))
    assert not loaded & SERVER_ONLY
    assert "grpc" not in loaded


def test_the_light_command_says_what_it_is_and_what_it_needs(light, tmp_path):
    command = light.with_name("flightdeck")
    assert run(command, "--version").startswith("flightdeck, version ")
    done = subprocess.run([command, "serve"], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "pip install 'flightdeck-ai[server]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
