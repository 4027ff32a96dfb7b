"""Fields are described by the texts below them, as pydantic would read them, but not before a schema is asked for."""

import inspect
import json
import subprocess
import sys
from typing import Annotated

from pydantic import BaseModel, Field

from flightdeck.models.described import Described, descriptions


class Place(BaseModel, use_attribute_docstrings=True):
    x: int
    """How far to the right.

    In metres."""
    y: Annotated[int, Field(description="How high.")] = 0
    """Not this."""
    z: int = 0

    def far(self) -> bool:
        """Not a field."""
        return self.x > 9


class City(Place):
    people: int = 0
    """Who live there."""
    x: int
    """Overridden."""
    near: tuple[Place, ...] = ()
    """What lies around."""


class DescribedPlace(Described):
    x: int
    """How far to the right.

    In metres."""
    y: Annotated[int, Field(description="How high.")] = 0
    """Not this."""
    z: int = 0

    def far(self) -> bool:
        """Not a field."""
        return self.x > 9


class DescribedCity(DescribedPlace):
    people: int = 0
    """Who live there."""
    x: int
    """Overridden."""
    near: tuple[DescribedPlace, ...] = ()
    """What lies around."""


def test_a_schema_is_as_with_pydantic_s_own_reading():
    schema = json.dumps(DescribedCity.model_json_schema()).replace("Described", "")
    assert json.loads(schema) == City.model_json_schema()
    assert descriptions(DescribedCity)["people"] == "Who live there."


def test_without_sources_there_is_no_description_and_no_error(monkeypatch):
    def no_source(_: object) -> str:
        raise OSError("could not get source code")

    monkeypatch.setattr(inspect, "getsource", no_source)

    class Alone(Described):
        x: int
        """Not readable."""

    assert "description" not in Alone.model_json_schema()["properties"]["x"]


def test_importing_models_and_settings_reads_no_source():
    program = "import flightdeck.models, flightdeck.settings, linecache; print(len(linecache.cache))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
