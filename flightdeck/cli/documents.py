"""Reads the YAML (or JSON) files that users hand to commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flightdeck.errors import Invalid

LARGEST = 4 * 1024 * 1024


def document(path: Path) -> dict[str, Any]:
    """The mapping in a file; Invalid when there is none."""
    import yaml

    try:
        if path.stat().st_size > LARGEST:
            raise Invalid(f"{path} is larger than {LARGEST // 1024**2} MiB.")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise Invalid(f"{path} can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        what = "is empty" if content is None else f"holds a {'list' if isinstance(content, list) else 'single value'}"
        raise Invalid(f"{path} {what}; keys and values are needed, like `key: value`.")
    return content


def policy_document(path: Path) -> dict[str, Any]:
    """The policy in a file, complete; Invalid, with the nearest right key, when it is none."""
    from flightdeck.validation import policy_of

    return policy_of(document(path)).model_dump(mode="json")
