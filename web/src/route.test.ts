import { describe, expect, it } from "vitest";
import { formatRoute, parseRoute, type Route } from "./route";

describe("addresses", () => {
  it("a diff's address names pair, window, environment, prices, and what is shown over time", () => {
    const address =
      "#/diff?baseline=rel_a&candidate=rel_b&window=24h&environment=production&pricing=openai%2F2026-11&metric=cost_usd";
    expect(parseRoute(address)).toEqual({
      view: "diff",
      baseline: "rel_a",
      candidate: "rel_b",
      window: "24h",
      environment: "production",
      pricing: "openai/2026-11",
      metric: "cost_usd",
    });
  });

  it("1.3's defaults hold: a window of 7 days, the server's environment", () => {
    expect(parseRoute("#/diff?baseline=rel_a&candidate=rel_b")).toMatchObject({ window: "7d", environment: "" });
  });

  it("own prices and the error rate need no words", () => {
    const route = parseRoute("#/diff?baseline=rel_a&candidate=rel_b&metric=magic");
    expect(route).toMatchObject({ pricing: "", metric: "error_rate" });
    expect(formatRoute(route)).toBe("#/diff?baseline=rel_a&candidate=rel_b&window=7d");
  });

  it.each<Route>([
    { view: "start" },
    {
      view: "diff",
      baseline: "rel_a",
      candidate: "b & c=d?#%",
      window: "7d",
      environment: "eu west",
      pricing: "openai/2026&11",
      metric: "latency_ms",
    },
    { view: "runs", release: "rel_a", window: "1h", environment: "", offset: 200 },
  ])("what is written is read again: %j", (route) => {
    expect(parseRoute(formatRoute(route))).toEqual(route);
  });

  it.each(["", "#", "#/", "#//"])("%j is the start", (hash) => {
    expect(parseRoute(hash)).toEqual({ view: "start" });
  });

  it.each(["-1", "1.5", "x", "1e999"])("an offset of %s is none", (offset) => {
    expect(parseRoute(`#/runs?release=r&offset=${offset}`)).toMatchObject({ offset: 0 });
  });

  it("other addresses are nowhere", () => {
    expect(parseRoute("#/settings")).toEqual({ view: "nowhere", path: "/settings" });
  });
});
