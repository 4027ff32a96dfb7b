import { type KeyboardEvent, lazy, type PointerEvent, type ReactNode, Suspense, useMemo, useState } from "react";
import type { Charts } from "../api/types";
import { TIME_METRICS, type TimeMetric } from "../route";
import { Choice } from "../shell/choice";
import { count } from "../text/number";
import classes from "./charts.module.css";
import { intervalWords, VALUE } from "./guardrails";
import { LEFT, nearest, RIGHT, type Stretch, scaleOf, stretchesOf, stretchWords } from "./over-time";
import { Mark, NoPrices } from "./plotted";
import { loadPlots } from "./sheet";
import { tickText } from "./ticks";
import { TimeTable } from "./time-table";

const TimePlot = lazy(() => loadPlots().then((plots) => ({ default: plots.TimePlot })));

const NAMES: Record<TimeMetric, string> = { error_rate: "Error rate", latency_ms: "Latency", cost_usd: "Cost" };
const WHAT: Record<TimeMetric, (begun: string, prices: string) => string> = {
  error_rate: (begun) => `Share of the runs ${begun} that failed`,
  latency_ms: (begun) => `Mean of the runs ${begun}`,
  cost_usd: (begun, prices) => `Mean of the runs ${begun}, ${prices}`,
};
const NONE: Record<TimeMetric, string> = {
  error_rate: "no runs",
  latency_ms: "no run with a latency",
  cost_usd: "no run with a price",
};

interface TimeChartProps {
  charts: Charts;
  versions: { baseline: string; candidate: string };
  /** Whose prices the costs are at, in words. */
  prices: string;
  metric: TimeMetric;
  choose: (metric: TimeMetric) => void;
}

/** One metric per hour, both releases: the pointer or the arrow keys choose the hour that is read. */
export function TimeChart({ charts, versions, prices, metric, choose }: TimeChartProps) {
  const found = charts.over_time.find((one) => one.metric === metric);
  const stretches = useMemo(() => (found === undefined ? [] : stretchesOf(found, charts.width_h)), [found, charts]);
  const [chosen, setChosen] = useState<number | null>(null);
  if (found === undefined) return null;
  const value = VALUE[found.unit] ?? String;
  const at = Math.min(chosen ?? stretches.length - 1, stretches.length - 1);
  const stretch = stretches[at];
  const hours = charts.width_h === 1 ? "hour" : `${charts.width_h} hours`;
  const begun = charts.width_h === 1 ? "begun in each hour" : `begun in every ${hours}`;
  return (
    <div className={classes["chart"]}>
      <div className={classes["head"]}>
        <Choice
          of={TIME_METRICS.map((one) => [one, NAMES[one]] as const)}
          name="over-time"
          legend="Shown over time"
          value={metric}
          choose={choose}
        />
        <p className={classes["what"]}>
          {WHAT[metric](begun, prices)}; band: {tickText(1 - 2 * charts.alpha, "share")} interval, each run for itself
        </p>
      </div>
      {stretch === undefined ? (
        metric === "cost_usd" ? (
          <NoPrices />
        ) : (
          <p>No run has a value of it.</p>
        )
      ) : (
        <>
          <Readout stretch={stretch} versions={versions} value={value} none={NONE[metric]} />
          {stretches.length === 1 ? (
            <p className={classes["empty"]}>
              All runs began within one {hours === "hour" ? "hour" : `stretch of ${hours}`}: there is nothing to draw
              over time yet.{" "}
              {charts.width_h === 1 ? "A longer window may have more." : "A shorter window has narrower stretches."}
            </p>
          ) : (
            <Slider
              stretches={stretches}
              at={at}
              setAt={setChosen}
              text={readoutWords(stretch, versions, value, NONE[metric])}
            >
              <Suspense fallback={<div className={classes["timePlot"]} />}>
                <TimePlot metric={found} stretches={stretches} />
              </Suspense>
            </Slider>
          )}
          <LineWords metric={found} value={value} isDrawn={stretches.length > 1} />
          <TimeTable name={`${NAMES[metric]} over time`} stretches={stretches} versions={versions} value={value} />
        </>
      )}
    </div>
  );
}

