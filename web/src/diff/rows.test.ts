import { describe, expect, it } from "vitest";
import { diff, noData, POLICY } from "../../test/answers";
import { metricRows, notes, priceRows, quality, reasons, sampleRows } from "./rows";

const plain = (text: string | null | undefined) => text?.replaceAll("\u202f", " ");

describe("metrics", () => {
  it("show both sides, change, limit and state with their units", () => {
    const rows = metricRows(diff(), POLICY);
    expect(
      rows.map((row) => [row.key, ...[row.baseline, row.candidate, row.change, row.limit].map(plain), row.state]),
    ).toEqual([
      ["error_rate", "0.00 %", "11.67 %", "+11.67 points", "2.00 %", "FAIL"],
      ["latency_ms", "1,226.82 ms", "1,375.85 ms", "+149.03 ms", "3,000.00 ms", "PASS"],
      ["cost_usd", "$0.000970", "$0.004850", "+$0.003880", "$0.010000", "PASS"],
    ]);
    expect(plain(rows[2]?.changeRelative)).toBe("+400.00 %");
  });

  it("the state is what the policy's reasons say, even where the numbers look fine", () => {
    const answer = diff((change) => {
      change.policy.reasons = ["candidate unpriced share 0.4000 exceeds max 0.0000"];
    });
    const states = metricRows(answer, POLICY).map((row) => row.state);
    expect(states).toEqual(["PASS", "PASS", "FAIL"]);
  });

  it("the state is the verdict's where it has a limit on it: what is not shown is no PASS", () => {
    const answer = diff((change) => {
      change.policy.reasons = [];
      const own = { metric: "error_rate", unit: "share", limit: 0.02, n: 60, candidate: 0.01, low: 0, high: 0.03 };
      const unknown = { z: null, df: null, p_pass: null, p_fail: null, p_fail_adjusted: null, design_effect: null };
      change.verdict.limits = [{ ...own, ...unknown, name: "max_error_rate", status: "INCONCLUSIVE" }];
    });
    expect(metricRows(answer, POLICY).map((row) => row.state)).toEqual(["INCONCLUSIVE", "PASS", "PASS"]);
  });

  it("a metric without a limit has no state", () => {
    const rows = metricRows(diff(), { ...POLICY, max_latency_ms: null });
    expect(rows[1]).toMatchObject({ limit: null, state: null, strip: { limit: null } });
  });

  it("while the policy is not known, the limit is unknown, not absent; a FAIL stays a FAIL", () => {
    const rows = metricRows(diff(), undefined);
    expect(rows.map((row) => row.limit)).toEqual([undefined, undefined, undefined]);
    expect(rows.map((row) => row.state)).toEqual(["FAIL", null, null]);
  });

  it("a side without runs has no numbers: no zero errors, no zero cost", () => {
    for (const row of metricRows(noData(), POLICY)) {
      expect(row).toMatchObject({ baseline: null, candidate: null, change: null, missing: "no runs", state: "NODATA" });
    }
  });

  it("runs that are all unpriced have no cost", () => {
    const answer = diff((change) => {
      change.samples.candidate_unpriced_runs = 60;
      change.metrics.candidate_cost_per_run_usd = 0;
    });
    expect(metricRows(answer, POLICY)[2]).toMatchObject({
      candidate: null,
      missing: "not priced",
      change: null,
      changeRelative: null,
    });
  });

  it("a latency that nobody measured is missing, and the change with it", () => {
    const answer = diff((change) => {
      change.metrics.candidate_latency_ms_avg = null;
      change.metrics.delta_latency_ms_avg = null;
    });
    expect(metricRows(answer, POLICY)[1]).toMatchObject({ candidate: null, missing: "not measured", change: null });
  });
});

describe("the other sections", () => {
  it("samples name the policy's minimums", () => {
    expect(sampleRows(diff(), POLICY)[0]).toMatchObject({
      baseline: "60",
      candidate: "60",
      note: "policy: baseline at least 20, candidate at least 20",
    });
    expect(sampleRows(diff(), { ...POLICY, min_baseline_runs: null, min_candidate_runs: null })[0]?.note).toBe("");
  });

  it("a price that no table lists is said so", () => {
    const cached = priceRows(diff()).find((row) => row.key === "cached");
    expect(cached).toMatchObject({ baseline: "$0.000100", candidate: "not listed" });
  });

  it("the catalog's cost stands there only when both sides have one", () => {
    expect(priceRows(diff()).some((row) => row.key === "catalog")).toBe(false);
    const answer = diff((change) => {
      change.pricing.catalog = {
        ...change.pricing.catalog,
        baseline_cost_per_run_usd: 0.1,
        candidate_cost_per_run_usd: 0.2,
      };
    });
    expect(priceRows(answer).at(-1)).toMatchObject({ key: "catalog", baseline: "$0.100000", candidate: "$0.200000" });
  });

  it("data quality lists what was found and names what was not", () => {
    const answer = diff((change) => {
      change.data_quality.candidate.incomplete = 2;
    });
    const { found, clean } = quality(answer);
    expect(found.map((row) => [row.name, row.baseline, row.candidate])).toEqual([["Incomplete", "0", "2"]]);
    expect(clean).toHaveLength(6);
  });

  it("remarks say each thing once, warnings first", () => {
    const answer = diff((change) => {
      change.verdict.warnings = [{ code: "unpriced_runs", message: "candidate: 3 runs have no price" }];
      change.pricing.warnings = ["candidate: 3 runs have no price", "no entry for model 'x'"];
    });
    expect(notes(answer).map((note) => note.kind)).toEqual(["warning", "warning", "note", "hint"]);
  });

  it("missing evidence is the first reason", () => {
    const answer = diff((change) => {
      change.verdict.reasons.push({ code: "no_data", metric: "", name: "", message: "no evidence" });
      change.policy.reasons = ["only the policy says this"];
    });
    expect(reasons(answer)).toEqual([
      "no evidence",
      "candidate error_rate 0.1167 exceeds max 0.0200",
      "only the policy says this",
    ]);
  });
});
