/** The diff answer as the rows that the page shows. No rule is decided here: states come from the server's reasons. */

import type { DataQuality, Diff, Policy, Status } from "../api/types";
import { count, ms, msChange, points, relative, share, usd, usdChange } from "../text/number";

/** Where the two sides and the limit lie on one axis that starts at 0; right is worse. */
export interface Strip {
  baseline: number | null;
  candidate: number | null;
  limit: number | null;
}

export interface Row {
  key: string;
  name: string;
  /** What the numbers are, in a few words. */
  note: string;
  /** Null: there is none, and `missing` says why. */
  baseline: string | null;
  candidate: string | null;
  missing: string;
  change: string | null;
  /** The change again, relative to the baseline. */
  changeRelative: string | null;
  /** Undefined: the policy is not known (yet). Null: it sets none. */
  limit: string | null | undefined;
  strip: Strip;
  /** Null: nothing was decided about it. */
  state: Status | null;
}

interface Measure {
  key: string;
  name: string;
  note: string;
  baseline: number | null;
  candidate: number | null;
  missing: string;
  limit: number | null | undefined;
  change: number | null;
  changeRelative: number | null;
  text: (x: number) => string;
  changeText: (x: number) => string;
}

/** How the policy's reasons begin that concern a metric's limit. */
const BROKEN: Record<string, string[]> = {
  error_rate: ["candidate error_rate "],
  latency_ms: ["candidate latency_ms_avg "],
  cost_usd: ["candidate cost_per_run_usd ", "candidate unpriced share "],
};

/** The verdict's limit on a metric's mean. */
const LIMIT: Record<string, string> = {
  error_rate: "max_error_rate",
  latency_ms: "max_latency_ms",
  cost_usd: "max_cost_per_run_usd",
};

/**
 * The state of one limit: broken where the policy's reasons say so, else what the verdict says of it. Only an answer
 * whose verdict has no limits leaves that the policy lets it through.
 */
export function stateOf(key: string, diff: Diff, limit: number | null | undefined, candidate: number | null) {
  if (diff.policy.reasons.some((reason) => BROKEN[key]?.some((start) => reason.startsWith(start)))) return "FAIL";
  const judged = diff.verdict.limits.find((one) => one.name === LIMIT[key]);
  if (judged !== undefined) return judged.status;
  if (limit === null || limit === undefined) return null;
  return candidate === null ? "NODATA" : "PASS";
}

function rowOf(measure: Measure, diff: Diff): Row {
  const { key, name, note, baseline, candidate, missing, limit, text, changeText } = measure;
  const both = baseline !== null && candidate !== null;
  return {
    key,
    name,
    note,
    missing,
    baseline: baseline === null ? null : text(baseline),
    candidate: candidate === null ? null : text(candidate),
    change: both && measure.change !== null ? changeText(measure.change) : null,
    changeRelative: both && measure.changeRelative !== null ? relative(measure.changeRelative) : null,
    limit: limit === null || limit === undefined ? limit : text(limit),
    strip: { baseline, candidate, limit: limit ?? null },
    state: stateOf(key, diff, limit, candidate),
  };
}

/** The metrics a policy limits, in the order of the page. */
export function metricRows(diff: Diff, policy: Policy | undefined): Row[] {
  const { metrics, samples } = diff;
  const some = (runs: number, x: number | null) => (runs > 0 ? x : null);
  const priced = {
    baseline: samples.baseline_runs - samples.baseline_unpriced_runs,
    candidate: samples.candidate_runs - samples.candidate_unpriced_runs,
  };
  const limit = (of: (policy: Policy) => number | null | undefined) =>
    policy === undefined ? undefined : (of(policy) ?? null);
  return [
    rowOf(
      {
        key: "error_rate",
        name: "Error rate",
        note: "share of runs that failed",
        missing: "no runs",
        baseline: some(samples.baseline_runs, metrics.baseline_error_rate),
        candidate: some(samples.candidate_runs, metrics.candidate_error_rate),
        limit: limit((p) => p.max_error_rate),
        change: metrics.delta_error_rate,
        changeRelative: null,
        text: share,
        changeText: points,
      },
      diff,
    ),
    rowOf(
      {
        key: "latency_ms",
        name: "Latency",
        note: "mean of a run",
        missing: samples.candidate_runs > 0 && samples.baseline_runs > 0 ? "not measured" : "no runs",
        baseline: some(samples.baseline_runs, metrics.baseline_latency_ms_avg),
        candidate: some(samples.candidate_runs, metrics.candidate_latency_ms_avg),
        limit: limit((p) => p.max_latency_ms),
        change: metrics.delta_latency_ms_avg,
        changeRelative: null,
        text: ms,
        changeText: msChange,
      },
      diff,
    ),
    rowOf(
      {
        key: "cost_usd",
        name: "Cost",
        note: "tokens, mean of a run",
        missing: samples.candidate_runs > 0 && samples.baseline_runs > 0 ? "not priced" : "no runs",
        baseline: some(priced.baseline, metrics.baseline_cost_per_run_usd),
        candidate: some(priced.candidate, metrics.candidate_cost_per_run_usd),
        limit: limit((p) => p.max_cost_per_run_usd),
        change: metrics.delta_cost_per_run_usd,
        changeRelative: metrics.delta_cost_per_run_pct,
        text: usd,
        changeText: usdChange,
      },
      diff,
    ),
  ];
}

export interface Pair {
  key: string;
  name: string;
  baseline: string;
  candidate: string;
  note: string;
  /** Worth a look. */
  marked: boolean;
}

