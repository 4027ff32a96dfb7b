import { Button } from "@mantine/core";
import { useState } from "react";
import type { Comparison } from "../api/client";
import { failureOf } from "../api/failure";
import { useExplanation } from "../api/queries";
import { count, ms, msChange, points, relative, share, usd, usdChange } from "../text/number";
import classes from "./drivers.module.css";
import { topOfEach } from "./moved";

const KIND = { task: "task", model: "model", tenant: "tenant", error_type: "error" } as const;
const NAME: Record<string, string> = { error_rate: "Error rate", latency_ms: "Latency", cost_usd: "Cost" };
const VALUE: Record<string, (x: number) => string> = { share, ms, USD: usd };
const CHANGE: Record<string, (x: number) => string> = { share: points, ms: msChange, USD: usdChange };

/** What moved each metric, and runs to look at; asked for, because the server reads all runs once more for it. */
export function Drivers({ of }: { of: Comparison }) {
  const [isAsked, setAsked] = useState(false);
  const found = useExplanation(of, isAsked);
  if (!isAsked) {
    return (
      <Button size="xs" variant="default" onClick={() => setAsked(true)}>
        Explain the difference
      </Button>
    );
  }
  if (found.isError) {
    const failure = failureOf(found.error);
    const why = "message" in failure ? failure.message : "the server does not answer";
    return <p role="alert">The explanation can't be had: {why}</p>;
  }
  if (found.data === undefined) return <p role="status">Looking for what moved …</p>;
  const moved = found.data.metrics.filter((metric) => metric.drivers.length > 0);
  if (moved.length === 0) return <p>Nothing to explain: a side has no runs.</p>;
  return (
    <div className={classes["drivers"]}>
      {moved.map((metric) => {
        const change = CHANGE[metric.unit] ?? String;
        const value = VALUE[metric.unit] ?? String;
        const most = Math.max(...metric.drivers.map((driver) => Math.abs(driver.contribution)), 1e-300);
        return (
          <table key={metric.metric} aria-label={`What moved ${NAME[metric.metric] ?? metric.metric}`}>
            <caption>
              {NAME[metric.metric] ?? metric.metric}{" "}
              <b>{metric.difference == null ? "unknown" : change(metric.difference)}</b>
            </caption>
            <tbody>
              {topOfEach(metric.drivers).map((driver) => (
                <tr key={`${driver.kind} ${driver.name}`}>
                  <th scope="row">
                    <span className={classes["kind"]}>{KIND[driver.kind]}</span> {driver.name || "none named"}
                    <span className={classes["sub"]}>
                      {driver.baseline == null ? "–" : value(driver.baseline)} →{" "}
                      {driver.candidate == null ? "–" : value(driver.candidate)}; {count(driver.baseline_runs)} →{" "}
                      {count(driver.candidate_runs)} runs
                    </span>
                  </th>
                  <td className={classes["part"]}>
                    {change(driver.contribution)}
                    {driver.share !== null && driver.share !== undefined && Math.abs(driver.share) < 100 && (
                      <span className={classes["sub"]}>{relative(driver.share)} of it</span>
                    )}
                  </td>
                  <td className={classes["barCell"]}>
                    <span
                      className={classes["bar"]}
                      data-worse={driver.contribution > 0}
                      style={{ width: `${(100 * Math.abs(driver.contribution)) / most}%` }}
                    />
                  </td>
                  <td className={classes["examples"]}>
                    {(driver.example_run_ids ?? []).map((id) => (
                      <code key={id} title={id}>
                        {id.length > 20 ? `${id.slice(0, 8)}…${id.slice(-8)}` : id}
                      </code>
                    ))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        );
      })}
    </div>
  );
}
