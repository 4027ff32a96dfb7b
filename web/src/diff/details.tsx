import { Button, Collapse } from "@mantine/core";
import { useId, useState } from "react";
import type { Diff } from "../api/types";
import { formatRoute, type Route } from "../route";
import { useCopy } from "../states/copy";
import { Command } from "../states/notice";
import { command } from "../text/shell";
import classes from "./details.module.css";

interface DetailsProps {
  diff: Diff;
  route: Extract<Route, { view: "diff" }>;
  versions: { baseline: string; candidate: string };
}

/** Where to look next: the runs of each side, the same answer on the command line, and the answer itself. */
export function Details({ diff, route, versions }: DetailsProps) {
  const [isOpen, setOpen] = useState(false);
  const [copy, outcome] = useCopy();
  const id = useId();
  const { environment } = diff.filters;
  const runs = (release: string) =>
    formatRoute({ view: "runs", release, window: route.window, environment, offset: 0 });
  const raw = JSON.stringify(diff, null, 2);
  return (
    <div className={classes["details"]}>
      <p className={classes["links"]}>
        <a href={runs(route.baseline)}>Runs of {versions.baseline}</a>
        <a href={runs(route.candidate)}>Runs of {versions.candidate}</a>
      </p>
      <div>
        The same on the command line; in CI, add --fail-on-policy:
        <Command
          text={command(
            "flightdeck",
            "release",
            "diff",
            route.baseline,
            route.candidate,
            "--window",
            route.window,
            "--env",
            environment,
            ...(route.pricing === "" ? [] : ["--pricing", route.pricing]),
          )}
        />
      </div>
      <div>
        <Button
          size="xs"
          variant="default"
          aria-expanded={isOpen}
          aria-controls={id}
          onClick={() => setOpen((open) => !open)}
        >
          {isOpen ? "Hide JSON" : "Show JSON"}
        </Button>
        <Collapse expanded={isOpen} transitionDuration={0} id={id}>
          <div className={classes["raw"]}>
            <Button size="compact-xs" variant="default" className={classes["copy"] ?? ""} onClick={() => copy(raw)}>
              {outcome === null ? "Copy JSON" : outcome === "copied" ? "Copied" : "Copy failed"}
            </Button>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
            <pre tabIndex={0}>{raw}</pre>
          </div>
        </Collapse>
      </div>
    </div>
  );
}
