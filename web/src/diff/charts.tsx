/** What the runs of a verdict look like: over time, and how they are distributed. Asked for once the verdict is there. */

import type { ReactNode } from "react";
import { failureOf } from "../api/failure";
import { useCharts } from "../api/queries";
import type { Charts, Diff } from "../api/types";
import { go, type Route } from "../route";
import { Loading } from "../states/loading";
import { Distributions } from "./distributions";
import { Section } from "./sheet";
import { TimeChart } from "./time-chart";

interface ChartSectionsProps {
  diff: Diff;
  route: Extract<Route, { view: "diff" }>;
  versions: { baseline: string; candidate: string };
}

export function ChartSections({ diff, route, versions }: ChartSectionsProps) {
  const charts = useCharts(route, diff);
  const prices = `both sides at ${
    { "": "the candidate's prices", catalog: "the catalog's prices of the candidate" }[route.pricing] ?? route.pricing
  }`;
  const shown = (content: (found: Charts) => ReactNode) => {
    if (charts.data !== undefined) return content(charts.data);
    if (charts.error === null) return <Loading what="Reading the runs" />;
    const failure = failureOf(charts.error);
    return (
      <p role="alert">
        The runs can't be drawn: {"message" in failure ? failure.message : "the server does not answer"}
      </p>
    );
  };
  return (
    <>
      <Section title="Over time">
        {shown((found) => (
          <TimeChart
            charts={found}
            versions={versions}
            prices={prices}
            metric={route.metric}
            choose={(metric) => go({ ...route, metric })}
          />
        ))}
      </Section>
      <Section title="Distributions">
        {shown((found) => (
          <Distributions charts={found} versions={versions} prices={prices} />
        ))}
      </Section>
    </>
  );
}
