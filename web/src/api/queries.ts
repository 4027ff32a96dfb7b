/** What the views ask the server, and when they ask again. */

import { QueryClient, useQuery } from "@tanstack/react-query";
import {
  type Comparison,
  fetchDiff,
  fetchExplanation,
  fetchPolicy,
  fetchPromoted,
  fetchReleases,
  fetchRuns,
  type RunsWanted,
} from "./client";
import { failureOf } from "./failure";

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

export function useDiff(of: Comparison) {
  return useQuery({
    queryKey: ["diff", of.baseline, of.candidate, of.window, of.environment],
    queryFn: ({ signal }) => fetchDiff(of, signal),
    enabled: of.baseline !== "" && of.candidate !== "",
  });
}

/** What moved; asked for once somebody wants to know. */
export function useExplanation(of: Comparison, isWanted: boolean) {
  return useQuery({
    queryKey: ["explanation", of.baseline, of.candidate, of.window, of.environment],
    queryFn: ({ signal }) => fetchExplanation(of, signal),
    enabled: isWanted,
  });
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
