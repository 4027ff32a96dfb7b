/** `#/`: the releases, and a pair of them to compare. */

import { Button, TextInput, VisuallyHidden } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { failureOf } from "../api/failure";
import { usePromoted, useReleases } from "../api/queries";
import type { Promoted, Release } from "../api/types";
import { Field, WINDOWS } from "../diff/pair-header";
import { DEFAULT_METRIC, DEFAULT_WINDOW, go } from "../route";
import shell from "../shell/shell.module.css";
import { Loading } from "../states/loading";
import { FailureNotice, Notice, Steps } from "../states/notice";
import { SignIn } from "../states/sign-in";
import { minute } from "../text/moment";
import { type Agent, byAgent, type Choice, likelyChoice, liveIn, matching, picked, SHOWN } from "./pairing";
import classes from "./start-page.module.css";

export function StartPage() {
  const releases = useReleases();
  const promoted = usePromoted();
  useEffect(() => {
    document.title = "FlightDeck";
  }, []);

  if (releases.data === undefined) {
    const failure = releases.error === null ? null : failureOf(releases.error);
    return (
      <div className={shell["wide"]}>
        {failure === null ? (
          <Loading what="Reading the releases" />
        ) : failure.kind === "token" ? (
          <SignIn refused={failure.refused} />
        ) : (
          <FailureNotice
            failure={failure}
            titleOf="page"
            again={() => void releases.refetch()}
            asking={releases.isFetching}
          />
        )}
      </div>
    );
  }
  const all = releases.data.releases;
  if (all.length === 0) return <NoReleases again={() => void releases.refetch()} asking={releases.isFetching} />;
  // The likely pair depends on what is live: wait for that answer, or for its failure.
  if (promoted.isPending) {
    return (
      <div className={shell["wide"]}>
        <Loading what="Reading what is live" />
      </div>
    );
  }
  return <Chooser releases={all} promoted={promoted.data?.promoted ?? []} />;
}

function NoReleases({ again, asking }: { again: () => void; asking: boolean }) {
  return (
    <div className={shell["wide"]}>
      <Notice title="No releases yet" titleOf="page">
        <p>Register two releases of an agent, send runs of both, then compare them here.</p>
        <Steps
          steps={[
            {
              say: "Register the folder with a release's release.yaml:",
              run: "flightdeck release register ./my-release",
            },
            { say: "Or watch the whole way once, with an example agent:", run: "flightdeck demo --serve" },
          ]}
        />
        <p>
          <Button size="xs" variant="default" onClick={again} loading={asking}>
            Look again
          </Button>
        </p>
      </Notice>
    </div>
  );
}

function Chooser({ releases, promoted }: { releases: Release[]; promoted: Promoted[] }) {
  const [choice, setChoice] = useState<Choice>(() => likelyChoice(byAgent(releases), promoted));
  const [window, setWindow] = useState(DEFAULT_WINDOW);
  const [chosenEnvironment, setEnvironment] = useState<string | null>(null);
  const [filter, setFilter] = useState("");

  const named = (id: string) => releases.find((release) => release.release_id === id);
  const baseline = named(choice.baseline);
  const candidate = named(choice.candidate);
  const environment = chosenEnvironment ?? (baseline && liveIn(baseline, promoted)[0]) ?? candidate?.environment ?? "";
  const { shown, found } = matching(releases, filter);

  const compare = (event: FormEvent) => {
    event.preventDefault();
    if (baseline === undefined || candidate === undefined) return;
    go({
      view: "diff",
      baseline: baseline.release_id,
      candidate: candidate.release_id,
      window: window || DEFAULT_WINDOW,
      environment,
      pricing: "",
      metric: DEFAULT_METRIC,
    });
  };

  return (
    <div className={shell["wide"]}>
      <form onSubmit={compare}>
        <div className={classes["head"]}>
          <div className={classes["title"]}>
            <h1>Compare two releases</h1>
            <p className={classes["pair"]} role="status">
              {candidate?.agent_id ?? baseline?.agent_id ?? "Choose a pair"} <b>{baseline?.version ?? "no baseline"}</b>
              <span aria-hidden="true"> → </span>
              <VisuallyHidden>against</VisuallyHidden>
              <b>{candidate?.version ?? "no candidate"}</b>
            </p>
          </div>
          <div className={classes["controls"]}>
            <Field label="Window" width={88} value={window} options={WINDOWS} commit={setWindow} />
            <Field
              label="Environment"
              width={136}
              value={environment}
              options={[...new Set(releases.map((release) => release.environment))].sort().slice(0, 50)}
              placeholder="server's default"
              commit={setEnvironment}
            />
            <Button type="submit" size="xs" disabled={baseline === undefined || candidate === undefined}>
              Compare
            </Button>
          </div>
        </div>
        {releases.length > 8 && (
          <TextInput
            className={classes["filter"] ?? ""}
            size="xs"
            label="Find a release"
            placeholder="agent, version, environment or id"
            value={filter}
            onChange={(event) => setFilter(event.currentTarget.value)}
          />
        )}
        {shown.length === 0 && <p className={classes["none"]}>No release contains “{filter}”.</p>}
        {byAgent(shown).map((agent) => (
          <AgentReleases
            key={agent.id}
            agent={agent}
            promoted={promoted}
            choice={choice}
            pick={(side, release) => setChoice(picked(choice, side, release, releases))}
          />
        ))}
        {found > shown.length && (
          <p className={classes["none"]}>
            The newest {SHOWN} of {found} are shown: find others by their agent, version or id.
          </p>
        )}
      </form>
    </div>
  );
}

interface AgentReleasesProps {
  agent: Agent;
  promoted: Promoted[];
  choice: Choice;
  pick: (side: keyof Choice, release: Release) => void;
}

function AgentReleases({ agent, promoted, choice, pick }: AgentReleasesProps) {
  return (
    <section className={classes["agent"]}>
      <h2>{agent.id}</h2>
      <div className={classes["scroll"]}>
        <table>
          <thead>
            <tr>
              <th scope="col">Baseline</th>
              <th scope="col">Candidate</th>
              <th scope="col">Version</th>
              <th scope="col">Live in</th>
              <th scope="col">Environment</th>
              <th scope="col">Registered</th>
              <th scope="col">Release</th>
            </tr>
          </thead>
          <tbody>
            {agent.releases.map((release) => (
              <tr key={release.release_id}>
                {(["baseline", "candidate"] as const).map((side) => (
                  <td key={side}>
                    <input
                      type="radio"
                      name={side}
                      aria-label={`${side} ${release.agent_id} ${release.version} ${release.release_id}`}
                      checked={choice[side] === release.release_id}
                      onChange={() => pick(side, release)}
                    />
                  </td>
                ))}
                <th scope="row" title={release.version}>
                  {release.version}
                </th>
                <td>{liveIn(release, promoted).join(", ") || <span className={classes["none"]}>–</span>}</td>
                <td title={release.environment}>{release.environment}</td>
                <td className={classes["time"]}>{minute(release.created_at)}</td>
                <td className="mono">{release.release_id}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
