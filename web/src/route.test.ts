import { describe, expect, it } from "vitest";
import { formatRoute, parseRoute, type Route } from "./route";

describe("addresses", () => {
  it("a diff's address names pair, window and environment", () => {
    expect(parseRoute("#/diff?baseline=rel_a&candidate=rel_b&window=24h&environment=production")).toEqual({
      view: "diff",
      baseline: "rel_a",
      candidate: "rel_b",
      window: "24h",
      environment: "production",
    });
  });

  it("1.3's defaults hold: a window of 7 days, the server's environment", () => {
    expect(parseRoute("#/diff?baseline=rel_a&candidate=rel_b")).toMatchObject({ window: "7d", environment: "" });
  });

  it.each<Route>([
    { view: "start" },
    { view: "diff", baseline: "rel_a", candidate: "b & c=d?#%", window: "7d", environment: "eu west" },
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
