/** A distribution as it is drawn: the outline of each side's bins as shares of its runs. */

import type { Charts } from "../api/types";

export type Distribution = Charts["distributions"][number];
export type Side = "baseline" | "candidate";

/** Bins that a logarithmic axis can hold: the one of runs that cost or took nothing begins at 0. */
function drawable({ bins }: Distribution) {
  return bins.filter((bin) => bin.low > 0);
}

/** Runs of both sides that cost or took nothing, and so stand on no logarithmic axis. */
export function nothing({ bins }: Distribution): Record<Side, number> | null {
  const found = bins.find((bin) => bin.low === 0);
  return found === undefined ? null : { baseline: found.baseline, candidate: found.candidate };
}

/** From and up to where the axis goes: all bins, and a fifth at least, so that equal values are no wall. */
export function domainOf(of: Distribution): [number, number] {
  const bins = drawable(of);
  const [low, high] = [bins[0]?.low ?? 1, bins.at(-1)?.high ?? 10];
  const narrow = Math.max(1, Math.sqrt(1.2 / (high / low)));
  return [low / narrow / 1.02, high * narrow * 1.02];
}

/** The corners of a side's bins, from and to the axis; none without a run. */
export function outline(of: Distribution, side: Side): { x: number; share: number }[] {
  const bins = drawable(of);
  const { n } = of[side];
  const [first, last] = [bins[0], bins.at(-1)];
  if (n === 0 || first === undefined || last === undefined) return [];
  return [
    { x: first.low, share: 0 },
    ...bins.flatMap((bin) => [bin.low, bin.high].map((x) => ({ x, share: bin[side] / n }))),
    { x: last.high, share: 0 },
  ];
}
