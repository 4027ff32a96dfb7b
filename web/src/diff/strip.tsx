import * as Plot from "@observablehq/plot";
import { useCallback } from "react";
import { Drawing } from "./drawing";
import type { Strip as Values } from "./rows";

const HEIGHT = 32;

/** Both sides and the limit on one axis that starts at 0: right is worse for every metric. */
export default function Strip({ baseline, candidate, limit }: Values) {
  const drawn = useCallback(
    (width: number) => draw({ baseline, candidate, limit }, width),
    [baseline, candidate, limit],
  );
  return <Drawing height={HEIGHT} draw={drawn} />;
}

function draw({ baseline, candidate, limit }: Values, width: number): Element {
  const known = [baseline, candidate, limit].filter((x) => x !== null);
  const end = Math.max(...known, 0) * 1.08 || 1;
  const points = [baseline, candidate].filter((x) => x !== null);
  const between = baseline !== null && candidate !== null ? [{ x1: baseline, x2: candidate }] : [];
  return Plot.plot({
    width,
    height: HEIGHT,
    margin: 0,
    marginLeft: 8,
    marginRight: 8,
    x: { domain: [0, end], axis: null },
    y: { domain: [0, 1], axis: null },
    style: { background: "none", color: "var(--ink)", overflow: "visible" },
    marks: [
      Plot.ruleY([0.5], { stroke: "var(--line-strong)" }),
      Plot.ruleX([0], { stroke: "var(--line-strong)", y1: 0.3, y2: 0.7 }),
      limit === null
        ? null
        : Plot.ruleX([limit], { stroke: "var(--ink)", strokeDasharray: "3,3", strokeWidth: 1.5, y1: 0, y2: 1 }),
      Plot.link(between, { x1: "x1", x2: "x2", y1: 0.5, y2: 0.5, stroke: "var(--accent)", strokeWidth: 2 }),
      points.length === 0 || baseline === null
        ? null
        : Plot.dot([baseline], {
            x: (x) => x,
            y: 0.5,
            r: 5,
            fill: "var(--paper)",
            stroke: "var(--ink)",
            strokeWidth: 1.5,
          }),
      candidate === null ? null : Plot.dot([candidate], { x: (x) => x, y: 0.5, r: 5, fill: "var(--accent)" }),
    ],
  });
}
