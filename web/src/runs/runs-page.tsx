/** `#/runs`: the runs behind one side of a diff, newest first, a page at a time. Never content, only measures. */

import { useEffect } from "react";
import { RUNS_PER_PAGE } from "../api/client";
import { failureOf } from "../api/failure";
import { useReleases, useRuns } from "../api/queries";
import type { Run } from "../api/types";
import { Field, WINDOWS } from "../diff/pair-header";
import { formatRoute, go, type Route } from "../route";
import shell from "../shell/shell.module.css";
import { Loading } from "../states/loading";
import { Command, FailureNotice, Notice, Steps } from "../states/notice";
import { remedyForEmpty } from "../states/remedies";
import { SignIn } from "../states/sign-in";
import { second } from "../text/moment";
import { count } from "../text/number";
import { command } from "../text/shell";
import classes from "./runs-page.module.css";

type RunsRoute = Extract<Route, { view: "runs" }>;

export function RunsPage(route: RunsRoute) {
  const runs = useRuns(route);
  const releases = useReleases();
  const release = releases.data?.releases.find((one) => one.release_id === route.release);
  const name = release === undefined ? route.release : `${release.agent_id} ${release.version}`;
  const environment = route.environment || runs.data?.filters.environment || "";

  useEffect(() => {
    document.title = `Runs of ${name} · FlightDeck`;
  }, [name]);

  if (route.release === "") {
    return (
      <div className={shell["wide"]}>
        <Notice title="Whose runs?" titleOf="page">
          <p>
            This address names no release: <code>#/runs?release=rel_…&amp;window=7d</code>.{" "}
            <a href="#/">See the releases</a>
          </p>
        </Notice>
      </div>
    );
  }
  const failure = runs.error === null ? null : failureOf(runs.error);
  if (failure?.kind === "token") {
    return (
      <div className={shell["wide"]}>
        <SignIn refused={failure.refused} />
      </div>
    );
  }
  return (
    <div className={shell["wide"]}>
      <div className={classes["head"]}>
        <div>
          <h1>Runs of {name}</h1>
          <p className={classes["dim"]}>
            {runs.data === undefined ? "\u00a0" : `${count(runs.data.matched_total)} in this window, newest first`}
          </p>
        </div>
        <div className={classes["controls"]}>
          <Field
            label="Window"
            width={88}
            value={route.window}
            options={WINDOWS}
            commit={(window) => go({ ...route, window, offset: 0 })}
          />
          <Field
            label="Environment"
            width={136}
            value={environment}
            options={release === undefined ? [] : [release.environment]}
            commit={(chosen) => go({ ...route, environment: chosen, offset: 0 })}
          />
        </div>
      </div>
      {failure !== null ? (
        <FailureNotice failure={failure} titleOf="part" again={() => void runs.refetch()} asking={runs.isFetching} />
      ) : runs.data === undefined ? (
        <Loading what="Reading runs" />
      ) : runs.data.matched_total === 0 ? (
        <Notice title="No runs in this window and environment" titleOf="part">
          <Steps steps={remedyForEmpty({ releases: [route.release], window: route.window, environment })} />
        </Notice>
      ) : (
        <>
          <RunTable runs={runs.data.events} />
          <Pages route={route} total={runs.data.matched_total} returned={runs.data.returned} />
          <div className={classes["export"]}>
            All of them as JSON lines:
            <Command
              text={command(
                "flightdeck",
                "runs",
                "export",
                route.release,
                "--window",
                route.window,
                "--env",
                environment,
                "--output",
                "runs.jsonl",
              )}
            />
          </div>
        </>
      )}
    </div>
  );
}

function RunTable({ runs }: { runs: Run[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className={classes["scroll"]} tabIndex={0} aria-label="Runs">
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Outcome</th>
            <th scope="col" className={classes["number"]}>
              Latency
            </th>
            <th scope="col" className={classes["number"]}>
              Tokens in
            </th>
            <th scope="col" className={classes["number"]}>
              Tokens out
            </th>
            <th scope="col">Model</th>
            <th scope="col">Task</th>
            <th scope="col">Tenant</th>
            <th scope="col">Run</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <RunRow key={`${run.run_id} ${run.type}`} run={run} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function RunRow({ run }: { run: Run }) {
  const latency = run.metrics?.latency_ms ?? null;
  const { model } = run.usage;
  return (
    <tr>
      <td className={classes["time"]}>{second(run.timestamp)}</td>
      <td>{outcome(run)}</td>
      <td className={classes["number"]}>{latency === null ? "–" : `${count(latency)}\u202fms`}</td>
      <td className={classes["number"]}>{count(model.input_tokens)}</td>
      <td className={classes["number"]}>{count(model.output_tokens)}</td>
      <td>{model.model || "–"}</td>
      <td>{run.task_id}</td>
      <td>{run.tenant_id}</td>
      <td className="mono">{run.run_id}</td>
    </tr>
  );
}

function outcome(run: Run) {
  if (run.type === "run_start") return <span className={classes["dim"]}>in progress</span>;
  if (run.metrics?.success === false) {
    return (
      <span className={classes["failed"]}>failed{run.metrics.error_type ? `: ${run.metrics.error_type}` : ""}</span>
    );
  }
  return "ok";
}

function Pages({ route, total, returned }: { route: RunsRoute; total: number; returned: number }) {
  const end = route.offset + returned;
  const earlier = Math.max(0, route.offset - RUNS_PER_PAGE);
  return (
    <nav className={classes["pages"]} aria-label="Pages">
      <span className={classes["dim"]}>
        {count(route.offset + 1)}–{count(end)} of {count(total)}
      </span>
      {route.offset > 0 && <a href={formatRoute({ ...route, offset: earlier })}>Newer</a>}
      {end < total && returned > 0 && <a href={formatRoute({ ...route, offset: end })}>Older</a>}
    </nav>
  );
}
