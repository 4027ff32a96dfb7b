/** The shell: which view an address shows, the bar above it, and the sign-in that stands in for all of them. */

import { useEffect, useRef, useSyncExternalStore } from "react";
import { DiffPage } from "./diff/diff-page";
import { parseRoute, type Route } from "./route";
import { RunsPage } from "./runs/runs-page";
import classes from "./shell/shell.module.css";
import { TopBar } from "./shell/top-bar";
import { StartPage } from "./start/start-page";
import { Notice } from "./states/notice";

function useHash(): string {
  return useSyncExternalStore(
    (changed) => {
      window.addEventListener("hashchange", changed);
      return () => window.removeEventListener("hashchange", changed);
    },
    () => window.location.hash,
  );
}

function View({ route }: { route: Route }) {
  switch (route.view) {
    case "start":
      return <StartPage />;
    case "diff":
      return <DiffPage {...route} />;
    case "runs":
      return <RunsPage {...route} />;
    default:
      return (
        <Notice title="There is nothing at this address" titleOf="page">
          <p>
            <code>#{route.path}</code> is no view of this page. <a href="#/">Compare two releases</a>
          </p>
        </Notice>
      );
  }
}

export function App() {
  const route = parseRoute(useHash());
  const main = useRef<HTMLElement>(null);
  const shown = useRef(route.view);

  // Another view is another page to a screen reader and to the keyboard; another window of the same view is not.
  useEffect(() => {
    if (shown.current === route.view) return;
    shown.current = route.view;
    window.scrollTo(0, 0);
    main.current?.focus();
  }, [route.view]);

  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it does lead to #main; see below */}
      <a
        className={classes["skip"]}
        href="#main"
        onClick={(event) => {
          // The fragment is the address of the view: the jump is made by hand.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to content
      </a>
      <TopBar />
      <main id="main" ref={main} tabIndex={-1}>
        <View route={route} />
      </main>
    </>
  );
}
