/** `#/diff`: roll forward or not · why · how sure · what moved · where to look, from top to bottom. */

import { useEffect } from "react";
import { failureOf } from "../api/failure";
import { useDiff, usePolicy, usePriceTables, usePromoted, useReleases } from "../api/queries";
import type { Diff, Policy } from "../api/types";
import type { Route } from "../route";
import shell from "../shell/shell.module.css";
import { Loading } from "../states/loading";
import { FailureNotice, Notice, Steps } from "../states/notice";
import { remedyForEmpty } from "../states/remedies";
import { SignIn } from "../states/sign-in";
import { second } from "../text/moment";
import { ChartSections } from "./charts";
import { Details } from "./details";
import classes from "./diff-page.module.css";
import { Drivers } from "./drivers";
import { GuardrailTable } from "./guardrail-table";
import { guardrailRows, sureness } from "./guardrails";
import guardrails from "./guardrails.module.css";
import { PairHeader, type Side } from "./pair-header";
import { priceChoices } from "./prices";
import { metricRows, notes, priceRows, quality, sampleRows } from "./rows";
import { loadPlots, MetricTable, PairTable, Section } from "./sheet";
import { ICON } from "./status";
import { VerdictBand } from "./verdict-band";

const KIND = { warning: "Warning", note: "Note", hint: "Hint" } as const;

type DiffRoute = Extract<Route, { view: "diff" }>;

export function DiffPage(route: DiffRoute) {
  const diff = useDiff(route);
  // The plots' code comes while the server judges, not after.
  useEffect(() => {
    loadPlots().catch(() => undefined);
  }, []);
  const releases = useReleases();
  const promoted = usePromoted();
  const policy = usePolicy();
  const tables = usePriceTables();

  const failure = diff.error === null ? null : failureOf(diff.error);
  const environment = route.environment || diff.data?.filters.environment || "";
  const known = releases.data?.releases ?? [];
  const side = (id: string): Side => ({
    id,
    release: known.find((release) => release.release_id === id),
    isLive: (promoted.data?.promoted ?? []).some(
      (pointer) => pointer.release_id === id && pointer.environment === environment,
    ),
  });
  const baseline = side(route.baseline);
  const candidate = side(route.candidate);
  const versions = {
    baseline: baseline.release?.version ?? route.baseline,
    candidate: candidate.release?.version ?? route.candidate,
  };
  const status = diff.data?.verdict.status;

  useEffect(() => {
    const verdict = status === undefined ? "" : `${ICON[status]} ${status} · `;
    document.title = `${verdict}${versions.baseline} → ${versions.candidate} · FlightDeck`;
  }, [status, versions.baseline, versions.candidate]);

  if (route.baseline === "" || route.candidate === "") {
    return (
      <div className={shell["wide"]}>
        <Notice title="A comparison needs two releases" titleOf="page">
          <p>
            This address names {route.baseline === "" && route.candidate === "" ? "none" : "only one"}.{" "}
            <a href="#/">Choose a baseline and a candidate</a>, or write both into the address:
          </p>
          <p>
            <code>#/diff?baseline=rel_…&amp;candidate=rel_…&amp;window=7d&amp;environment=production</code>
          </p>
        </Notice>
      </div>
    );
  }
  if (failure?.kind === "token") {
    return (
      <div className={shell["wide"]}>
        <SignIn refused={failure.refused} />
      </div>
    );
  }

  const again = () => {
    void diff.refetch();
    void policy.refetch();
    void promoted.refetch();
    if (releases.isError) void releases.refetch();
  };
  return (
    <>
      <div className={shell["wide"]}>
        <PairHeader
          route={route}
          baseline={baseline}
          candidate={candidate}
          environment={environment}
          environments={[...new Set(known.map((release) => release.environment))].sort().slice(0, 50)}
          prices={priceChoices(tables.data, diff.data, route.pricing)}
          judgeAgain={again}
          isJudging={diff.isFetching}
        />
      </div>
      {diff.data !== undefined && failure !== null && (
        <p className={classes["stale"]} role="alert">
          <span className={shell["wide"]}>
            Judging again failed: {failure.kind === "gone" ? "the server does not answer" : failure.message}. Below is
            the answer of {second(diff.data.policy.evaluated_at)}.
          </span>
        </p>
      )}
      {diff.data !== undefined ? (
        <Answer diff={diff.data} policy={policy.data} route={route} versions={versions} />
      ) : (
        <div className={shell["wide"]}>
          {failure === null ? (
            <Loading what="Judging the two releases" />
          ) : (
            <FailureNotice failure={failure} titleOf="part" again={again} asking={diff.isFetching} />
          )}
        </div>
      )}
    </>
  );
}

