"""Reads the workspace's pricing catalog. A catalog that can't be used never fails a diff: it becomes a warning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from flightdeck.errors import TooLarge
from flightdeck.models import PricingCatalog
from flightdeck.validation import problems

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Catalog:
    """The catalog, or why there is none. Both are empty in a workspace that names none."""

    content: PricingCatalog | None = None
    warning: str = ""


def load_catalog(path: Path | None) -> Catalog:
    """Reads the file, anew for each diff: it is small, and its author wants to see the effect of a change."""
    if path is None:
        return Catalog()
    try:
        return Catalog(_read(path))
    except FileNotFoundError:
        warning = f"Pricing catalog not found: {path}"
    except TooLarge as error:
        warning = error.message
    except ValidationError as error:
        warning = f"invalid pricing catalog YAML: {'; '.join(problems(error, PricingCatalog))}"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        warning = f"pricing catalog YAML parse error: {' '.join(str(error).split())}"
    except OSError as error:
        warning = f"pricing catalog {path} can't be read: {error.strerror}"
    return Catalog(warning=warning)


def _read(path: Path) -> PricingCatalog:
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise TooLarge(f"pricing catalog {path} is larger than {MAX_BYTES // 1024} KiB")
    return PricingCatalog.model_validate(yaml.safe_load(raw))
