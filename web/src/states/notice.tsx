import { Button } from "@mantine/core";
import { Fragment, type ReactNode, useEffect } from "react";
import { serverAddress } from "../api/client";
import type { Failure } from "../api/failure";
import { useCopy } from "./copy";
import classes from "./notice.module.css";
import { remedyFor, type Step } from "./remedies";

/** A command to paste, with a button that copies it. Lines break between its words only. */
export function Command({ text }: { text: string }) {
  const [copy, outcome] = useCopy();
  return (
    <div className={classes["command"]}>
      <code>
        {text.split(" ").map((word, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: words of a fixed text have no other name
          <Fragment key={place}>
            {place > 0 && " "}
            <span>{word}</span>
          </Fragment>
        ))}
      </code>
      <button type="button" className={classes["copy"]} aria-label={`Copy: ${text}`} onClick={() => copy(text)}>
        <span aria-live="polite">{outcome === null ? "Copy" : outcome === "copied" ? "Copied" : "Failed"}</span>
      </button>
    </div>
  );
}

export function Steps({ steps }: { steps: Step[] }) {
  return (
    <ul className={classes["steps"]}>
      {steps.map((step) => (
        <li key={step.say}>
          {step.say}
          {step.run !== undefined && <Command text={step.run} />}
        </li>
      ))}
    </ul>
  );
}

interface NoticeProps {
  title: string;
  /** Whether the title is the page's own heading or stands below one. */
  titleOf: "page" | "part";
  children: ReactNode;
}

/** A state that says what is the case and what to do: the same frame for all of them. */
export function Notice({ title, titleOf, children }: NoticeProps) {
  const Heading = titleOf === "page" ? "h1" : "h2";
  useEffect(() => {
    if (titleOf === "page") document.title = `${title} · FlightDeck`;
  }, [title, titleOf]);
  return (
    <section className={classes["notice"]}>
      <div role="status">
        <Heading className={classes["title"]}>{title}</Heading>
      </div>
      <div className={classes["body"]}>{children}</div>
    </section>
  );
}

interface FailureNoticeProps {
  failure: Exclude<Failure, { kind: "token" }>;
  titleOf: "page" | "part";
  again: () => void;
  asking: boolean;
}

export function FailureNotice({ failure, titleOf, again, asking }: FailureNoticeProps) {
  const remedy = remedyFor(failure, serverAddress());
  return (
    <Notice title={remedy.title} titleOf={titleOf}>
      <p>{remedy.cause}</p>
      <Steps steps={remedy.steps} />
      {remedy.again && (
        <div className={classes["actions"]}>
          <Button size="xs" variant="default" onClick={again} loading={asking}>
            Ask again
          </Button>
        </div>
      )}
    </Notice>
  );
}