interface AnswerProps {
  diff: Diff;
  policy: Policy | undefined;
  route: DiffRoute;
  versions: { baseline: string; candidate: string };
}

function Answer({ diff, policy, route, versions }: AnswerProps) {
  const { samples } = diff;
  const empty = [
    ...(samples.baseline_runs === 0 ? [route.baseline] : []),
    ...(samples.candidate_runs === 0 && route.candidate !== route.baseline ? [route.candidate] : []),
  ];
  const remarks = notes(diff);
  const judged = guardrailRows(diff);
  return (
    <>
      <VerdictBand diff={diff} pricing={route.pricing} />
      <div className={shell["wide"]}>
        {empty.length > 0 && (
          <Section title="No runs">
            <p className={classes["empty"]}>{emptyWords(samples.baseline_runs, samples.candidate_runs)}</p>
            <Steps
              steps={remedyForEmpty({
                releases: empty,
                window: route.window,
                environment: diff.filters.environment,
              })}
            />
          </Section>
        )}
        {judged.length > 0 && empty.length === 0 && (
          <Section title="Guardrails">
            <GuardrailTable rows={judged} />
          </Section>
        )}
        {empty.length === 0 && (
          <Section title="What drives it">
            <Drivers of={route} key={diff.policy.evaluated_at} />
          </Section>
        )}
        {samples.baseline_runs + samples.candidate_runs > 0 && (
          <ChartSections diff={diff} route={route} versions={versions} />
        )}
        <Section title="Metrics">
          <MetricTable rows={metricRows(diff, policy)} versions={versions} />
        </Section>
        <Section title="Evidence">
          <PairTable title="Evidence" rows={sampleRows(diff, policy)} versions={versions} />
          <p className={classes["after"]}>
            Confidence <b data-testid="confidence">{samples.confidence}</b>
            {samples.confidence_reason === null ? "" : `: ${samples.confidence_reason}`}
            {policy === undefined
              ? ""
              : policy.require_high_diff_confidence
                ? `. Policy ${policy.policy_id} asks for HIGH.`
                : `. Policy ${policy.policy_id} takes any.`}
          </p>
        </Section>
        {diff.verdict.metrics.length > 0 && empty.length === 0 && (
          <Section title="How sure">
            <dl className={guardrails["sure"]}>
              {sureness(diff).map(([what, words]) => (
                <div key={what}>
                  <dt>{what}</dt>
                  <dd>{words}</dd>
                </div>
              ))}
            </dl>
          </Section>
        )}
        <Section title="Prices">
          <PairTable title="Prices" rows={priceRows(diff)} versions={versions} />
        </Section>
        {remarks.length > 0 && (
          <Section title="Remarks">
            <ul className={classes["remarks"]}>
              {remarks.map((remark) => (
                <li key={remark.text}>
                  <span className={classes["kind"]} data-kind={remark.kind}>
                    {KIND[remark.kind]}
                  </span>
                  <span>{remark.text}</span>
                </li>
              ))}
            </ul>
          </Section>
        )}
        <Section title="Data quality">
          <Quality diff={diff} versions={versions} />
        </Section>
        <Section title="Look further">
          <Details diff={diff} route={route} versions={versions} />
        </Section>
      </div>
    </>
  );
}

function Quality({ diff, versions }: Pick<AnswerProps, "diff" | "versions">) {
  const { found, clean } = quality(diff);
  return (
    <>
      {found.length > 0 && <PairTable title="Data quality" rows={found} versions={versions} />}
      <p className={classes["clean"]}>
        {found.length === 0 ? "Nothing found on either side" : "0 on both sides"}: {clean.join(", ")}.
      </p>
    </>
  );
}

function emptyWords(baseline: number, candidate: number): string {
  if (baseline === 0 && candidate === 0) return "Neither release has a finished run in this window and environment.";
  const side = baseline === 0 ? "The baseline" : "The candidate";
  return `${side} has no finished run in this window and environment; the other side has.`;
}
