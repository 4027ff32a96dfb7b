/** The verdict's guardrails as rows. No rule is decided here: states, limits and runs needed are the server's. */

import type { Diff } from "../api/types";
import {
  count,
  decimal,
  decimalChange,
  fixed,
  ms,
  msChange,
  points,
  relative,
  share,
  usd,
  usdChange,
} from "../text/number";
import { ANSWER } from "./status";

type Metric = Diff["verdict"]["metrics"][number];
type Limit = Diff["verdict"]["limits"][number];
type Needed = Metric["runs_needed"];

/** An effect on an axis where 0 is no change, 1 is the margin and right is worse; null is unbounded or unknown. */
export interface Effect {
  estimate: number | null;
  low: number | null;
  high: number | null;
}

export interface GuardrailRow {
  key: string;
  name: string;
  note: string;
  baseline: string | null;
  candidate: string | null;
  /** What the effect is measured in decides: a relative margin has relative effects. */
  effect: string | null;
  interval: string;
  margin: string;
  drawn: Effect;
  status: Metric["status"];
  /** Of one that is not decided: how far a decision is. */
  needed: string | null;
  /** Whether it is a limit on the candidate, which has no baseline and no change. */
  isLimit: boolean;
  /** What is behind it, for who wants to know. */
  numbers: [string, string][];
}

const NAMES: Record<string, [string, string]> = {
  error_rate: ["Error rate", "share of runs that failed"],
  latency_ms: ["Latency", "of a run"],
  cost_usd: ["Cost", "of a run, both sides at the candidate's prices"],
  cost_per_success: ["Cost per success", "of all runs, for each that succeeded"],
  tokens_per_run: ["Tokens", "input and output of a run"],
  tools_per_run: ["Tool calls", "of a run"],
};

const ESTIMANDS: Record<string, string> = {
  mean: "mean",
  geometric_mean: "geometric mean",
  p50: "median",
  p95: "p95",
  p99: "p99",
};

const plain = (x: number) => decimal(x, 3);
const plainChange = (x: number) => decimalChange(x, 3);
export const VALUE: Record<string, (x: number) => string> = { share, ms, USD: usd };
const CHANGE: Record<string, (x: number) => string> = { share: points, ms: msChange, USD: usdChange };

export function guardrailRows(diff: Diff): GuardrailRow[] {
  return [...diff.verdict.metrics.map(rowOf), ...diff.verdict.limits.map(limitOf)];
}

const LIMITS: Record<string, [string, string]> = {
  max_error_rate: ["Error rate", "share of runs that failed"],
  max_latency_ms: ["Latency", "mean of a run"],
  max_cost_per_run_usd: ["Cost", "of a run"],
  max_unpriced_share: ["Unpriced", "share of runs without a price"],
  max_unknown_usage_share: ["Usage unknown", "share of runs with calls without usage"],
};

/** A limit on the candidate alone: drawn from 0 to the limit. */
function limitOf(limit: Limit): GuardrailRow {
  const value = VALUE[limit.unit] ?? plain;
  const some = (x: number | null) => (x === null ? null : value(x));
  const [name, note] = LIMITS[limit.name] ?? [limit.name, ""];
  const scaled = (x: number | null) => (x === null || limit.limit <= 0 ? null : x / limit.limit);
  return {
    key: limit.name,
    name: `${name}: limit`,
    note: `${note}, of the candidate alone`,
    baseline: null,
    candidate: some(limit.candidate),
    effect: null,
    interval: intervalWords(limit, value),
    margin: `at most ${value(limit.limit)}`,
    drawn: { estimate: scaled(limit.candidate), low: scaled(limit.low), high: scaled(limit.high) },
    status: limit.status,
    needed: null,
    isLimit: true,
    numbers: numberRows({
      values: count(limit.n),
      missing: "–",
      raw: "–",
      mde: "–",
      of: limit,
    }),
  };
}

