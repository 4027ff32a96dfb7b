/** The server, typed by its own OpenAPI document (`schema.d.ts` is generated: `python web/generate.py`). */

import createClient from "openapi-fetch";
import { ApiError, failureOfAnswer } from "./failure";
import type { paths } from "./schema";
import { token } from "./token";
import type { Charts, Diff, Explanation, Policy } from "./types";

/** Where the page was served from; below a reverse proxy's path that is not the root. */
export function serverAddress(): string {
  return new URL(".", window.location.href).href.replace(/\/$/, "");
}

const client = createClient<paths>({
  baseUrl: serverAddress(),
  // Looked up at each call, so that a test can put its own wire in.
  fetch: (request) => globalThis.fetch(request),
});

client.use({
  onRequest({ request }) {
    const kept = token();
    if (kept !== "") request.headers.set("Authorization", `Bearer ${kept}`);
    return request;
  },
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer; throws ApiError for anything but a 2xx answer in JSON. */
async function dataOf<T>(call: Promise<Answer<T>>): Promise<T> {
  const tokenSent = token() !== "";
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    const message = "The answer is not JSON: something else than FlightDeck answers at this address.";
    throw new ApiError({ kind: "broken", status: 200, message, requestId: null });
  }
  if (!answer.response.ok || answer.data === undefined) {
    throw new ApiError(failureOfAnswer(answer.response, answer.error, tokenSent));
  }
  return answer.data;
}

export interface Comparison {
  baseline: string;
  candidate: string;
  window: string;
  environment: string;
  /** Empty: each release's own prices. */
  pricing: string;
}

function bodyOf(of: Comparison) {
  return {
    baseline_release_id: of.baseline,
    candidate_release_id: of.candidate,
    window: of.window,
    environment: of.environment || null,
    ...(of.pricing === "" ? {} : { pricing: of.pricing }),
  };
}

export function fetchDiff(of: Comparison, signal: AbortSignal): Promise<Diff> {
  return dataOf(client.POST("/v1/diff", { body: bodyOf(of), signal })) as Promise<Diff>;
}

/** What moved the metrics between two releases. */
export async function fetchExplanation(of: Comparison, signal: AbortSignal): Promise<Explanation> {
  const body = { ...bodyOf(of), explain: true };
  const answer = (await dataOf(client.POST("/v1/diff", { body, signal }))) as Diff;
  return (answer.explanation ?? { metrics: [] }) as Explanation;
}

/** What the runs of a diff look like: the same runs, by its windows. */
export function fetchCharts(of: Comparison, windows: Diff["windows"], signal: AbortSignal): Promise<Charts> {
  const { baseline, candidate } = windows;
  const body = { ...bodyOf(of), baseline_window: baseline, candidate_window: candidate };
  return dataOf(client.POST("/v1/diff/charts", { body, signal })) as Promise<Charts>;
}

/** The price tables of the workspace, and the version of the default prices. */
export function fetchPriceTables(signal: AbortSignal) {
  return dataOf(client.GET("/v1/pricing/versions", { signal }));
}

export function fetchPolicy(signal: AbortSignal): Promise<Policy> {
  return dataOf(client.GET("/v1/policy", { signal })) as Promise<Policy>;
}

export function fetchReleases(signal: AbortSignal) {
  return dataOf(client.GET("/v1/releases", { signal }));
}

export function fetchPromoted(signal: AbortSignal) {
  return dataOf(client.GET("/v1/promoted", { signal }));
}

export interface RunsWanted {
  release: string;
  window: string;
  environment: string;
  offset: number;
}

export const RUNS_PER_PAGE = 100;

export function fetchRuns(of: RunsWanted, signal: AbortSignal) {
  const query = {
    release_id: of.release,
    window: of.window,
    offset: of.offset,
    limit: RUNS_PER_PAGE,
    ...(of.environment === "" ? {} : { environment: of.environment }),
  };
  return dataOf(client.GET("/v1/runs", { params: { query }, signal }));
}
