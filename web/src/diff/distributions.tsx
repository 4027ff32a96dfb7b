import { lazy, Suspense } from "react";
import type { Charts } from "../api/types";
import { count } from "../text/number";
import classes from "./charts.module.css";
import { intervalWords, VALUE } from "./guardrails";
import { Mark, NoPrices, Numbers } from "./plotted";
import { loadPlots } from "./sheet";
import { type Distribution, nothing } from "./spread";
import { tickText } from "./ticks";

const SpreadPlot = lazy(() => loadPlots().then((plots) => ({ default: plots.SpreadPlot })));

const NAMES: Record<string, [string, string]> = {
  latency_ms: ["Latency", "of a run"],
  cost_usd: ["Cost", "of a run, "],
};
const SIDES = ["baseline", "candidate"] as const;

interface DistributionsProps {
  charts: Charts;
  versions: { baseline: string; candidate: string };
  /** Whose prices the costs are at, in words. */
  prices: string;
}

/** Latency and cost, both releases on one axis each. */
export function Distributions({ charts, versions, prices }: DistributionsProps) {
  return (
    <div className={classes["pair"]}>
      {charts.distributions.map((one) => (
        <Spread key={one.metric} of={one} alpha={charts.alpha} versions={versions} prices={prices} />
      ))}
    </div>
  );
}

interface SpreadProps extends Omit<DistributionsProps, "charts"> {
  of: Distribution;
  alpha: number;
}

function Spread({ of, alpha, versions, prices }: SpreadProps) {
  const [name, note] = NAMES[of.metric] ?? [of.metric, ""];
  const value = VALUE[of.unit] ?? String;
  const some = (x: number | null) => (x === null ? "–" : value(x));
  const isEmpty = of.baseline.n + of.candidate.n === 0;
  return (
    <section className={classes["spread"]} aria-label={`Distribution: ${name}`}>
      <h3>
        {name} <span className={classes["note"]}>{of.metric === "cost_usd" ? note + prices : note}</span>
      </h3>
      {isEmpty ? (
        of.metric === "cost_usd" ? (
          <NoPrices />
        ) : (
          <p className={classes["empty"]}>No run has a {name.toLowerCase()}.</p>
        )
      ) : (
        <>
          <table className={classes["quantiles"]} aria-label={`Quantiles: ${name}`}>
            <thead>
              <tr>
                <td />
                {of.baseline.quantiles.map((quantile) => (
                  <th scope="col" key={quantile.name}>
                    {quantile.name}
                  </th>
                ))}
                <th scope="col">runs</th>
              </tr>
            </thead>
            <tbody>
              {SIDES.map((side) => (
                <tr key={side}>
                  <th scope="row">
                    <Mark of={side} />{" "}
                    <span className={classes["version"]} title={versions[side]}>
                      {versions[side]}
                    </span>
                  </th>
                  {of[side].quantiles.map((quantile) => (
                    <td key={quantile.name}>{some(quantile.value)}</td>
                  ))}
                  <td>{count(of[side].n)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <Suspense fallback={<div className={classes["spreadPlot"]} />}>
            <SpreadPlot of={of} />
          </Suspense>
          {remarks(of, versions).map((words) => (
            <p key={words} className={classes["line"]}>
              {words}
            </p>
          ))}
          <Numbers name={`Distribution of ${name.toLowerCase()}`}>
            <thead>
              <tr>
                <th scope="col">{name}</th>
                {SIDES.map((side) => (
                  <th scope="col" key={side}>
                    {side === "baseline" ? "○" : "●"} {versions[side]}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {of.baseline.quantiles.map((quantile, at) => (
                <tr key={quantile.name}>
                  <th scope="row">
                    {quantile.name}, {tickText(1 - 2 * alpha, "share")} interval
                  </th>
                  {SIDES.map((side) => {
                    const own = of[side].quantiles[at];
                    return (
                      <td key={side}>{own === undefined || own.value === null ? "–" : intervalWords(own, value)}</td>
                    );
                  })}
                </tr>
              ))}
              {of.bins.map((bin) => (
                <tr key={bin.low}>
                  <th scope="row">
                    {bin.low === 0 ? "0" : value(bin.low)} to {value(bin.high)}
                  </th>
                  {SIDES.map((side) => (
                    <td key={side}>{count(bin[side])} runs</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </Numbers>
        </>
      )}
    </section>
  );
}

/** What the picture does not show. */
function remarks(of: Distribution, versions: DistributionsProps["versions"]): string[] {
  const isCost = of.metric === "cost_usd";
  const none = nothing(of);
  return SIDES.flatMap((side) => {
    const { n, missing, quantiles } = of[side];
    const found: string[] = [];
    if (n === 0) found.push(`no run has ${isCost ? "a price" : "a latency"}`);
    else if (missing > 0) found.push(`${count(missing)} more runs have ${isCost ? "no price" : "no latency"}`);
    if (none !== null && none[side] > 0) {
      found.push(`${count(none[side])} runs ${isCost ? "cost nothing" : "took no time"} and are not drawn`);
    }
    const open = quantiles.filter((quantile) => quantile.value !== null && quantile.high === null);
    if (open.length > 0) found.push(`too few runs for an upper limit of ${open.map((one) => one.name).join(" and ")}`);
    return found.length > 0 ? [`${side} ${versions[side]}: ${found.join("; ")}.`] : [];
  });
}