export function intervalWords({ low, high }: { low: number | null; high: number | null }, text: (x: number) => string) {
  if (low === null && high === null) return "range unknown";
  return `${low === null ? "unbounded" : text(low)} to ${high === null ? "unbounded" : text(high)}`;
}

function rowOf(metric: Metric): GuardrailRow {
  const isRelative = metric.margin.relative !== null;
  const value = VALUE[metric.unit] ?? plain;
  const change = isRelative ? relative : (CHANGE[metric.unit] ?? plainChange);
  const effect = isRelative ? metric.effect_relative : metric.effect_absolute;
  const margin = metric.margin.relative ?? metric.margin.absolute ?? 1;
  const harm = metric.direction === "lower_is_worse" ? -1 : 1;
  const some = (x: number | null, text: (x: number) => string) => (x === null ? null : text(x));
  const [name, note] = NAMES[metric.name] ?? [
    metric.name.replace(/^score:/, "Score "),
    "mean of the runs that have it",
  ];
  const estimand = ESTIMANDS[metric.estimand] ?? metric.estimand;
  const [low, high] = harm > 0 ? [effect.low, effect.high] : [effect.high, effect.low];
  const scaled = (x: number | null) => (x === null ? null : (harm * x) / margin);
  return {
    key: `${metric.name} ${metric.estimand}`,
    name,
    note: metric.name === "latency_ms" || metric.estimand !== "mean" ? `${estimand} ${note}` : note,
    baseline: some(metric.baseline, value),
    candidate: some(metric.candidate, value),
    effect: some(effect.estimate, change),
    interval: intervalWords(effect, change),
    margin: change(harm * margin),
    drawn: { estimate: scaled(effect.estimate), low: scaled(low), high: scaled(high) },
    status: metric.status,
    needed: metric.status === "INCONCLUSIVE" ? neededWords(metric.runs_needed) : null,
    isLimit: false,
    numbers: numbersOf(metric, value, change),
  };
}

function numbersOf(metric: Metric, value: (x: number) => string, change: (x: number) => string): [string, string][] {
  const raw = metric.margin.relative === null ? metric.raw_effect_absolute : metric.raw_effect_relative;
  return numberRows({
    values: `${count(metric.n_baseline)} → ${count(metric.n_candidate)}`,
    missing: `${count(metric.missing_baseline)} → ${count(metric.missing_candidate)}`,
    raw: raw === null ? "–" : change(raw),
    mde: metric.mde === null ? "–" : value(metric.mde),
    of: metric,
  });
}

interface Behind {
  values: string;
  missing: string;
  raw: string;
  mde: string;
  of: Metric | Limit;
}

/** The same rows for guardrails and limits: they stand in one table. */
function numberRows({ values, missing, raw, mde, of }: Behind): [string, string][] {
  const p = (x: number | null) => (x === null ? "–" : x < 0.0001 ? "below .0001" : fixed(x, 4).replace(/^0/, ""));
  const some = (x: number | null, digits: number) => (x === null ? "–" : decimal(x, digits));
  return [
    ["Runs with a value", values],
    ["without", missing],
    ["Change with the mix of tasks as it was", raw],
    ["p that it passes by chance", p(of.p_pass)],
    ["p that it fails by chance, for all guardrails and limits", p(of.p_fail_adjusted)],
    ["Standard errors beyond the margin or limit", some(of.z, 2)],
    ["Degrees of freedom", of.df === null ? (of.z === null ? "–" : "normal") : decimal(of.df, 1)],
    ["Design effect", some(of.design_effect, 2)],
    ["Smallest harm that would show", mde],
  ];
}

/** "about 1,900 more runs, 6 h at today's rate": of the candidate, which is the side that is waited for. */
export function neededWords(needed: Needed): string {
  if (needed.limited_by === "tenants") return "needs more tenants, not more runs of these";
  if (needed.limited_by === "effect") return "no number of runs would pass at this effect";
  if (needed.baseline === null || needed.candidate === null) return "how many more runs it takes is unknown";
  const runs = Math.max(needed.baseline, needed.candidate);
  if (runs === 0) return "";
  return `about ${count(rounded(runs))} more runs a side${needed.hours === null ? "" : `, ${hourWords(needed.hours)} at today's rate`}`;
}

