import { useMantineColorScheme } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { forgetToken, onTokenChange, token } from "../api/token";
import { Choice } from "./choice";
import classes from "./shell.module.css";

const THEMES = [
  ["light", "Light"],
  ["dark", "Dark"],
  ["auto", "System"],
] as const;

function ThemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Choice of={THEMES} name="theme" legend="Theme" value={colorScheme} choose={(scheme) => setColorScheme(scheme)} />
  );
}

export function TopBar() {
  const queries = useQueryClient();
  const kept = useSyncExternalStore(onTokenChange, token);
  return (
    <header className={classes["bar"]}>
      <div className={classes["barInner"]}>
        <a className={classes["name"]} href="#/">
          FlightDeck
        </a>
        <div className={classes["right"]}>
          {kept !== "" && (
            <button
              type="button"
              className={classes["plain"]}
              onClick={() => {
                forgetToken();
                void queries.resetQueries();
              }}
            >
              Sign out
            </button>
          )}
          <ThemeSwitch />
        </div>
      </div>
    </header>
  );
}
