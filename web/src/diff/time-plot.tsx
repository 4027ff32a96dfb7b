import * as Plot from "@observablehq/plot";
import { useCallback } from "react";
import { Drawing } from "./drawing";
import { connected, type Drawn, LEFT, type OverTime, RIGHT, type Stretch, scaleOf } from "./over-time";
import { linearTicks, tickText, timeTicks, timeTickText } from "./ticks";

const HEIGHT = 220;

const SIDES = [
  { side: "baseline", colour: "var(--ink)", fill: "var(--paper)", band: 0.1 },
  { side: "candidate", colour: "var(--accent)", fill: "var(--accent)", band: 0.18 },
] as const;

export interface TimePlotProps {
  metric: OverTime;
  stretches: Stretch[];
}

/** Both sides over time, each between its limits, and the policy's line; up is worse. */
export default function TimePlot({ metric, stretches }: TimePlotProps) {
  const drawn = useCallback((width: number) => draw(metric, stretches, width), [metric, stretches]);
  return <Drawing height={HEIGHT} draw={drawn} />;
}

function draw(metric: OverTime, stretches: Stretch[], width: number): Element {
  const { bottom, top, hasLine } = scaleOf(metric);
  const [first, last] = [stretches[0]?.start ?? 0, stretches.at(-1)?.end ?? 1];
  const radius = width / Math.max(1, (last - first) / ((stretches[0]?.end ?? 1) - first)) < 8 ? 1.5 : 2.5;
  const { line } = metric;
  const ticks = linearTicks(bottom, top, 6);
  return Plot.plot({
    width,
    height: HEIGHT,
    marginLeft: LEFT,
    marginRight: RIGHT,
    marginTop: 12,
    marginBottom: 28,
    x: { type: "utc", domain: [new Date(first), new Date(last)], label: null },
    y: { domain: [bottom, top], label: null },
    style: { background: "none", color: "var(--dim)", fontSize: "12px", overflow: "visible", fontFamily: "inherit" },
    marks: [
      Plot.gridY(ticks, { stroke: "var(--line)", strokeOpacity: 1 }),
      Plot.axisY(ticks, { tickSize: 0, tickFormat: (y) => tickText(y, metric.unit) }),
      Plot.axisX(timeTicks(first, last, (width - LEFT - RIGHT) / 72), { tickSize: 4, text: timeTickText }),
      ...SIDES.flatMap(({ side, colour, fill, band }) => {
        const parts = connected(stretches, side);
        const points = parts.flat();
        const clip = { clip: true } as const;
        return [
          ...parts.flatMap((part) =>
            part.length > 1
              ? [
                  Plot.areaY(part, { x: "x", y1: "low", y2: "high", fill: colour, fillOpacity: band, ...clip }),
                  Plot.lineY(part, { x: "x", y: "value", stroke: colour, strokeWidth: 1.5, ...clip }),
                ]
              : [Plot.ruleX(part, { x: "x", y1: "low", y2: "high", stroke: colour, strokeOpacity: 0.4, ...clip })],
          ),
          Plot.dot(
            points.filter((point: Drawn) => point.value >= bottom && point.value <= top),
            { x: "x", y: "value", r: radius, fill, stroke: colour, strokeWidth: 1.25 },
          ),
          Plot.dot(
            points.filter((point: Drawn) => point.value > top),
            { x: "x", y: top, r: 4, symbol: "triangle", fill, stroke: colour, strokeWidth: 1.25 },
          ),
        ];
      }),
      Plot.ruleY([bottom], { stroke: "var(--line-strong)" }),
      ...(line !== null && hasLine
        ? [Plot.ruleY([line.value], { stroke: "var(--ink)", strokeDasharray: "3,3", strokeWidth: 1.5 })]
        : []),
    ],
  });
}
