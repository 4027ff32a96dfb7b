/** Answers of a server, recorded from a real comparison of 60 with 60 runs and shortened nowhere. */

import type { Charts, Diff, Policy, PriceTable, Promoted, Release } from "../src/api/types";

const CLEAN = {
  incomplete: 0,
  bad_time: 0,
  agent_mismatch: 0,
  cached_exceeds_input: 0,
  calls_without_usage: 0,
  truncated: 0,
  unassigned: 0,
};

export const POLICY: Policy = {
  policy_id: "production",
  max_cost_per_run_usd: 0.01,
  max_latency_ms: 3000,
  max_error_rate: 0.02,
  min_candidate_runs: 20,
  min_baseline_runs: 20,
  min_low_runs: 5,
  require_high_diff_confidence: true,
};

const FAILED: Diff = {
  window: "7d",
  since: "2026-11-17T18:19:25.843649+00:00",
  until: "2026-11-24T18:19:25.843649+00:00",
  windows: {
    baseline: { since: "2026-11-17T18:19:25.843649+00:00", until: "2026-11-24T18:19:25.843649+00:00" },
    candidate: { since: "2026-11-17T18:19:25.843649+00:00", until: "2026-11-24T18:19:25.843649+00:00" },
  },
  filters: { environment: "production", task_id: null, tenant_id: null },
  metrics: {
    baseline_cost_per_run_usd: 0.0009699999999999991,
    baseline_error_rate: 0,
    baseline_latency_ms_avg: 1226.8166666666666,
    candidate_cost_per_run_usd: 0.004849999999999998,
    candidate_error_rate: 0.11666666666666667,
    candidate_latency_ms_avg: 1375.85,
    delta_cost_per_run_pct: 4.0000000000000036,
    delta_cost_per_run_usd: 0.0038799999999999993,
    delta_error_rate: 0.11666666666666667,
    delta_latency_ms_avg: 149.0333333333333,
  },
  policy: {
    evaluated_at: "2026-11-24T18:19:25.845161Z",
    passed: false,
    reasons: ["candidate error_rate 0.1167 exceeds max 0.0200"],
  },
  pricing: {
    baseline_model: "gpt-4.1-mini",
    baseline_provider: "openai",
    baseline_version: "2026-11",
    candidate_model: "gpt-4.1",
    candidate_provider: "openai",
    candidate_version: "2026-11",
    catalog: {
      baseline_cost_per_run_usd: null,
      baseline_slot_id: null,
      candidate_cost_per_run_usd: null,
      candidate_slot_id: null,
      catalog_version: null,
      delta_cost_per_run_usd: null,
      enabled: false,
      warnings: [],
    },
    hints: ["baseline: another table of openai is imported"],
    prices: {
      baseline_cached_input_usd_per_1k_tokens: 0.0001,
      baseline_input_usd_per_1k_tokens: 0.0004,
      baseline_output_usd_per_1k_tokens: 0.0016,
      candidate_cached_input_usd_per_1k_tokens: null,
      candidate_input_usd_per_1k_tokens: 0.002,
      candidate_output_usd_per_1k_tokens: 0.008,
    },
    pricing_or_model_changed: true,
    warnings: [],
  },
  samples: {
    baseline_runs: 60,
    candidate_runs: 60,
    baseline_unpriced_runs: 0,
    candidate_unpriced_runs: 0,
    confidence: "HIGH",
    confidence_reason: null,
  },
  verdict: {
    status: "FAIL",
    reasons: [
      {
        code: "limit_exceeded",
        metric: "error_rate",
        name: "max_error_rate",
        message: "candidate error_rate 0.1167 exceeds max 0.0200",
      },
    ],
    warnings: [],
    gate: null,
    blocks: false,
    mode: null,
    alpha: null,
    power: null,
    scope: null,
    as_of: null,
    metrics: [],
    limits: [],
    mix: null,
    clusters: null,
    time: null,
    runs_needed: null,
  },
  data_quality: { baseline: { ...CLEAN }, candidate: { ...CLEAN } },
};

