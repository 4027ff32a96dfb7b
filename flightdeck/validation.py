"""What is wrong with what a user wrote (a policy, a release, settings, a table's name), and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from flightdeck.errors import Invalid
from flightdeck.models import Policy

NEAR = 0.5
"""How alike two names must be for one to be taken as meant by the other (difflib's ratio)."""

BY_CATALOG = "catalog"
"""What to write in place of a table to price both sides by the catalog."""


def table_named(pricing: str) -> tuple[str, str]:
    """Provider and version of a table that somebody names as ``provider/version``.

    Raises:
        Invalid: it is not of that form.
    """
    provider, slash, version = pricing.partition("/")
    if not (provider and slash and version):
        hint = "For example openai/2026-11, or catalog."
        raise Invalid(f"pricing {pricing[:100]!r} names no table: write provider/version.", hint=hint, field="pricing")
    return provider, version


def policy_of(document: Mapping[str, Any]) -> Policy:
    """The policy that a document holds.

    Raises:
        Invalid: an unknown key (with the nearest right one), or a bad value.
    """
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        raise Invalid("Invalid policy: " + "; ".join(problems(error, Policy))) from error


def problems(error: ValidationError, model: type[BaseModel], word: str = "key") -> Iterator[str]:
    """What is wrong with a document, problem by problem; an unknown key comes with the nearest one of the model."""
    for problem in error.errors(include_url=False):
        path = [str(part) for part in problem["loc"]]
        name = ".".join(path)
        if problem["type"] != "extra_forbidden":
            said = problem["msg"].removeprefix("Value error, ")
            if problem["type"] in {"model_type", "model_attributes_type"}:
                said = f"needs keys and values of its own, not {kind_of(problem['input'])}"
            yield f"{name}: {said}" if name else said
            continue
        yield unknown(word, path[-1], _keys(model, path[:-1]), within="".join(f"{part}." for part in path[:-1]))


def kind_of(value: object) -> str:
    """What a value of a YAML file is, as its author knows it."""
    kinds = ((bool, "true or false"), (str, "a text"), (int | float, "a number"), (list, "a list"), (dict, "a mapping"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "nothing" if value is None else "a value")


def unknown(word: str, name: str, known: Iterable[str], *, within: str = "") -> str:
    """What is said of a name that nobody knows, with the nearest of those that are known at the same place."""
    near = nearest(name, known)
    return f"unknown {word} {within}{name}" + (f"; did you mean {within}{near}?" if near else "")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant by another one; None when none is like it."""
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=NEAR)), None)


def _keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """The keys that may stand at a path of a model."""
    for part in path:
        field = model.model_fields.get(part)
        options = (field.annotation, *get_args(field.annotation)) if field else ()
        model = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), BaseModel)
    return list(model.model_fields)
