"""The chain over decisions: each one's hash covers its content and the hash before, so that no edit goes unseen.

A hash is SHA-256 over the canonical JSON (RFC 8785) of ``{"decision": …, "previous": …}``: both as
``GET /v1/actions/{action_id}`` shows them, where the decision names the SHA-256 of its evidence's canonical JSON.
Anyone can compute it again, in any language.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import rfc8785

from flightdeck.errors import Invalid

GENESIS = "0" * 64
"""What the first decision follows."""

LARGEST_INTEGER = 2**53 - 1
"""Largest integer that every reader of JSON keeps exactly."""


def canonical_bytes(document: Any, what: str) -> bytes:  # noqa: ANN401 - JSON
    """Canonical JSON.

    Raises:
        Invalid: it holds what JSON can't say in every language: NaN, an integer over 2**53, half a surrogate pair.
    """
    try:
        return rfc8785.dumps(document)
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise Invalid(f"The {what} has no canonical JSON: {error}.") from error


def sha256(content: bytes) -> str:
    """In hex."""
    return hashlib.sha256(content).hexdigest()


def link(content: Mapping[str, Any], previous: str) -> str:
    """The hash of a decision with this content after one with that hash."""
    return sha256(canonical_bytes({"decision": dict(content), "previous": previous}, "decision"))


def content(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What a decision's hash covers, from its row: a fixed list, so that later versions compute the same."""
    return {
        "audit_seq": row["audit_seq"],
        "action_id": row["action_id"],
        "action": row["action"],
        "release_id": row["release_id"],
        "agent_id": row["agent_id"],
        "environment": row["environment"],
        "baseline_release_id": row["baseline_release_id"],
        "window": row["window"],
        "reason": row["reason"],
        "actor": row["actor"],
        # As it was stored: a model that has grown since would add keys.
        "policy": json.loads(row["policy_json"]),
        "promoted_pointer_changed": row["promoted_pointer_changed"],
        "request_id": row["request_id"],
        "evidence_sha256": row["evidence_sha256"],
        "created_at": row["created_at_us"].isoformat(),
    }
