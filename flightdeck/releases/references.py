"""What a release says about its prices, and what is odd about it: the ``pricing`` part of a diff, but for costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flightdeck.errors import Invalid
from flightdeck.ledger import Ledger
from flightdeck.models import DiffPrices, PricingEntry, PricingTable, ReleaseArtifact, ReleaseRecord
from flightdeck.pricing import defaults
from flightdeck.pricing.tables import Source, entry_of, imported, pinned
from flightdeck.pricing.versions import STALE_DAYS, bundled_since, means_defaults

SIDES = ("baseline", "candidate")

SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class Reference:
    """The prices a release refers to.

    Attributes:
        side: ``baseline`` or ``candidate``.
        provider: the table's.
        version: the table's.
        model: the release's own (``spec.runtime.model``).
        table: the imported table, or the defaults as a table.
        is_default: nobody imported the table.
        entry: what the table says of the release's model; None if nothing.
        source: the same for any usage.
    """

    side: str
    provider: str
    version: str
    model: str
    table: PricingTable
    is_default: bool
    entry: PricingEntry | None
    source: Source


def reference(
    side: str, record: ReleaseRecord, ledger: Ledger, now: datetime, table_of: tuple[str, str] | None = None
) -> Reference:
    """Looks up the pricing table that a release refers to, or another one (``table_of``: its provider and version).

    A version of the default prices (``genai-prices-…``, or one that 1.3 brought along) needs no import.

    Raises:
        Invalid: the table was never imported.
    """
    spec = ReleaseArtifact.model_validate(record.artifact_json).spec
    own = spec.pricing_reference
    provider, version = table_of or (own.provider, own.pricing_version)
    model = spec.runtime.model
    table = ledger.pricing.find(provider, version)
    if table is not None:
        entry = entry_of(table, model, defaults)
        return Reference(side, provider, version, model, table, False, entry, imported(table, defaults))
    made = defaults.table(provider, now) if means_defaults(version) else None
    if made is None:
        raise Invalid(
            f"Missing pricing table for {side} {provider}/{version}. Run `flightdeck pricing import ...`.",
            field=f"{side}_release_id",
        )
    entry = defaults.entry(provider, model, now)
    return Reference(side, provider, version, model, made, True, entry, pinned(provider, defaults))


def changed(baseline: Reference, candidate: Reference) -> bool:
    """Whether prices may differ for another reason than usage: provider, version or model differ."""
    return (baseline.provider, baseline.version, baseline.model) != (
        candidate.provider,
        candidate.version,
        candidate.model,
    )


def prices(baseline: Reference, candidate: Reference) -> DiffPrices:
    """Both releases' prices of their own models."""
    return DiffPrices.model_validate(
        {
            f"{each.side}_{price}": getattr(each.entry, price, None)
            for each in (baseline, candidate)
            for price in (
                "input_usd_per_1k_tokens",
                "output_usd_per_1k_tokens",
                "cached_input_usd_per_1k_tokens",
            )
        }
    )


def warnings(references: Sequence[Reference], today: date) -> list[str]:
    """What may be wrong with the prices, in 1.3's order."""
    missing = [
        f"{each.side} pricing table {each.provider}/{each.version} has no entry for model {each.model!r}"
        for each in references
        if each.entry is None
    ]
    of_version = {each.version: each for each in reversed(references)}
    odd = [_odd_version(each, today) for each in reversed(of_version.values())]
    return [*missing, *(warning for warning in odd if warning)]


def _odd_version(each: Reference, today: date) -> str:
    if each.is_default:
        if each.version == defaults.version():
            return ""
        return f"{each.side} pricing_version {each.version!r} was never imported: {defaults.version()} is used"
    anchor = bundled_since(each.version)
    if anchor is None:
        return ""
    age = (today - anchor).days
    if age <= STALE_DAYS:
        return ""
    return (
        f"{each.side} pricing_version {each.version!r} is a FlightDeck bundled snapshot from {anchor.isoformat()} "
        f"(~{age} days old), with prices 1,000 times too high. Import your own, or refer to {defaults.version()}."
    )


def hints(references: Sequence[Reference], known: Sequence[tuple[str, str]]) -> list[str]:
    """What the author of a release may have meant instead. ``known``: provider and version of all imported tables."""
    return [hint for each in references for hint in (_other_versions(each, known), _similar_models(each)) if hint]


def _other_versions(each: Reference, known: Sequence[tuple[str, str]]) -> str:
    others = sorted(version for provider, version in known if provider == each.provider and version != each.version)
    if not others:
        return ""
    return (
        f"{each.side}: provider {each.provider!r} has other imported pricing_version values besides {each.version!r}: "
        f"{shown(others)}. Confirm the release pins the table you intend."
    )


def _similar_models(each: Reference) -> str:
    if each.entry is not None:
        return ""
    wanted = each.model.lower()
    names = [entry.model for entry in each.table.entries]
    similar = [name for name in names if wanted in name.lower() or name.lower() in wanted]
    if not similar:
        return ""
    return f"{each.side}: table has no exact model {each.model!r}; similar names: {', '.join(similar[:SHOWN_NAMES])}"


def shown(names: Sequence[str]) -> str:
    """Some names in a sentence: the first five, and how many more there are."""
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" (+{more} more)" if more > 0 else "")
