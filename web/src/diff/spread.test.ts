import { describe, expect, it } from "vitest";
import { type Distribution, domainOf, nothing, outline } from "./spread";

const side = (n: number): Distribution["baseline"] => ({ n, missing: 0, quantiles: [] });

const distribution = (change: Partial<Distribution>): Distribution => ({
  metric: "cost_usd",
  unit: "USD",
  bins: [
    { low: 0.01, high: 0.02, baseline: 4, candidate: 0 },
    { low: 0.02, high: 0.04, baseline: 1, candidate: 2 },
  ],
  baseline: side(5),
  candidate: side(2),
  ...change,
});

describe("a distribution", () => {
  it("is drawn as shares of each side's runs", () => {
    expect(outline(distribution({}), "baseline")).toEqual([
      { x: 0.01, share: 0 },
      { x: 0.01, share: 0.8 },
      { x: 0.02, share: 0.8 },
      { x: 0.02, share: 0.2 },
      { x: 0.04, share: 0.2 },
      { x: 0.04, share: 0 },
    ]);
  });

  it("of a side without runs is none", () => {
    expect(outline(distribution({ candidate: side(0) }), "candidate")).toEqual([]);
  });

  it("leaves runs that cost nothing off its axis, and says how many", () => {
    const bins = [{ low: 0, high: 1e-12, baseline: 3, candidate: 0 }, ...distribution({}).bins];
    const own = distribution({ bins, baseline: side(8) });
    expect(nothing(own)).toEqual({ baseline: 3, candidate: 0 });
    expect(outline(own, "baseline")[1]).toEqual({ x: 0.01, share: 0.5 });
    expect(domainOf(own)[0]).toBeGreaterThan(0.009);
    expect(nothing(distribution({}))).toBeNull();
  });

  it("of equal values has room around it", () => {
    const [low, high] = domainOf(distribution({ bins: [{ low: 100, high: 102, baseline: 5, candidate: 2 }] }));
    expect(low).toBeLessThan(95);
    expect(high).toBeGreaterThan(107);
  });
});
