import { describe, expect, it } from "vitest";
import { diff } from "../../test/answers";
import type { Diff } from "../api/types";
import { answerWords, gateWords, guardrailRows, holding, neededWords, wholeNeeded } from "./guardrails";

type Metric = Diff["verdict"]["metrics"][number];

const NOTHING = { baseline: null, candidate: null, hours: null, limited_by: null };
const ERRORS: Metric = {
  name: "error_rate",
  estimand: "mean",
  direction: "higher_is_worse",
  unit: "share",
  status: "FAIL",
  margin: { absolute: 0.02, relative: null },
  n_baseline: 12_480,
  n_candidate: 1_312,
  missing_baseline: 0,
  missing_candidate: 0,
  baseline: 0.02,
  candidate: 0.051,
  effect_absolute: { estimate: 0.031, low: 0.021, high: 0.041 },
  effect_relative: { estimate: 1.55, low: 1, high: 2.1 },
  raw_effect_absolute: 0.03,
  raw_effect_relative: 1.5,
  z: 1.8,
  df: null,
  p_pass: 0.96,
  p_fail: 0.036,
  p_fail_adjusted: 0.00001,
  design_effect: 1.2,
  mde: 0.012,
  runs_needed: { ...NOTHING, baseline: 0, candidate: 0, hours: 0 },
};
const SCORE: Metric = {
  ...ERRORS,
  name: "score:faithfulness",
  direction: "lower_is_worse",
  unit: "score",
  status: "INCONCLUSIVE",
  margin: { absolute: 0.1, relative: null },
  effect_absolute: { estimate: -0.05, low: -0.2, high: null },
  runs_needed: { ...NOTHING, baseline: 1_814, candidate: 1_203, hours: 6.3 },
};

function judged(...metrics: Metric[]): Diff {
  return diff((answer) => {
    answer.verdict.metrics = metrics;
    answer.verdict.gate = "both";
  });
}

const plain = (text: string | null | undefined) => text?.replaceAll("\u202f", " ").replaceAll("\u2212", "-");

const LIMIT: Diff["verdict"]["limits"][number] = {
  name: "max_error_rate",
  metric: "error_rate",
  unit: "share",
  status: "INCONCLUSIVE",
  limit: 0.06,
  n: 1_312,
  candidate: 0.051,
  low: 0.04,
  high: 0.063,
  z: -1.5,
  df: 8,
  p_pass: 0.07,
  p_fail: 0.93,
  p_fail_adjusted: 1,
  design_effect: 1.2,
};

describe("limits", () => {
  const answer = diff((change) => {
    change.verdict.metrics = [{ ...ERRORS, status: "PASS" }];
    change.verdict.limits = [LIMIT];
  });

  it("are rows beside the guardrails, and counted with them", () => {
    const row = guardrailRows(answer)[1];
    expect(row).toMatchObject({ key: "max_error_rate", name: "Error rate: limit", status: "INCONCLUSIVE" });
    expect([row?.candidate, row?.margin, row?.interval].map(plain)).toEqual([
      "5.10 %",
      "at most 6.00 %",
      "4.00 % to 6.30 %",
    ]);
    expect(row?.drawn.estimate).toBeCloseTo(0.85);
    expect(row?.numbers.map(([name]) => name)).toEqual(guardrailRows(answer)[0]?.numbers.map(([name]) => name));
    expect(holding(answer)).toBe("1 of 2 hold, with the limits");
  });

  it("of 0 have no place for the candidate on an axis that ends there", () => {
    const none = diff((change) => {
      change.verdict.limits = [{ ...LIMIT, limit: 0 }];
    });
    expect(guardrailRows(none)[0]?.drawn).toEqual({ estimate: null, low: null, high: null });
  });
});

describe("guardrails", () => {
  it("write negative numbers without a unit with a minus sign, as all others", () => {
    const score = guardrailRows(judged({ ...SCORE, baseline: -0.25 }))[0];
    expect([score?.baseline, score?.effect, score?.interval, score?.margin]).toEqual([
      "−0.250",
      "−0.050",
      "−0.200 to unbounded",
      "−0.100",
    ]);
    expect(JSON.stringify(guardrailRows(judged({ ...SCORE, z: -1.5 }))[0]?.numbers)).toContain('"−1.50"');
  });

  it("are drawn in margins, with worse on the right, whichever way is worse", () => {
    const [errors, score] = guardrailRows(judged(ERRORS, SCORE));
    expect(errors?.drawn.estimate).toBeCloseTo(1.55);
    expect(errors?.drawn.low).toBeCloseTo(1.05);
    expect(score?.drawn.estimate).toBeCloseTo(0.5);
    expect(score?.drawn.high).toBeCloseTo(2);
    expect(score?.drawn.low).toBeNull();
  });

  it("say effect, limits and margin in one unit", () => {
    const [errors, score] = guardrailRows(judged(ERRORS, SCORE));
    expect([plain(errors?.effect), plain(errors?.interval), plain(errors?.margin)]).toEqual([
      "+3.10 points",
      "+2.10 points to +4.10 points",
      "+2.00 points",
    ]);
    expect(plain(score?.interval)).toBe("-0.200 to unbounded");
    expect(plain(score?.margin)).toBe("-0.100");
  });

  it("that are not decided say how far a decision is", () => {
    expect(guardrailRows(judged(ERRORS, SCORE)).map((row) => row.needed)).toEqual([
      null,
      "about 1,900 more runs a side, 6 h at today's rate",
    ]);
    expect(neededWords({ ...NOTHING, limited_by: "tenants" })).toContain("more tenants");
    expect(neededWords({ ...NOTHING, limited_by: "effect" })).toContain("no number of runs");
    expect(neededWords(NOTHING)).toContain("unknown");
    expect(neededWords({ ...NOTHING, baseline: 5, candidate: 7, hours: 0.2 })).toBe(
      "about 7 more runs a side, 12 min at today's rate",
    );
  });

  it("a verdict that passes is no way past a limit that is broken", () => {
    const answer = judged({ ...ERRORS, status: "PASS" });
    answer.verdict.status = "PASS";
    expect(answerWords(answer)).toBe("Blocked by the policy");
    answer.policy.passed = true;
    expect(answerWords(answer)).toBe("Roll forward");
    answer.verdict.status = "FAIL";
    expect(answerWords(answer)).toBe("Do not roll forward");
  });

  it("the whole says how many hold, and who decides", () => {
    const answer = judged(ERRORS, SCORE);
    expect(holding(answer)).toBe("0 of 2 hold");
    expect(holding(diff())).toBeNull();
    expect(gateWords(answer)).toBe("The policy blocks it: its limits and the verdict decide.");
    answer.policy.passed = true;
    answer.verdict.gate = "legacy";
    expect(gateWords(answer)).toBe("The policy lets it through: its limits decide, the verdict is advice.");
    expect(wholeNeeded(answer)).toBeNull();
    answer.verdict.status = "INCONCLUSIVE";
    answer.verdict.runs_needed = SCORE.runs_needed;
    expect(wholeNeeded(answer)).toContain("1,900 more runs");
  });
});
