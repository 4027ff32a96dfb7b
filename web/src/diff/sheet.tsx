/**
 * The sheet: sections of one grid. Rows are laid out with CSS grid, which takes the table roles away in some browsers,
 * so they are written out.
 */

import { VisuallyHidden } from "@mantine/core";
import { lazy, type ReactNode, Suspense } from "react";
import type { Pair, Row } from "./rows";
import classes from "./sheet.module.css";
import { StatusWord } from "./status-word";

// The plot library is the larger half of the page; the numbers do not wait for it.
export const loadPlots = () => import("./plots");
const Strip = lazy(() => loadPlots().then((plots) => ({ default: plots.Strip })));

export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={classes["section"]} aria-label={title}>
      <h2 className={classes["label"]}>{title}</h2>
      <div className={classes["content"]}>{children}</div>
    </section>
  );
}

interface CellProps {
  className?: string | undefined;
  role?: "cell" | "columnheader" | "rowheader";
  children?: ReactNode;
}

function Cell({ className = "", role = "cell", children }: CellProps) {
  if (role === "cell") {
    return (
      <td role="cell" className={className}>
        {children}
      </td>
    );
  }
  return (
    <th role={role} scope={role === "columnheader" ? "col" : "row"} className={className}>
      {children}
    </th>
  );
}

function cls(...names: (string | false | undefined)[]): string {
  return names.map((name) => (name ? (classes[name] ?? "") : "")).join(" ");
}

interface Versions {
  baseline: string;
  candidate: string;
}

function Table({ title, children }: { title: string; children: ReactNode }) {
  return (
    <table role="table" className={classes["table"]} aria-label={title}>
      {children}
    </table>
  );
}

export function MetricTable({ rows, versions }: { rows: Row[]; versions: Versions }) {
  return (
    <Table title="Metrics">
      <thead role="rowgroup">
        <tr role="row" className={cls("row", "head")}>
          <Cell role="columnheader" className={cls("nameCell")}>
            <VisuallyHidden>Metric</VisuallyHidden>
          </Cell>
          <Cell role="columnheader" className={cls("number")}>
            <Mark of="baseline" /> Baseline <Version of={versions.baseline} />
          </Cell>
          <Cell role="columnheader" className={cls("number")}>
            <Mark of="candidate" /> Candidate <Version of={versions.candidate} />
          </Cell>
          <Cell role="columnheader" className={cls("number")}>
            Change
          </Cell>
          <Cell role="columnheader" className={cls("number", "limit")}>
            <Mark of="limit" /> Limit
          </Cell>
          <Cell role="columnheader" className={cls("stripCell")}>
            <span className={classes["scale"]} aria-hidden="true">
              <span>0</span>
              <span>worse →</span>
            </span>
            <VisuallyHidden>Drawn on a line from 0; right is worse</VisuallyHidden>
          </Cell>
          <Cell role="columnheader" className={cls("state")}>
            Limit held
          </Cell>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <MetricRow key={row.key} row={row} />
        ))}
      </tbody>
    </Table>
  );
}

/** How the strips draw a column: the column heads are their legend. */
function Mark({ of }: { of: "baseline" | "candidate" | "limit" }) {
  return (
    <span className={cls("mark")} data-of={of} aria-hidden="true">
      {{ baseline: "○", candidate: "●", limit: "┆" }[of]}
    </span>
  );
}

/** Whole on one line, however it is written; what does not fit is seen on pointing at it. */
function Version({ of }: { of: string }) {
  return (
    <span className={classes["headVersion"]} title={of}>
      {of}
    </span>
  );
}

function Value({ text, missing, strong = false }: { text: string | null; missing: string; strong?: boolean }) {
  if (text === null) return <span className={classes["none"]}>{missing}</span>;
  return <span className={cls("value", strong && "strong")}>{text}</span>;
}

function MetricRow({ row }: { row: Row }) {
  const limit = row.limit === undefined ? "unknown" : row.limit === null ? "–" : `≤ ${row.limit}`;
  return (
    <tr role="row" className={cls("row", "metric")} data-metric={row.key}>
      <Cell role="rowheader" className={cls("nameCell")}>
        <span className={classes["name"]}>{row.name}</span>
        <span className={classes["sub"]}>{row.note}</span>
      </Cell>
      <Cell className={cls("number")}>
        <Value text={row.baseline} missing={row.missing} />
      </Cell>
      <Cell className={cls("number")}>
        <Value text={row.candidate} missing={row.missing} strong />
      </Cell>
      <Cell className={cls("number")}>
        <span className={classes[row.change === null ? "none" : "change"]}>{row.change ?? "–"}</span>
        {row.changeRelative !== null && <span className={classes["sub"]}>{row.changeRelative}</span>}
      </Cell>
      <Cell className={cls("number", "limit", row.limit == null && "none")}>
        <span className={classes["small"]}>limit </span>
        {limit}
      </Cell>
      <Cell className={cls("stripCell")}>
        <Suspense fallback={null}>
          <Strip {...row.strip} />
        </Suspense>
      </Cell>
      <Cell className={cls("state")}>
        {row.state === null ? <span className={classes["none"]}>no limit</span> : <StatusWord status={row.state} />}
      </Cell>
    </tr>
  );
}

/** Rows of two values and a remark, in the metrics' columns. */
export function PairTable({ title, rows, versions }: { title: string; rows: Pair[]; versions: Versions }) {
  return (
    <Table title={title}>
      <thead role="rowgroup">
        <tr role="row" className={classes["hiddenHead"]}>
          <Cell role="columnheader">What</Cell>
          <Cell role="columnheader">Baseline {versions.baseline}</Cell>
          <Cell role="columnheader">Candidate {versions.candidate}</Cell>
          <Cell role="columnheader">Remark</Cell>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr role="row" key={row.key} className={cls("row", "plain", row.marked && "marked")} data-row={row.key}>
            <Cell role="rowheader" className={cls("nameCell")}>
              {row.name}
            </Cell>
            <Cell className={cls("number", row.baseline === "0" && "zero")}>{row.baseline}</Cell>
            <Cell className={cls("number", row.candidate === "0" && "zero")}>{row.candidate}</Cell>
            <Cell className={cls("note")}>{row.note}</Cell>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
