/** Addresses: everything a view shows stands in the part after `#`, so a link says it all. */

export type Route =
  | { view: "start" }
  | {
      view: "diff";
      baseline: string;
      candidate: string;
      window: string;
      environment: string;
      /** Empty: each release's own prices; else the table, or the catalog, that both are priced by. */
      pricing: string;
      /** What is shown over time. */
      metric: TimeMetric;
    }
  | { view: "runs"; release: string; window: string; environment: string; offset: number }
  | { view: "nowhere"; path: string };

export const DEFAULT_WINDOW = "7d";

export const TIME_METRICS = ["error_rate", "latency_ms", "cost_usd"] as const;
export type TimeMetric = (typeof TIME_METRICS)[number];
export const DEFAULT_METRIC = TIME_METRICS[0];

/** What an address asks for. An empty environment leaves the choice to the server's `default_environment`. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const values = new URLSearchParams(query);
  const value = (name: string): string => (values.get(name) ?? "").trim();
  switch (path.replace(/^\/+|\/+$/g, "")) {
    case "":
      return { view: "start" };
    case "diff":
      return {
        view: "diff",
        baseline: value("baseline"),
        candidate: value("candidate"),
        window: value("window") || DEFAULT_WINDOW,
        environment: value("environment"),
        pricing: value("pricing"),
        metric: TIME_METRICS.find((metric) => metric === value("metric")) ?? DEFAULT_METRIC,
      };
    case "runs": {
      const offset = Number(value("offset"));
      return {
        view: "runs",
        release: value("release"),
        window: value("window") || DEFAULT_WINDOW,
        environment: value("environment"),
        offset: Number.isSafeInteger(offset) && offset > 0 ? offset : 0,
      };
    }
    default:
      return { view: "nowhere", path };
  }
}

/** The address of a view; what is empty or the default is left out. */
export function formatRoute(route: Route): string {
  switch (route.view) {
    case "start":
      return "#/";
    case "nowhere":
      return `#${route.path}`;
    default: {
      const { view, ...rest } = route;
      const values = new URLSearchParams();
      for (const [name, value] of Object.entries(rest)) {
        if (value !== "" && value !== 0 && !(name === "metric" && value === DEFAULT_METRIC))
          values.set(name, String(value));
      }
      return `#/${view}?${values.toString()}`;
    }
  }
}

export function go(route: Route): void {
  window.location.hash = formatRoute(route);
}