type Text = (x: number) => string;

interface ReadoutProps {
  stretch: Stretch;
  versions: { baseline: string; candidate: string };
  value: Text;
  /** What is said of a side without a value. */
  none: string;
}

/** The chosen stretch in numbers. */
function Readout({ stretch, versions, value, none }: ReadoutProps) {
  return (
    <dl className={classes["readout"]} data-testid="readout">
      <div>
        <dt>Begun</dt>
        <dd>{stretchWords(stretch)}</dd>
      </div>
      {(["baseline", "candidate"] as const).map((side) => {
        const point = stretch[side];
        return (
          <div key={side}>
            <dt>
              <Mark of={side} /> {side === "baseline" ? "Baseline" : "Candidate"}{" "}
              <span className={classes["version"]} title={versions[side]}>
                {versions[side]}
              </span>
            </dt>
            <dd>
              {point === null ? (
                <span className={classes["dim"]}>{none}</span>
              ) : (
                <>
                  <b>{value(point.value)}</b>{" "}
                  <span className={classes["dim"]}>
                    {point.low === null ? "" : `(${intervalWords(point, value)}), `}n {count(point.n)}
                  </span>
                </>
              )}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

function readoutWords(stretch: Stretch, versions: ReadoutProps["versions"], value: Text, none: string): string {
  const side = (name: "baseline" | "candidate") => {
    const point = stretch[name];
    return `${versions[name]} ${point === null ? none : `${value(point.value)} of ${count(point.n)} runs`}`;
  };
  return `${stretchWords(stretch)}: ${side("baseline")}, ${side("candidate")}`;
}

interface SliderProps {
  stretches: Stretch[];
  at: number;
  setAt: (at: number) => void;
  text: string;
  children: ReactNode;
}

/** Chooses a stretch: under the pointer, or by the keys of a slider. */
function Slider({ stretches, at, setAt, text, children }: SliderProps) {
  const [first, last] = [stretches[0]?.start ?? 0, stretches.at(-1)?.end ?? 1];
  const point = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const part = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
    setAt(nearest(stretches, first + part * (last - first)));
  };
  const key = (event: KeyboardEvent) => {
    const to = {
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      PageDown: at - 24,
      PageUp: at + 24,
      Home: 0,
      End: stretches.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    setAt(Math.max(0, Math.min(stretches.length - 1, to)));
  };
  const own = stretches[at];
  const part = own === undefined ? 0 : ((own.start + own.end) / 2 - first) / (last - first);
  return (
    <div
      role="slider"
      tabIndex={0}
      aria-label="Stretch of time"
      aria-valuemin={1}
      aria-valuemax={stretches.length}
      aria-valuenow={at + 1}
      aria-valuetext={text}
      className={classes["slider"]}
      onPointerMove={point}
      onPointerDown={point}
      onKeyDown={key}
    >
      {children}
      <div className={classes["cursor"]} style={{ left: `calc(${LEFT}px + (100% - ${LEFT + RIGHT}px) * ${part})` }} />
    </div>
  );
}

interface LineWordsProps {
  metric: Charts["over_time"][number];
  value: Text;
  isDrawn: boolean;
}

/** The policy's line in words, and where it is when it is not on the plot. */
function LineWords({ metric, value, isDrawn }: LineWordsProps) {
  const { line } = metric;
  const { bottom, hasLine, isCut } = scaleOf(metric);
  const drawn = isDrawn
    ? [
        bottom === 0 ? "" : `The axis begins at ${tickText(Number(bottom.toPrecision(2)), metric.unit)}. `,
        isCut ? "Bands of few runs go beyond it and are cut off." : "",
      ].join("")
    : "";
  if (line === null) return <p className={classes["line"]}>The policy sets no limit or margin on it. {drawn}</p>;
  const what = line.kind === "limit" ? "the policy's limit on the candidate" : "the margin above the baseline's mean";
  return (
    <p className={classes["line"]}>
      <Mark of="line" /> {value(line.value)}, {what}
      {hasLine || !isDrawn ? "" : ": above what is drawn"}. {drawn}
    </p>
  );
}
