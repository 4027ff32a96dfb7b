import { type KeyboardEvent, lazy, type PointerEvent, type ReactNode, Suspense, useMemo, useState } from "react";
import type { Charts } from "../api/types";
import { TIME_METRICS, type TimeMetric } from "../route";
import { Choice } from "../shell/choice";
import { count, share } from "../text/number";
import classes from "./charts.module.css";
import { intervalWords, VALUE } from "./guardrails";
import { LEFT, nearest, type Point, RIGHT, type Stretch, scaleOf, stretchesOf, stretchWords } from "./over-time";
import { Mark, NoPrices, Numbers } from "./plotted";
import { loadPlots } from "./sheet";

const TimePlot = lazy(() => loadPlots().then((plots) => ({ default: plots.TimePlot })));

const NAMES: Record<TimeMetric, string> = { error_rate: "Error rate", latency_ms: "Latency", cost_usd: "Cost" };
const WHAT: Record<TimeMetric, string> = {
  error_rate: "Share of the runs begun in each stretch that failed",
  latency_ms: "Mean of the runs begun in each stretch",
  cost_usd: "Mean of the runs begun in each stretch, both sides by the same prices",
};

interface TimeChartProps {
  charts: Charts;
  versions: { baseline: string; candidate: string };
  metric: TimeMetric;
  choose: (metric: TimeMetric) => void;
}

/** One metric per hour, both releases: the pointer or the arrow keys choose the hour that is read. */
export function TimeChart({ charts, versions, metric, choose }: TimeChartProps) {
  const found = charts.over_time.find((one) => one.metric === metric);
  const stretches = useMemo(() => (found === undefined ? [] : stretchesOf(found, charts.width_h)), [found, charts]);
  const [chosen, setChosen] = useState<number | null>(null);
  if (found === undefined) return null;
  const value = VALUE[found.unit] ?? String;
  const at = Math.min(chosen ?? stretches.length - 1, stretches.length - 1);
  const stretch = stretches[at];
  const hours = charts.width_h === 1 ? "hour" : `${charts.width_h} hours`;
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
          {WHAT[metric].replace("each stretch", charts.width_h === 1 ? "each hour" : `each ${hours}`)}; band:{" "}
          {share(1 - 2 * charts.alpha)} interval, each run for itself
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
          <Readout stretch={stretch} versions={versions} value={value} />
          {stretches.length === 1 ? (
            <p className={classes["empty"]}>
              All runs began within one {hours === "hour" ? "hour" : `stretch of ${hours}`}: there is no course to draw
              yet. A longer window may have more.
            </p>
          ) : (
            <Slider stretches={stretches} at={at} setAt={setChosen} text={readoutWords(stretch, versions, value)}>
              <Suspense fallback={<div className={classes["timePlot"]} />}>
                <TimePlot metric={found} stretches={stretches} />
              </Suspense>
            </Slider>
          )}
          <LineWords metric={found} value={value} />
          <Numbers name={`${NAMES[metric]} over time`}>
            <thead>
              <tr>
                <th scope="col">Begun (UTC)</th>
                {[versions.baseline, versions.candidate].map((version, side) => [
                  // biome-ignore lint/suspicious/noArrayIndexKey: the two sides may be one release
                  <th scope="col" key={`${side} value`}>
                    {side === 0 ? "○" : "●"} {version}
                  </th>,
                  // biome-ignore lint/suspicious/noArrayIndexKey: the same
                  <th scope="col" key={`${side} limits`}>
                    interval
                  </th>,
                  // biome-ignore lint/suspicious/noArrayIndexKey: the same
                  <th scope="col" key={`${side} n`}>
                    runs
                  </th>,
                ])}
              </tr>
            </thead>
            <tbody>
              {stretches.map((one) => (
                <tr key={one.start}>
                  <th scope="row">{stretchWords(one).replace(" UTC", "")}</th>
                  {([one.baseline, one.candidate] as const).map((point, side) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: the two sides have no other name
                    <PointCells key={side} point={point} value={value} />
                  ))}
                </tr>
              ))}
            </tbody>
          </Numbers>
        </>
      )}
    </div>
  );
}

type Text = (x: number) => string;

function PointCells({ point, value }: { point: Point | null; value: Text }) {
  if (point === null) {
    return (
      <>
        <td>–</td>
        <td>–</td>
        <td>0</td>
      </>
    );
  }
  return (
    <>
      <td>{value(point.value)}</td>
      <td>{point.low === null ? "–" : intervalWords(point, value)}</td>
      <td>{count(point.n)}</td>
    </>
  );
}

interface ReadoutProps {
  stretch: Stretch;
  versions: { baseline: string; candidate: string };
  value: Text;
}

/** The chosen stretch in numbers. */
function Readout({ stretch, versions, value }: ReadoutProps) {
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
                <span className={classes["dim"]}>no runs</span>
              ) : (
                <>
                  <b>{value(point.value)}</b>{" "}
                  <span className={classes["dim"]}>
                    {point.low === null ? "" : `${intervalWords(point, value)}, `}n {count(point.n)}
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

function readoutWords(stretch: Stretch, versions: ReadoutProps["versions"], value: Text): string {
  const side = (name: "baseline" | "candidate") => {
    const point = stretch[name];
    return `${versions[name]} ${point === null ? "no runs" : `${value(point.value)} of ${count(point.n)} runs`}`;
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

/** The policy's line in words, and where it is when it is not on the plot. */
function LineWords({ metric, value }: { metric: Charts["over_time"][number]; value: Text }) {
  const { line } = metric;
  if (line === null) return <p className={classes["line"]}>The policy sets no limit or margin on it.</p>;
  const what = line.kind === "limit" ? "the policy's limit on the candidate" : "the margin above the baseline's mean";
  return (
    <p className={classes["line"]}>
      <Mark of="line" /> {value(line.value)}, {what}
      {scaleOf(metric).hasLine ? "" : ": above what is drawn"}
    </p>
  );
}