/** How many runs stand behind the verdict. */
export function sampleRows(diff: Diff, policy: Policy | undefined): Pair[] {
  const { samples } = diff;
  const minimum = (side: string, n: number | null | undefined) =>
    n === null || n === undefined ? null : `${side} at least ${count(n)}`;
  const minimums = [
    minimum("baseline", policy?.min_baseline_runs),
    minimum("candidate", policy?.min_candidate_runs),
  ].filter((part) => part !== null);
  const unpriced = samples.baseline_unpriced_runs + samples.candidate_unpriced_runs;
  return [
    {
      key: "runs",
      name: "Finished runs",
      baseline: count(samples.baseline_runs),
      candidate: count(samples.candidate_runs),
      note: minimums.length > 0 ? `policy: ${minimums.join(", ")}` : "",
      marked: samples.baseline_runs === 0 || samples.candidate_runs === 0,
    },
    {
      key: "unpriced",
      name: "of them unpriced",
      baseline: count(samples.baseline_unpriced_runs),
      candidate: count(samples.candidate_unpriced_runs),
      note: unpriced > 0 ? "left out of the cost, never counted as free" : "",
      marked: unpriced > 0,
    },
  ];
}

export function priceRows(diff: Diff): Pair[] {
  const { pricing } = diff;
  const { prices, catalog } = pricing;
  const price = (x: number | null | undefined) => (x === null || x === undefined ? "not listed" : usd(x));
  const row = (key: string, name: string, baseline: string, candidate: string, note = ""): Pair => ({
    key,
    name,
    baseline,
    candidate,
    note,
    marked: false,
  });
  const rows = [
    row("model", "Model", pricing.baseline_model, pricing.candidate_model),
    row(
      "table",
      "Price table",
      `${pricing.baseline_provider}/${pricing.baseline_version}`,
      `${pricing.candidate_provider}/${pricing.candidate_version}`,
    ),
    row(
      "input",
      "Input",
      price(prices.baseline_input_usd_per_1k_tokens),
      price(prices.candidate_input_usd_per_1k_tokens),
      "per 1,000 tokens",
    ),
    row(
      "cached",
      "Cached input",
      price(prices.baseline_cached_input_usd_per_1k_tokens),
      price(prices.candidate_cached_input_usd_per_1k_tokens),
      "per 1,000 tokens; where not listed, as input",
    ),
    row(
      "output",
      "Output",
      price(prices.baseline_output_usd_per_1k_tokens),
      price(prices.candidate_output_usd_per_1k_tokens),
      "per 1,000 tokens",
    ),
  ];
  if (catalog.baseline_cost_per_run_usd != null && catalog.candidate_cost_per_run_usd != null) {
    rows.push(
      row(
        "catalog",
        "Cost by catalog",
        usd(catalog.baseline_cost_per_run_usd),
        usd(catalog.candidate_cost_per_run_usd),
        `comparable: both sides at the catalog's tariffs (${catalog.catalog_version ?? ""})`,
      ),
    );
  }
  return rows;
}

const QUALITY: readonly [keyof DataQuality, string, string][] = [
  ["incomplete", "Incomplete", "still in progress, or their own span never came"],
  ["calls_without_usage", "Tokens unknown", "model calls whose tokens nobody reported; such runs are unpriced"],
  ["cached_exceeds_input", "Cached over input", "their emitter counts cached tokens apart; nothing was subtracted"],
  ["bad_time", "Bad time", "start or end could not be right"],
  ["agent_mismatch", "Agent mismatch", "refused: they name another agent than their release"],
  ["truncated", "Truncated", "a trace with more spans than the limit"],
  ["unassigned", "Unassigned", "no release could be found for them"],
];

/** The kinds that were found, as rows, and the names of those that were not. */
export function quality(diff: Diff): { found: Pair[]; clean: string[] } {
  const { baseline, candidate } = diff.data_quality;
  const rows = QUALITY.map(([key, name, note]) => ({
    key,
    name,
    note,
    baseline: count(baseline[key]),
    candidate: count(candidate[key]),
    marked: baseline[key] + candidate[key] > 0,
  }));
  return {
    found: rows.filter((row) => row.marked),
    clean: rows.filter((row) => !row.marked).map((row) => row.name.toLowerCase()),
  };
}

export interface Note {
  kind: "warning" | "note" | "hint";
  text: string;
}

/** Warnings before notes before hints; what two parts of the answer say in the same words is said once. */
export function notes(diff: Diff): Note[] {
  const { pricing, verdict } = diff;
  const found = new Map<string, Note>();
  const add = (kind: Note["kind"], texts: string[]) => {
    for (const text of texts) if (!found.has(text)) found.set(text, { kind, text });
  };
  add(
    "warning",
    verdict.warnings.map((warning) => warning.message),
  );
  add("warning", pricing.warnings);
  add(
    "warning",
    pricing.catalog.warnings.map((warning) => `catalog: ${warning}`),
  );
  if (pricing.pricing_or_model_changed) {
    add("note", ["The change in cost includes a change of price table or model: the sides are priced differently."]);
  }
  add("hint", pricing.hints);
  return [...found.values()];
}

/** Why the verdict is what it is, in the server's words: missing evidence first, what only the policy says last. */
export function reasons(diff: Diff): string[] {
  const isMissing = (code: string) => (code === "no_data" ? 0 : 1);
  const own = diff.verdict.reasons.toSorted((a, b) => isMissing(a.code) - isMissing(b.code));
  const said = own.map((reason) => reason.message);
  // The policy repeats the verdict's reasons where the verdict decides.
  const others = diff.policy.reasons.filter((reason) => !/^verdict [A-Z]+(:|$)/.test(reason));
  return [...new Set([...said, ...others])];
}
