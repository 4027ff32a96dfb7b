/** What all charts share: marks that say what is what, the table behind each, and the word where there are no prices. */

import type { ReactNode } from "react";
import { Steps } from "../states/notice";
import classes from "./charts.module.css";

/** How a side or line is drawn, so that colour is never alone. */
export function Mark({ of }: { of: "baseline" | "candidate" | "line" }) {
  return (
    <span className={classes["mark"]} data-of={of} aria-hidden="true">
      {{ baseline: "○", candidate: "●", line: "┅" }[of]}
    </span>
  );
}

/** The table behind a chart. */
export function Numbers({ name, children }: { name: string; children: ReactNode }) {
  return (
    <details className={classes["more"]}>
      <summary>Show numbers</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys */}
      <section className={classes["scroll"]} tabIndex={0} aria-label={`Numbers: ${name}`}>
        <table className={classes["numbers"]} aria-label={name}>
          {children}
        </table>
      </section>
    </details>
  );
}

export function NoPrices() {
  return (
    <div className={classes["empty"]}>
      <p>No run of either side has a price. Choose other prices above, under Re-price, or import a table:</p>
      <Steps
        steps={[{ say: "Prices per model, in USD per 1,000 tokens:", run: "flightdeck pricing import prices.yaml" }]}
      />
    </div>
  );
}