/** The recorded FAIL, changed by the test. */
export function diff(change: (answer: Diff) => void = () => {}): Diff {
  const answer = structuredClone(FAILED);
  change(answer);
  return answer;
}

/** Neither side has a run. */
export function noData(): Diff {
  return diff((answer) => {
    const message = "no evidence: candidate has no finished run in the window";
    answer.verdict = {
      ...answer.verdict,
      status: "NODATA",
      reasons: [{ code: "no_data", metric: "", name: "", message }],
    };
    answer.policy = { ...answer.policy, reasons: [message] };
    answer.samples = { ...answer.samples, baseline_runs: 0, candidate_runs: 0, confidence: "LOW" };
    answer.metrics = {
      ...answer.metrics,
      baseline_error_rate: 0,
      candidate_error_rate: 0,
      baseline_cost_per_run_usd: 0,
      candidate_cost_per_run_usd: 0,
      baseline_latency_ms_avg: null,
      candidate_latency_ms_avg: null,
      delta_latency_ms_avg: null,
      delta_cost_per_run_pct: null,
    };
  });
}

const point = (start: string, n: number, value: number, half: number) => ({
  start: `2026-11-24T${start}:00:00Z`,
  n,
  value,
  low: value - half,
  high: value + half,
});

const side = (n: number, p50: number): Charts["distributions"][number]["baseline"] => ({
  n,
  missing: 60 - n,
  quantiles: [
    { name: "p50", value: p50, low: 0.9 * p50, high: 1.1 * p50 },
    { name: "p95", value: 2 * p50, low: 1.8 * p50, high: null },
    { name: "p99", value: 3 * p50, low: null, high: null },
  ],
});

const CHARTS: Charts = {
  windows: FAILED.windows,
  filters: FAILED.filters,
  width_h: 1,
  alpha: 0.05,
  over_time: [
    {
      metric: "error_rate",
      unit: "share",
      line: { kind: "limit", value: 0.02 },
      baseline: [point("16", 40, 0.025, 0.02), point("17", 20, 0.05, 0.04)],
      candidate: [point("17", 60, 0.1, 0.05)],
    },
    {
      metric: "latency_ms",
      unit: "ms",
      line: { kind: "margin", value: 1349.5 },
      baseline: [point("16", 40, 1200, 40), point("17", 20, 1280.5, 60)],
      candidate: [point("17", 60, 1375.85, 30)],
    },
    { metric: "cost_usd", unit: "USD", line: null, baseline: [], candidate: [] },
  ],
  distributions: [
    {
      metric: "latency_ms",
      unit: "ms",
      bins: [
        { low: 1000, high: 1200, baseline: 30, candidate: 20 },
        { low: 1200, high: 1440, baseline: 30, candidate: 40 },
      ],
      baseline: side(60, 1200),
      candidate: side(60, 1300),
    },
    { metric: "cost_usd", unit: "USD", bins: [], baseline: side(0, 0), candidate: side(0, 0) },
  ],
};

/** Two hours, the candidate in the later one only; no prices. */
export function charts(change: (answer: Charts) => void = () => {}): Charts {
  const answer = structuredClone(CHARTS);
  change(answer);
  return answer;
}

export const PRICE_TABLES: { versions: PriceTable[]; default_version: string } = {
  versions: [{ provider: "openai", pricing_version: "2025-06" }],
  default_version: "genai-prices-1.0",
};

export function release(change: Partial<Release>): Release {
  return {
    release_id: "rel_000000000001",
    agent_id: "agent_support",
    version: "1.4.0",
    environment: "production",
    checksum: "",
    created_at: "2026-11-02T08:02:25+00:00",
    ...change,
  };
}

export const RELEASES: Release[] = [
  release({ release_id: "rel_000000000003", version: "1.5.0", created_at: "2026-11-23T15:19:25+00:00" }),
  release({ release_id: "rel_000000000009", agent_id: "billing", version: "0.9.0", environment: "local" }),
  release({ release_id: "rel_000000000002", version: "1.4.1" }),
  release({}),
];

export const PROMOTED: Promoted[] = [
  { agent_id: "agent_support", environment: "production", release_id: "rel_000000000001" },
];
