/** A metric over time as it is drawn and read: stretches of both sides next to each other. Limits are the server's. */

import type { Charts } from "../api/types";
import { minute } from "../text/moment";

export type OverTime = Charts["over_time"][number];
export type Point = OverTime["baseline"][number];

const HOUR_MS = 3_600_000;

/** Pixels left and right of a plot over time: what lies over it must know. */
export const LEFT = 64;
export const RIGHT = 24;

/** One stretch of time; null where a side has no run with a value. */
export interface Stretch {
  start: number;
  end: number;
  baseline: Point | null;
  candidate: Point | null;
}

/** All stretches with a run of either side, in order. */
export function stretchesOf({ baseline, candidate }: OverTime, widthH: number): Stretch[] {
  const found = new Map<number, Stretch>();
  const at = (point: Point) => {
    const start = Date.parse(point.start);
    const known = found.get(start) ?? { start, end: start + widthH * HOUR_MS, baseline: null, candidate: null };
    found.set(start, known);
    return known;
  };
  for (const point of baseline) at(point).baseline = point;
  for (const point of candidate) at(point).candidate = point;
  return [...found.values()].sort((a, b) => a.start - b.start);
}

/** A point of a side as drawn, in the middle of its stretch. */
export interface Drawn {
  x: number;
  value: number;
  low: number;
  high: number;
}

/** A side's points in runs without a gap: a line does not cross hours without runs. */
export function connected(stretches: Stretch[], side: "baseline" | "candidate"): Drawn[][] {
  const found: Drawn[][] = [];
  let end = Number.NaN;
  for (const stretch of stretches) {
    const point = stretch[side];
    if (point === null) continue;
    const drawn = {
      x: (stretch.start + stretch.end) / 2,
      value: point.value,
      low: point.low ?? point.value,
      high: point.high ?? point.value,
    };
    if (stretch.start === end) found.at(-1)?.push(drawn);
    else found.push([drawn]);
    end = stretch.end;
  }
  return found;
}

/** Runs in stretches beyond the scale, at most: a night's only run that fails must not flatten the days. */
const BEYOND = 0.01;
/** The policy's line is drawn where it is at most so many times as high as the values. */
const LINE_WITHIN = 3;
/** Limits of stretches with few runs are drawn whole where they go at most so many times as high as the rest. */
const BAND_WITHIN = 2;

/** The values that count for the scale: all but those of few runs at the end that comes first. */
function most(points: Point[]): number[] {
  let left = BEYOND * points.reduce((sum, point) => sum + point.n, 0);
  const kept = points.findIndex((point) => {
    left -= point.n;
    return left < 0;
  });
  return points.slice(Math.max(0, kept)).map((point) => point.value);
}

const highOf = (point: Point) => point.high ?? point.value;

/** Where the axis begins and ends, whether the policy's line lies on it, and whether a band goes beyond it. */
export function scaleOf(metric: OverTime): { bottom: number; top: number; hasLine: boolean; isCut: boolean } {
  const points = [...metric.baseline, ...metric.candidate].sort((a, b) => b.value - a.value);
  const line = metric.line?.value ?? 0;
  const counts = points.map((point) => point.n).sort((a, b) => a - b);
  // The limits of those with the most runs, and others that are not far from these; the rest is cut off.
  const known = points.filter((point) => point.n >= (counts[Math.floor(counts.length / 2)] ?? 0));
  const highs = known.map(highOf);
  let highest = most(points)[0] ?? 0;
  // Without a single failure there is nothing but the limits to see.
  if (highest === 0) {
    const limits = points.map((point) => point.high ?? 0).sort((a, b) => a - b);
    highest = limits[Math.floor(limits.length / 2)] ?? 0;
  }
  const hasLine = line > 0 && (highest === 0 || line <= LINE_WITHIN * highest);
  const usual = Math.max(highest, hasLine ? line : 0, ...highs) || 1;
  const end = Math.max(usual, ...points.map(highOf).filter((high) => high <= BAND_WITHIN * usual));
  const lows = known.map((point) => point.low ?? point.value);
  const lowest = Math.min(most(points.toReversed())[0] ?? 0, hasLine ? line : end, ...lows);
  // A change of some per cent is nothing on an axis from 0, which a share of failures has all the same.
  const bottom = metric.unit === "share" ? 0 : lowest - (end - lowest) / 2;
  const begins = bottom > end / 4 ? bottom : 0;
  const top = end + 0.08 * (end - begins);
  const isCut = points.some((point) => highOf(point) > top || (point.low ?? point.value) < begins);
  return { bottom: begins, top, hasLine, isCut };
}

/** The stretch whose middle is nearest to a moment. */
export function nearest(stretches: Stretch[], moment: number): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [at, { start, end }] of stretches.entries()) {
    const away = Math.abs((start + end) / 2 - moment);
    if (away < least) [best, least] = [at, away];
  }
  return best;
}

/** `2026-11-24 13:00 to 14:00 UTC`; the day again where it is another. */
export function stretchWords({ start, end }: Pick<Stretch, "start" | "end">): string {
  const [from, to] = [start, end].map((moment) => minute(new Date(moment).toISOString()).replace(" UTC", ""));
  return `${from} to ${from?.slice(0, 10) === to?.slice(0, 10) ? to?.slice(11) : to} UTC`;
}
