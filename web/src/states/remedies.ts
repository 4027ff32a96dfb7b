/** What each failure means and what to do about it: the cause in one line, then steps, each with its exact command. */

import type { Failure } from "../api/failure";
import { command } from "../text/shell";

export interface Step {
  say: string;
  /** What to type, ready to paste; absent where there is nothing to type. */
  run?: string;
}

export interface Remedy {
  title: string;
  cause: string;
  steps: Step[];
  /** Whether the same question may be answered next time. */
  again: boolean;
}

const DOCTOR: Step = { say: "See what the server is missing:", run: "flightdeck doctor" };

/** `address` is where the page was served from, e.g. `http://127.0.0.1:8765`. */
export function remedyFor(failure: Exclude<Failure, { kind: "token" }>, address: string): Remedy {
  switch (failure.kind) {
    case "gone":
      return {
        title: "The server does not answer",
        cause: `Nothing answers at ${address}. The page asks again every 5 seconds and goes on by itself.`,
        steps: [{ say: "Start it again, in the folder with flightdeck.yaml:", run: serveCommand(address) }],
        again: true,
      };
    case "unknown-release":
      return {
        title: `${failure.release} is not registered here`,
        cause: "A diff compares two registered releases: their agent, model and prices come from the registration.",
        steps: [
          { say: "See which releases this server knows:", run: "flightdeck release list" },
          {
            say: "Register the folder with the release's release.yaml:",
            run: "flightdeck release register ./my-release",
          },
          {
            say: "If runs already carry this id, see them:",
            run: command("flightdeck", "runs", "list", failure.release, "--window", "7d"),
          },
        ],
        again: true,
      };
    case "window":
      return {
        title: "This is no window",
        cause: `${failure.message}. A window is a whole number and a unit: 30m, 24h, 7d.`,
        steps: [{ say: "Choose one above, or change it in the address: window=7d" }],
        again: false,
      };
    case "prices":
      return {
        title: "These prices are not here",
        cause: failure.message,
        steps: [
          { say: "Choose others above, under Re-price." },
          { say: "Or import the table:", run: "flightdeck pricing import prices.yaml" },
        ],
        again: true,
      };
    case "refused":
      return {
        title: failure.status === 403 ? "The server refuses this page" : "The server does not compare these",
        cause: failure.message,
        steps:
          failure.status === 403
            ? [
                {
                  say: "Without a token only local names may ask. Start the server with one:",
                  run: "FLIGHTDECK_LOCAL_API_TOKEN=… flightdeck serve",
                },
              ]
            : [{ say: "See the releases and their agents:", run: "flightdeck release list" }],
        again: false,
      };
    case "unavailable":
      return {
        title: failure.status === 429 ? "The server is busy" : "The server can't answer now",
        cause: failure.message,
        steps:
          failure.retryAfter === null
            ? [DOCTOR]
            : [{ say: `It asks to be tried again in ${failure.retryAfter} s.` }, DOCTOR],
        again: true,
      };
    case "broken":
      return {
        title: "The server failed",
        cause: [
          failure.message || `It answered ${failure.status} without saying why.`,
          failure.requestId === null ? "" : `Its log names this request ${failure.requestId}.`,
        ]
          .filter((part) => part !== "")
          .join(" "),
        steps: [DOCTOR],
        again: true,
      };
  }
}

/** `flightdeck serve` at the address the page came from; the defaults are left out. */
export function serveCommand(address: string): string {
  const { hostname, port, protocol } = new URL(address);
  // Behind TLS or on a standard port a proxy stands in between: its address is not the server's.
  if (protocol !== "http:" || port === "") return "flightdeck serve";
  const host = hostname === "127.0.0.1" || hostname === "localhost" ? [] : ["--host", hostname.replace(/^\[|\]$/g, "")];
  return command("flightdeck", "serve", ...host, ...(port === "8765" ? [] : ["--port", port]));
}

export interface Empty {
  /** The release without runs, one or both. */
  releases: string[];
  window: string;
  environment: string;
}

/** What to do about a side without runs. */
export function remedyForEmpty({ releases, window, environment }: Empty): Step[] {
  const other = window === "30d" ? "90d" : "30d";
  const steps: Step[] = releases.map((release) => ({
    say: `Look for runs of ${release} in a longer window:`,
    run: command("flightdeck", "runs", "list", release, "--window", other, "--env", environment),
  }));
  const first = releases[0] ?? "";
  steps.push(
    {
      say: "If the agent is not instrumented yet, start it so:",
      run: `FLIGHTDECK_RELEASE_ID=${command(first)} opentelemetry-instrument python agent.py`,
    },
    { say: "Or hand over runs you have as RunEvents:", run: "flightdeck runs ingest events.jsonl" },
  );
  return steps;
}
