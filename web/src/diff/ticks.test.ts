import { describe, expect, it } from "vitest";
import { linearTicks, logTicks, tickText, timeTicks, timeTickText } from "./ticks";

describe("ticks", () => {
  it.each([
    [0, 0.056, 4, [0, 0.02, 0.04]],
    [0, 1, 4, [0, 0.25, 0.5, 0.75, 1]],
    [980, 1130, 4, [1000, 1050, 1100]],
    [5, 5, 4, [5]],
  ])("from %d to %d are round numbers", (low, high, count, ticks) => {
    expect(linearTicks(low, high, count)).toEqual(ticks);
  });

  it.each([
    [200, 9000, 5, [200, 500, 1000, 2000, 5000]],
    [0.0003, 0.3, 4, [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]],
    [1, 1e9, 4, [1, 1000, 1e6, 1e9]],
    [1000, 1100, 4, [1000, 1025, 1050, 1075, 1100]],
  ])("on a logarithmic axis from %d to %d too", (low, high, count, ticks) => {
    expect(logTicks(low, high, count)).toEqual(ticks);
  });

  it("have their unit and no digit too many", () => {
    expect(tickText(0.025, "share")).toBe("2.5\u202f%");
    expect(tickText(1200, "ms")).toBe("1,200\u202fms");
    expect(tickText(0.0012, "USD")).toBe("$0.0012");
    expect(tickText(0.1 + 0.2, "USD")).toBe("$0.3");
  });

  it("of time are whole hours or days of UTC", () => {
    const from = Date.parse("2026-11-24T22:10:00Z");
    const told = (hours: number, most: number) => timeTicks(from, from + hours * 3_600_000, most).map(timeTickText);
    expect(told(4, 5)).toEqual(["23:00", "Nov 25", "01:00", "02:00"]);
    expect(told(72, 4)).toEqual(["Nov 25", "Nov 26", "Nov 27"]);
    expect(timeTicks(from, from + 20_000 * 3_600_000, 10).length).toBeLessThanOrEqual(10);
  });
});
