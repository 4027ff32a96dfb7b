import { describe, expect, it } from "vitest";
import { PROMOTED, RELEASES, release } from "../../test/answers";
import { byAgent, likelyChoice, liveIn, matching, picked, SHOWN } from "./pairing";

describe("the pair a person likely came for", () => {
  it("is the newest release against the one that is live", () => {
    expect(likelyChoice(byAgent(RELEASES), PROMOTED)).toEqual({
      baseline: "rel_000000000001",
      candidate: "rel_000000000003",
    });
  });

  it("is the newest against the one before where nothing else is live", () => {
    const before = { baseline: "rel_000000000002", candidate: "rel_000000000003" };
    expect(likelyChoice(byAgent(RELEASES), [])).toEqual(before);
    const newest = [{ agent_id: "agent_support", environment: "local", release_id: "rel_000000000003" }];
    expect(likelyChoice(byAgent(RELEASES), newest)).toEqual(before);
  });

  it("lacks a baseline while there is one release only", () => {
    expect(likelyChoice(byAgent([release({})]), [])).toEqual({ baseline: "", candidate: "rel_000000000001" });
    expect(likelyChoice([], [])).toEqual({ baseline: "", candidate: "" });
  });

  it("is of an agent that has a pair, even if another one has the newest release", () => {
    const alone = release({ release_id: "rel_000000000010", agent_id: "agent_new" });
    const pair = { baseline: "rel_000000000001", candidate: "rel_000000000003" };
    expect(likelyChoice(byAgent([alone, ...RELEASES]), PROMOTED)).toEqual(pair);
  });

  it("never spans two agents: picking another agent's release clears the other side", () => {
    const choice = { baseline: "rel_000000000001", candidate: "rel_000000000003" };
    const billing = RELEASES[1];
    if (billing === undefined) throw new Error("the recorded releases lost one");
    expect(picked(choice, "candidate", billing, RELEASES)).toEqual({ baseline: "", candidate: "rel_000000000009" });
    expect(picked(choice, "baseline", release({ release_id: "rel_000000000002" }), RELEASES)).toEqual({
      baseline: "rel_000000000002",
      candidate: "rel_000000000003",
    });
  });
});

describe("finding releases", () => {
  it("takes every word anywhere", () => {
    expect(matching(RELEASES, "SUPPORT 1.4").shown.map((one) => one.version)).toEqual(["1.4.1", "1.4.0"]);
    expect(matching(RELEASES, "0009").found).toBe(1);
    expect(matching(RELEASES, "nothing like it").found).toBe(0);
  });

  it("shows a bounded number and says how many there are", () => {
    const many = Array.from({ length: SHOWN + 50 }, (_, n) => release({ release_id: `rel_${n}` }));
    expect(matching(many, "")).toMatchObject({ found: SHOWN + 50 });
    expect(matching(many, "").shown).toHaveLength(SHOWN);
  });

  it("knows where a release is live", () => {
    expect(RELEASES.map((one) => liveIn(one, PROMOTED))).toEqual([[], [], [], ["production"]]);
  });
});
