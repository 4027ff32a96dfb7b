import * as Plot from "@observablehq/plot";
import { useCallback } from "react";
import { Drawing } from "./drawing";
import { type Distribution, domainOf, outline, type Side } from "./spread";
import { logTicks, tickText } from "./ticks";

const HEIGHT = 232;

const SIDES = [
  { side: "baseline", colour: "var(--ink)", fill: "var(--paper)", area: 0.08, lane: -0.2, label: -13 },
  { side: "candidate", colour: "var(--accent)", fill: "var(--accent)", area: 0.2, lane: -0.36, label: 13 },
] as const;

/** Both sides on one logarithmic axis, as shares of their runs, with their quantiles below; right is worse. */
export default function SpreadPlot({ of }: { of: Distribution }) {
  const drawn = useCallback((width: number) => draw(of, width), [of]);
  return <Drawing height={HEIGHT} draw={drawn} />;
}

/** Room for half a tick's text. */
const SIDE = 32;
/** Quantiles whose names would stand in one another: the rarer one's stays. */
const APART_PX = 26;

function draw(of: Distribution, width: number): Element {
  const [low, high] = domainOf(of);
  const outlines = Object.fromEntries(SIDES.map(({ side }) => [side, outline(of, side)])) as Record<
    Side,
    ReturnType<typeof outline>
  >;
  const top = Math.max(...Object.values(outlines).flatMap((points) => points.map((point) => point.share)), 1e-9);
  const px = (value: number) => (Math.log(value / low) / Math.log(high / low)) * (width - 2 * SIDE);
  return Plot.plot({
    width,
    height: HEIGHT,
    marginLeft: SIDE,
    marginRight: SIDE,
    marginTop: 8,
    marginBottom: 28,
    x: { type: "log", domain: [low, high], label: null },
    y: { domain: [-0.5 * top, top], axis: null },
    style: { background: "none", color: "var(--dim)", fontSize: "12px", overflow: "visible", fontFamily: "inherit" },
    marks: [
      Plot.axisX(logTicks(low, high, Math.max(2, width / 96)), {
        tickSize: 4,
        // Not tickFormat, from which a logarithmic axis leaves labels out.
        text: (x: number) => tickText(x, of.unit),
      }),
      Plot.ruleY([0], { stroke: "var(--line-strong)" }),
      ...SIDES.flatMap(({ side, colour, area }) => [
        Plot.areaY(outlines[side], { x: "x", y1: 0, y2: "share", fill: colour, fillOpacity: area }),
        Plot.line(outlines[side], { x: "x", y: "share", stroke: colour, strokeWidth: 1.5 }),
      ]),
      ...SIDES.flatMap(({ side, colour, fill, lane, label }) => {
        const known = of[side].quantiles.flatMap(({ name, value }) =>
          value !== null && value >= low && value <= high ? [{ name, value }] : [],
        );
        const named = known.filter((one, at) => {
          const next = known[at + 1];
          return next === undefined || px(next.value) - px(one.value) >= APART_PX;
        });
        const y = lane * top;
        return [
          Plot.line(known, { x: "value", y: () => y, stroke: colour, strokeWidth: 1.5 }),
          Plot.dot(known, { x: "value", y: () => y, r: 4, fill, stroke: colour, strokeWidth: 1.5 }),
          Plot.text(named, { x: "value", y: () => y, text: "name", dy: label, fill: "var(--dim)" }),
        ];
      }),
    ],
  });
}
