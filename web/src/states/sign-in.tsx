import { Button, PasswordInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { keepToken, tokenProblem } from "../api/token";
import { Notice, Steps } from "./notice";
import classes from "./notice.module.css";

const REFUSED = "The server refused this token: it is wrong, or the server was restarted with another one.";

/** Asks for the token in place of what could not be shown; then the same address is asked again. */
export function SignIn({ refused }: { refused: boolean }) {
  const queries = useQueryClient();
  const [value, setValue] = useState("");
  const [problem, setProblem] = useState<string | null>(null);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const found = tokenProblem(value.trim());
    setProblem(found);
    if (found !== null) return;
    keepToken(value.trim());
    void queries.resetQueries();
  };

  return (
    <Notice title="This server asks for its token" titleOf="page">
      <p>The page keeps it in this tab only and forgets it when the tab closes.</p>
      <form className={classes["form"]} onSubmit={submit} aria-label="Sign in">
        <PasswordInput
          className={classes["field"]}
          label="API token"
          name="token"
          autoComplete="current-password"
          value={value}
          onChange={(event) => setValue(event.currentTarget.value)}
          error={problem ?? (refused ? REFUSED : null)}
          visibilityToggleButtonProps={{ "aria-label": "Show the token", tabIndex: 0 }}
        />
        <Button type="submit">Sign in</Button>
      </form>
      <Steps
        steps={[
          {
            say: "It is what FLIGHTDECK_LOCAL_API_TOKEN was when the server was started. Where that is set, print it:",
            run: "printenv FLIGHTDECK_LOCAL_API_TOKEN",
          },
        ]}
      />
    </Notice>
  );
}
