import { Autocomplete, Button, NativeSelect } from "@mantine/core";
import { type KeyboardEvent, useEffect, useState } from "react";
import type { Release } from "../api/types";
import { go, type Route } from "../route";
import { useCopy } from "../states/copy";
import classes from "./pair-header.module.css";

interface FieldProps {
  label: string;
  value: string;
  options: string[];
  placeholder?: string;
  width: number;
  commit: (value: string) => void;
}

/** A text with suggestions, taken over by Enter, by a choice, or by leaving the field. */
export function Field({ label, value, options, placeholder = "", width, commit }: FieldProps) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const take = (next: string) => {
    const cleaned = next.trim();
    if (cleaned !== value) commit(cleaned);
  };
  return (
    <Autocomplete
      size="xs"
      w={width}
      label={label}
      value={text}
      placeholder={placeholder}
      data={options}
      filter={({ options: all }) => all}
      onChange={setText}
      onOptionSubmit={take}
      onBlur={() => take(text)}
      onKeyDown={(event: KeyboardEvent) => {
        if (event.key === "Enter") take(text);
      }}
      comboboxProps={{ transitionProps: { duration: 0 } }}
    />
  );
}

export const WINDOWS = ["1h", "24h", "7d", "30d"];

export interface Side {
  id: string;
  release: Release | undefined;
  isLive: boolean;
}

function SideName({ name, side }: { name: string; side: Side }) {
  return (
    <span className={classes["side"]}>
      <span className={classes["role"]}>
        {name}
        {side.isLive && <span className={classes["live"]}>live</span>}
      </span>
      <span className={classes["version"]}>{side.release?.version ?? side.id}</span>
      {side.release !== undefined && <span className={classes["id"]}>{side.id}</span>}
    </span>
  );
}

interface PairHeaderProps {
  route: Extract<Route, { view: "diff" }>;
  baseline: Side;
  candidate: Side;
  /** The environment the server chose where the address names none. */
  environment: string;
  environments: string[];
  /** What both sides may be priced by. */
  prices: [string, string][];
  judgeAgain: () => void;
  isJudging: boolean;
}

export function PairHeader(props: PairHeaderProps) {
  const { route, baseline, candidate, environment, environments, prices, judgeAgain, isJudging } = props;
  const [copy, outcome] = useCopy();
  const agent = candidate.release?.agent_id ?? baseline.release?.agent_id;
  return (
    <div className={classes["header"]}>
      <div>
        {agent !== undefined && <p className={classes["agent"]}>{agent}</p>}
        <h1 className={classes["pair"]}>
          <SideName name="Baseline" side={baseline} />
          <span className={classes["arrow"]}>
            <span aria-hidden="true">→</span>
          </span>
          <SideName name="Candidate" side={candidate} />
        </h1>
      </div>
      <div className={classes["controls"]}>
        <Field
          label="Window"
          width={88}
          value={route.window}
          options={WINDOWS}
          commit={(window) => go({ ...route, window })}
        />
        <Field
          label="Environment"
          width={136}
          value={route.environment || environment}
          options={environments}
          commit={(chosen) => go({ ...route, environment: chosen })}
        />
        <NativeSelect
          size="xs"
          w={208}
          label="Re-price"
          value={route.pricing}
          data={prices.map(([value, label]) => ({ value, label }))}
          onChange={(event) => go({ ...route, pricing: event.currentTarget.value })}
        />
        <Button size="xs" variant="default" onClick={judgeAgain} loading={isJudging}>
          Judge again
        </Button>
        <Button size="xs" variant="default" miw={88} onClick={() => copy(window.location.href)}>
          <span aria-live="polite">
            {outcome === null ? "Copy link" : outcome === "copied" ? "Copied" : "Copy failed"}
          </span>
        </Button>
      </div>
    </div>
  );
}
