import { describe, expect, it } from "vitest";
import { connected, nearest, type OverTime, type Point, scaleOf, stretchesOf, stretchWords } from "./over-time";

const NOON = Date.parse("2026-11-24T12:00:00Z");
const HOUR = 3_600_000;

const point = (hour: number, value: number, n = 100): Point => ({
  start: new Date(NOON + hour * HOUR).toISOString(),
  n,
  value,
  low: value / 2,
  high: value * 2,
});

const course = (change: Partial<OverTime>): OverTime => ({
  metric: "error_rate",
  unit: "share",
  line: null,
  baseline: [],
  candidate: [],
  ...change,
});

describe("stretches", () => {
  it("have both sides next to each other, and none where neither ran", () => {
    const found = stretchesOf(
      course({ baseline: [point(0, 0.1), point(1, 0.2)], candidate: [point(1, 0.3), point(5, 0.4)] }),
      1,
    );
    expect(found.map(({ start, baseline, candidate }) => [start, baseline?.value, candidate?.value])).toEqual([
      [NOON, 0.1, undefined],
      [NOON + HOUR, 0.2, 0.3],
      [NOON + 5 * HOUR, undefined, 0.4],
    ]);
  });

  it("are not connected across hours without runs", () => {
    const found = stretchesOf(course({ baseline: [point(0, 0.1), point(2, 0.2), point(8, 0.3)] }), 2);
    expect(connected(found, "baseline").map((part) => part.map((drawn) => drawn.value))).toEqual([[0.1, 0.2], [0.3]]);
    expect(connected(found, "baseline")[0]?.[0]).toEqual({ x: NOON + HOUR, value: 0.1, low: 0.05, high: 0.2 });
    expect(connected(found, "candidate")).toEqual([]);
  });

  it("a single run without limits is drawn as its value", () => {
    const alone = { ...point(0, 7), low: null, high: null };
    expect(connected(stretchesOf(course({ candidate: [alone] }), 1), "candidate")[0]?.[0]).toMatchObject({
      low: 7,
      high: 7,
    });
  });

  it("are found by the moment under the pointer", () => {
    const found = stretchesOf(course({ baseline: [point(0, 0), point(1, 0), point(9, 0)] }), 1);
    expect([NOON - HOUR, NOON + HOUR, NOON + 4 * HOUR, NOON + 99 * HOUR].map((at) => nearest(found, at))).toEqual([
      0, 0, 1, 2,
    ]);
  });

  it("name the day once, or both", () => {
    expect(stretchWords({ start: NOON, end: NOON + HOUR })).toBe("2026-11-24 12:00 to 13:00 UTC");
    expect(stretchWords({ start: NOON, end: NOON + 24 * HOUR })).toBe("2026-11-24 12:00 to 2026-11-25 12:00 UTC");
  });
});

describe("the scale", () => {
  /** A point whose limits are its value. */
  const sharp = (hour: number, value: number, n = 100): Point => ({
    ...point(hour, value, n),
    low: value,
    high: value,
  });

  it("holds the values and the policy's line", () => {
    const own = course({
      baseline: [sharp(0, 0.02)],
      candidate: [sharp(0, 0.03)],
      line: { kind: "limit", value: 0.05 },
    });
    expect(scaleOf(own)).toEqual({ bottom: 0, top: expect.closeTo(0.05 * 1.08), hasLine: true, isCut: false });
  });

  it("leaves a line out that lies far above", () => {
    const own = course({ baseline: [sharp(0, 0.02)], line: { kind: "limit", value: 0.5 } });
    expect(scaleOf(own)).toEqual({ bottom: 0, top: expect.closeTo(0.02 * 1.08), hasLine: false, isCut: false });
  });

  it("is not made by a hundredth of the runs, nor by the limits of few", () => {
    const alone = { ...sharp(1, 1, 5), low: 0.3 };
    expect(scaleOf(course({ baseline: [sharp(0, 0.02, 1000), alone] })).top).toBeCloseTo(0.02 * 1.08);
    expect(scaleOf(course({ baseline: [sharp(0, 0.02, 1000), sharp(1, 1, 50)] })).top).toBeCloseTo(1.08);
    expect(scaleOf(course({ baseline: [point(0, 0.02, 1000), { ...alone, value: 0.02 }] })).top).toBeCloseTo(
      0.04 * 1.08,
    );
  });

  it("holds the bands of few runs where they are near, and says where one is cut off", () => {
    const many = { ...sharp(0, 0.02, 1000), high: 0.03 };
    const near = { ...sharp(1, 0.02, 50), high: 0.05 };
    const far = { ...near, high: 0.5 };
    const whole = { bottom: 0, top: expect.closeTo(0.05 * 1.08), hasLine: false, isCut: false };
    expect(scaleOf(course({ baseline: [many, near], candidate: [many] }))).toEqual(whole);
    expect(scaleOf(course({ baseline: [many, near, far], candidate: [many] }))).toEqual({ ...whole, isCut: true });
  });

  it("of a mean begins near the values, of a share at 0", () => {
    const values = { baseline: [sharp(0, 1000)], candidate: [sharp(0, 1100)] };
    const { bottom, top } = scaleOf(course({ ...values, metric: "latency_ms", unit: "ms" }));
    expect([bottom, top]).toEqual([expect.closeTo(950), expect.closeTo(1112)]);
    expect(scaleOf(course(values)).bottom).toBe(0);
  });

  it("without any failure shows how far the limits go", () => {
    const none = { ...point(0, 0), low: 0, high: 0.04 };
    expect(scaleOf(course({ baseline: [none] })).top).toBeCloseTo(0.04 * 1.08);
    expect(scaleOf(course({})).top).toBeGreaterThan(0);
  });
});
