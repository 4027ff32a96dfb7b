"""The grounds of a decision: what it was judged on, kept in the ledger or exported, so that it can be judged again."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from flightdeck.errors import Invalid, TooLarge
from flightdeck.judge.evidence import Evidence
from flightdeck.models import DiffConfig, DiffRequest
from flightdeck.releases.diff import Compared

FORMAT = 2
"""Of these documents. In format 1 there is no ``evidence``, but what the store was ``asked`` and answered."""
LARGEST_INTEGER = 2**53 - 1
"""Larger integers (money in pico-USD, squares) are kept as text: canonical JSON, and many readers, would round them."""

PACKED = "zlib:"
"""Begins evidence that is compressed, and base64."""
PACK_FROM = 256 * 1024
"""Characters from which on evidence is compressed."""
LARGEST = 256 * 1024 * 1024
"""Bytes that compressed evidence may grow to."""


def document(compared: Compared, request: DiffRequest, config: DiffConfig) -> dict[str, Any]:
    """All that a diff was judged on, as JSON: the runs' cells, their prices, the policy, and the whole answer."""
    return {
        "format": FORMAT,
        "request": plain(request),
        "as_of": compared.evidence.as_of,
        "policy": plain(compared.policy),
        "config": plain(config),
        "prices": [plain(tariff) for tariff in compared.tariffs],
        "evidence": packed(compared.evidence.to_json()),
        "diff": plain(compared.diff),
    }


def kept_evidence(document: Mapping[str, Any]) -> Evidence | None:
    """The evidence of a document; None where it has none.

    Raises:
        Invalid: it can't be read.
        TooLarge: it unpacks to more than ``LARGEST`` bytes.
    """
    text = document.get("evidence")
    if text is None:
        return None
    if not isinstance(text, str):
        raise Invalid("The evidence can't be read: it must be a text.")
    return Evidence.from_json(_unpacked(text))


def packed(text: str) -> str:
    """Long texts compressed: a string keeps every digit of them in any JSON."""
    if len(text) < PACK_FROM:
        return text
    return PACKED + base64.b64encode(zlib.compress(text.encode(), 6)).decode()


def _unpacked(text: str) -> bytes:
    if not text.startswith(PACKED):
        return text.encode()
    try:
        unpack = zlib.decompressobj()
        found = unpack.decompress(base64.b64decode(text.removeprefix(PACKED), validate=True), LARGEST)
    except (zlib.error, binascii.Error) as error:
        raise Invalid(f"The evidence can't be read: {error}") from error
    if unpack.unconsumed_tail:
        raise TooLarge(f"The evidence is larger than {LARGEST:,} bytes.")
    return found


def plain(value: Any) -> Any:  # noqa: ANN401 - anything to JSON
    """JSON of it, in which integers that a float can't hold are text and numbers that JSON has not are null."""
    return _exact(to_jsonable_python(value, inf_nan_mode="null"))


def _exact(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _exact(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(part) for part in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_INTEGER:
        return str(value)
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124 - NaN
        return None
    return value
