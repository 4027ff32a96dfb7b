import type { Diff } from "../api/types";
import shell from "../shell/shell.module.css";
import { minute, second, windowWords } from "../text/moment";
import { count } from "../text/number";
import { answerWords, gateWords, holding, wholeNeeded } from "./guardrails";
import { reasons } from "./rows";
import { StatusWord } from "./status-word";
import classes from "./verdict-band.module.css";

/** Reasons that stand in the band; each guardrail's stands beside it as well. */
const MOST_REASONS = 5;

/** Roll forward or not, why, and on how much evidence: readable from across the room. */
export function VerdictBand({ diff, pricing }: { diff: Diff; pricing: string }) {
  const { status } = diff.verdict;
  const { samples, filters } = diff;
  const why = reasons(diff);
  const blocked = status === "PASS" && !diff.policy.passed;
  const needed = wholeNeeded(diff);
  const holds = holding(diff);
  const limits = [
    `environment ${filters.environment}`,
    filters.tenant_id === null ? "" : `tenant ${filters.tenant_id}`,
    filters.task_id === null ? "" : `task ${filters.task_id}`,
  ].filter((part) => part !== "");
  return (
    <section className={classes["band"]} data-status={blocked ? "FAIL" : status} aria-label="Verdict">
      <div className={shell["wide"]}>
        <div className={classes["inner"]}>
          <div role="status" className={classes["word"]}>
            <StatusWord status={status} />
            <span className={classes["answer"]}>{answerWords(diff)}</span>
            {needed !== null && <span className={classes["needed"]}>{needed}</span>}
          </div>
          <div className={classes["why"]}>
            {why.length > 0 ? (
              <ul aria-label="Reasons">
                {why.slice(0, MOST_REASONS).map((reason) => (
                  <li key={reason}>{reason}</li>
                ))}
                {why.length > MOST_REASONS && <li>and {why.length - MOST_REASONS} more, below</li>}
              </ul>
            ) : (
              <p>{status === "PASS" ? "Every guardrail and limit holds." : "The server gives no reason."}</p>
            )}
            <p className={classes["gate"]}>{gateWords(diff)}</p>
          </div>
          <dl className={classes["evidence"]}>
            <div>
              <dt>Runs</dt>
              <dd>
                {count(samples.baseline_runs)} baseline, {count(samples.candidate_runs)} candidate
              </dd>
            </div>
            {holds !== null && (
              <div>
                <dt>Guardrails</dt>
                <dd>{holds}</dd>
              </div>
            )}
            <div>
              <dt>Window</dt>
              <dd title={`${diff.since} to ${diff.until}`}>
                {windowWords(diff.window)}, from {minute(diff.since)}
              </dd>
            </div>
            <div>
              <dt>Limited to</dt>
              <dd>{limits.join(", ")}</dd>
            </div>
            {pricing !== "" && (
              <div>
                <dt>Re-priced</dt>
                <dd>by {pricing}; promotions are judged by own prices</dd>
              </div>
            )}
            <div>
              <dt>Judged</dt>
              <dd>{second(diff.policy.evaluated_at)}</dd>
            </div>
          </dl>
        </div>
      </div>
    </section>
  );
}
