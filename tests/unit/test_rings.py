import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_part_of_the_package_stands_in_a_ring():
    """The import contract is exhaustive: a new module must say where it belongs."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "rings")
    named = {name.strip() for layer in layers for name in layer.split("|")}
    parts = set()
    for package in ("flightdeck", "flightdeck.otel"):
        for path in (ROOT / package.replace(".", "/")).iterdir():
            if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists():
                parts.add(f"{package}.{path.stem}")
    assert parts - {"flightdeck.otel"} <= named
