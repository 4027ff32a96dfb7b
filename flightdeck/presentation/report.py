"""A diff as text: 1.3's lines, in 1.3's order."""

from __future__ import annotations

from collections.abc import Iterator

from flightdeck.models import Diff, DiffCatalog, DiffMetrics, DiffPricing


def report(diff: Diff) -> str:
    """The text; no line end after the last line."""
    return "\n".join(_lines(diff))


def _lines(diff: Diff) -> Iterator[str]:
    yield f"Window: {diff.window} ({diff.since} .. {diff.until})"
    baseline = diff.windows.baseline
    if baseline is not None and baseline != diff.windows.candidate:
        yield f"Baseline window: {baseline.since} .. {baseline.until}"
    filters = diff.filters
    yield f"Filters: env={filters.environment} tenant={filters.tenant_id or '*'} task={filters.task_id or '*'}"
    yield from _pricing(diff.pricing)
    samples = diff.samples
    yield f"Samples: baseline={samples.baseline_runs} candidate={samples.candidate_runs}"
    why = f" ({samples.confidence_reason})" if samples.confidence_reason else ""
    yield f"Confidence: {samples.confidence}{why}"
    yield ""
    yield from _metrics(diff.metrics)
    yield ""
    yield f"Policy: {'PASS' if diff.policy.passed else 'FAIL'}"
    for reason in diff.policy.reasons:
        yield f"- {reason}"


def _pricing(pricing: DiffPricing) -> Iterator[str]:
    yield f"Baseline pricing: {pricing.baseline_provider}/{pricing.baseline_version} (model={pricing.baseline_model})"
    yield (
        f"Candidate pricing: {pricing.candidate_provider}/{pricing.candidate_version} (model={pricing.candidate_model})"
    )
    for warning in pricing.warnings:
        yield f"WARNING: {warning}"
    for hint in pricing.hints:
        yield f"HINT: {hint}"
    yield from _catalog(pricing.catalog)
    if not pricing.pricing_or_model_changed:
        return
    yield "NOTE: cost delta includes pricing/model assumption changes (pricing reference and/or model differ)."
    prices = pricing.prices
    known = (
        prices.baseline_input_usd_per_1k_tokens,
        prices.candidate_input_usd_per_1k_tokens,
        prices.baseline_output_usd_per_1k_tokens,
        prices.candidate_output_usd_per_1k_tokens,
    )
    if None not in known:
        yield "Per-1k token prices: input {:.6f} -> {:.6f}, output {:.6f} -> {:.6f}".format(*known)


def _catalog(catalog: DiffCatalog) -> Iterator[str]:
    if catalog.enabled or catalog.warnings:
        yield (
            f"Catalog: enabled={catalog.enabled} version={catalog.catalog_version or '-'} "
            f"slots baseline={catalog.baseline_slot_id or '-'} candidate={catalog.candidate_slot_id or '-'}"
        )
    before, after, delta = (
        catalog.baseline_cost_per_run_usd,
        catalog.candidate_cost_per_run_usd,
        catalog.delta_cost_per_run_usd,
    )
    if before is not None and after is not None and delta is not None:
        yield f"Catalog-comparable cost/run (USD): {before:.6f} -> {after:.6f} (delta {delta:+.6f})"
    for warning in catalog.warnings:
        yield f"WARNING (catalog): {warning}"


def _metrics(metrics: DiffMetrics) -> Iterator[str]:
    share = metrics.delta_cost_per_run_pct
    yield (
        f"Estimated model token cost/run (USD): {metrics.baseline_cost_per_run_usd:.6f} -> "
        f"{metrics.candidate_cost_per_run_usd:.6f} (delta {metrics.delta_cost_per_run_usd:+.6f}"
        f"{'' if share is None else f', {share:+.2%}'})"
    )
    before, after, delta = (
        metrics.baseline_latency_ms_avg,
        metrics.candidate_latency_ms_avg,
        metrics.delta_latency_ms_avg,
    )
    if before is not None and after is not None and delta is not None:
        yield f"Latency avg (ms): {before:.2f} -> {after:.2f} (delta {delta:+.2f})"
    yield (
        f"Error rate: {metrics.baseline_error_rate:.4f} -> {metrics.candidate_error_rate:.4f} "
        f"(delta {metrics.delta_error_rate:+.4f})"
    )