/** Two digits: it is an estimate. */
function rounded(x: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(x)) - 1);
  return Math.ceil(x / step) * step;
}

function hourWords(hours: number): string {
  if (hours < 1) return `${Math.max(1, Math.round(hours * 60))} min`;
  return hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} days`;
}

/** What the answer of an INCONCLUSIVE verdict is, in a few words. */
export function wholeNeeded(diff: Diff): string | null {
  const needed = diff.verdict.runs_needed;
  if (diff.verdict.status !== "INCONCLUSIVE" || needed === null) return null;
  const words = neededWords(needed);
  return words === "" ? null : words;
}

/** What the person at the gate does with it: a verdict that passes is no way past a limit that is broken. */
export function answerWords(diff: Diff): string {
  const { policy, verdict } = diff;
  return verdict.status === "PASS" && !policy.passed ? "Blocked by the policy" : ANSWER[verdict.status];
}

/** How many guardrails and limits hold. */
export function holding(diff: Diff): string | null {
  const all = [...diff.verdict.metrics, ...diff.verdict.limits];
  if (all.length === 0) return null;
  const also = diff.verdict.limits.length > 0 ? ", with the limits" : "";
  return `${all.filter((one) => one.status === "PASS").length} of ${all.length} hold${also}`;
}

/** Whether policy and verdict agree, and who of them decides. */
export function gateWords(diff: Diff): string {
  const { policy, verdict } = diff;
  const does = policy.passed ? "lets it through" : "blocks it";
  if (verdict.gate === "verdict") return `The policy ${does}: the verdict decides.`;
  if (verdict.gate === "both") return `The policy ${does}: its limits and the verdict decide.`;
  return `The policy ${does}: its limits decide, the verdict is advice.`;
}

/** How surely the verdict holds, and for whom. */
export function sureness(diff: Diff): [string, string][] {
  const { verdict } = diff;
  const rows: [string, string][] = [];
  const scopes = {
    tenants: "tenants like these",
    observed_tenants: "these tenants only",
    runs: "runs like these, whoever's they are",
  };
  const hours = {
    confirmed: "holds when the same hours are compared",
    confounded: "does not hold when the same hours are compared",
    unchecked: "not checked",
    disjoint: "the releases ran at different times",
    off: "not looked at",
  };
  if (verdict.scope !== null) rows.push(["Holds for", scopes[verdict.scope]]);
  if (verdict.clusters !== null) {
    const { baseline, candidate, shared, effective, unit } = verdict.clusters;
    const alike = effective === null ? "" : `, worth ${fixed(effective, 1)} of one size`;
    rows.push([
      unit === "tenant" ? "Tenants" : "Runs",
      `${count(baseline)} → ${count(candidate)}, ${count(shared)} in both${alike}`,
    ]);
  }
  if (verdict.mix !== null && verdict.mix.overlap !== null) {
    const dropped = verdict.mix.strata_dropped;
    const names = dropped.length === 0 ? "" : `; left out: ${dropped.slice(0, 5).join(", ")}`;
    const more = dropped.length > 5 ? ` and ${dropped.length - 5} more` : "";
    rows.push(["Tasks in common", `${share(verdict.mix.overlap)} of the runs${names}${more}`]);
  }
  if (verdict.time !== null) rows.push(["Time of day", hours[verdict.time.hour_status]]);
  if (verdict.mode !== null && verdict.alpha !== null) {
    const looks = verdict.mode === "sequential" ? "however often it is looked at" : "for one look";
    rows.push(["Wrong in at most", `${share(verdict.alpha)} of candidates at the margin, ${looks}`]);
  }
  return rows;
}
