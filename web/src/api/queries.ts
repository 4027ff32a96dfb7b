/** What the views ask the server, and when they ask again. */

import { QueryClient, useQuery } from "@tanstack/react-query";
import {
  type Comparison,
  fetchCharts,
  fetchDiff,
  fetchExplanation,
  fetchPolicy,
  fetchPriceTables,
  fetchPromoted,
  fetchReleases,
  fetchRuns,
  type RunsWanted,
} from "./client";
import { failureOf } from "./failure";
import type { Diff } from "./types";

const AGAIN_MS = 5_000;

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // A verdict stands for the moment it was judged: it changes when a person asks, not under their eyes.
        refetchOnWindowFocus: false,
        refetchOnReconnect: false,
        staleTime: Number.POSITIVE_INFINITY,
        retry: false,
        // A server on loopback is there without a network.
        networkMode: "always",
        // Where nothing answers there is no load to add to: the page finds the server again by itself.
        refetchInterval: (query) =>
          query.state.error !== null && failureOf(query.state.error).kind === "gone" ? AGAIN_MS : false,
      },
    },
  });
}

/** All that tells one comparison from another. */
function namesOf(of: Comparison): string[] {
  return [of.baseline, of.candidate, of.window, of.environment, of.pricing];
}

export function useDiff(of: Comparison) {
  return useQuery({
    queryKey: ["diff", ...namesOf(of)],
    queryFn: ({ signal }) => fetchDiff(of, signal),
    enabled: of.baseline !== "" && of.candidate !== "",
  });
}

/** What moved; asked for once somebody wants to know. */
export function useExplanation(of: Comparison, isWanted: boolean) {
  return useQuery({
    queryKey: ["explanation", ...namesOf(of)],
    queryFn: ({ signal }) => fetchExplanation(of, signal),
    enabled: isWanted,
  });
}

/** The charts of an answer; judged again, they are asked for again. */
export function useCharts(of: Comparison, diff: Diff) {
  return useQuery({
    queryKey: ["charts", ...namesOf(of), diff.policy.evaluated_at],
    queryFn: ({ signal }) => fetchCharts(of, diff.windows, signal),
    // The same pair judged again: what was drawn stays until there is the new.
    placeholderData: (before) => before,
  });
}

export function usePriceTables() {
  return useQuery({ queryKey: ["prices"], queryFn: ({ signal }) => fetchPriceTables(signal) });
}

export function usePolicy() {
  return useQuery({ queryKey: ["policy"], queryFn: ({ signal }) => fetchPolicy(signal) });
}

export function useReleases() {
  return useQuery({ queryKey: ["releases"], queryFn: ({ signal }) => fetchReleases(signal) });
}

/** Which release is live, by agent and environment. */
export function usePromoted() {
  return useQuery({ queryKey: ["promoted"], queryFn: ({ signal }) => fetchPromoted(signal) });
}

export function useRuns(of: RunsWanted) {
  return useQuery({
    queryKey: ["runs", of.release, of.window, of.environment, of.offset],
    queryFn: ({ signal }) => fetchRuns(of, signal),
    enabled: of.release !== "",
  });
}
