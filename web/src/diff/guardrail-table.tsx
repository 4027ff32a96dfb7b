import { VisuallyHidden } from "@mantine/core";
import type { GuardrailRow } from "./guardrails";
import classes from "./guardrails.module.css";
import { Interval } from "./interval";
import { StatusWord } from "./status-word";

/** Guardrail by guardrail: both sides, the effect between its limits, the margin, what follows. */
export function GuardrailTable({ rows }: { rows: GuardrailRow[] }) {
  return (
    <>
      <table className={classes["table"]} aria-label="Guardrails and limits">
        <thead>
          <tr>
            <th scope="col">
              <VisuallyHidden>Guardrail</VisuallyHidden>
            </th>
            <th scope="col">Baseline → candidate</th>
            <th scope="col">Change, between its limits</th>
            <th scope="col" className={classes["plot"]}>
              <span className={classes["scale"]} aria-hidden="true">
                <span>← better</span>
                <span>0</span>
                <span>┆ margin</span>
                <span>worse</span>
              </span>
              <VisuallyHidden>The same, drawn</VisuallyHidden>
            </th>
            <th scope="col">Verdict</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key} data-guardrail={row.key}>
              <th scope="row">
                <span className={classes["name"]}>{row.name}</span>
                <span className={classes["sub"]}>{row.note}</span>
              </th>
              <td className={classes["values"]}>
                {!row.isLimit && `${row.baseline ?? "–"} → `}
                <b>{row.candidate ?? "–"}</b>
              </td>
              <td>
                <b>{row.isLimit ? row.margin : (row.effect ?? "unknown")}</b>
                <span className={classes["sub"]}>
                  {row.isLimit ? row.interval : `${row.interval}; margin ${row.margin}`}
                </span>
              </td>
              <td className={classes["plot"]}>
                <Interval {...row.drawn} />
              </td>
              <td className={classes["state"]}>
                <StatusWord status={row.status} />
                {row.needed && <span className={classes["sub"]}>{row.needed}</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <details className={classes["more"]}>
        <summary>Show numbers</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys */}
        <section className={classes["scroll"]} tabIndex={0} aria-label="Numbers">
          <table className={classes["numbers"]} aria-label="Numbers behind the guardrails">
            <thead>
              <tr>
                <td />
                {rows.map((row) => (
                  <th scope="col" key={row.key}>
                    {row.name}
                    <span className={classes["sub"]}>{row.note}</span>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {(rows[0]?.numbers ?? []).map(([name], at) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  {rows.map((row) => (
                    <td key={row.key}>{row.numbers[at]?.[1]}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </>
  );
}
