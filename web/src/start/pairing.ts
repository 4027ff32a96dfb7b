/** Which releases can be compared, and which pair a person most likely came for. */

import type { Promoted, Release } from "../api/types";

export interface Agent {
  id: string;
  /** Newest first. */
  releases: Release[];
}

export interface Choice {
  baseline: string;
  candidate: string;
}

/** Releases by agent, the agent with the newest release first. The server lists newest first already. */
export function byAgent(releases: Release[]): Agent[] {
  const agents = new Map<string, Release[]>();
  for (const release of releases) {
    const known = agents.get(release.agent_id);
    if (known === undefined) agents.set(release.agent_id, [release]);
    else known.push(release);
  }
  return [...agents].map(([id, own]) => ({ id, releases: own }));
}

/**
 * The newest release against what is live, or against the one before it: of the agent with the newest release that has
 * two; one release alone is no pair yet.
 */
export function likelyChoice(agents: Agent[], promoted: Promoted[]): Choice {
  const agent = agents.find((one) => one.releases.length > 1) ?? agents[0];
  const [candidate, previous] = agent?.releases ?? [];
  if (agent === undefined || candidate === undefined) return { baseline: "", candidate: "" };
  const baseline = agent.releases.find((one) => one !== candidate && liveIn(one, promoted).length > 0) ?? previous;
  return { baseline: baseline?.release_id ?? "", candidate: candidate.release_id };
}

/** The choice after one side was picked: a release of another agent can't stay on the other side. */
export function picked(choice: Choice, side: keyof Choice, release: Release, releases: Release[]): Choice {
  const next = { ...choice, [side]: release.release_id };
  const other = side === "baseline" ? "candidate" : "baseline";
  const kept = releases.find((one) => one.release_id === choice[other]);
  return kept !== undefined && kept.agent_id !== release.agent_id ? { ...next, [other]: "" } : next;
}

export const SHOWN = 200;

/** The releases in which every word of the filter occurs, at most `SHOWN` of them. */
export function matching(releases: Release[], filter: string): { shown: Release[]; found: number } {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = releases.filter((release) => {
    const text = [release.agent_id, release.version, release.environment, release.release_id].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return { shown: found.slice(0, SHOWN), found: found.length };
}

/** Where a release is live, as environments. */
export function liveIn(release: Release, promoted: Promoted[]): string[] {
  return promoted.filter((pointer) => pointer.release_id === release.release_id).map((pointer) => pointer.environment);
}
