import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { diff, noData, POLICY, PROMOTED, RELEASES } from "../test/answers";
import { makeQueryClient } from "./api/queries";
import { App } from "./app";
import { formatRoute } from "./route";
import { theme } from "./theme";

const PAIR = {
  view: "diff",
  baseline: "rel_000000000001",
  candidate: "rel_000000000003",
  window: "7d",
  environment: "production",
  pricing: "",
  metric: "error_rate",
} as const;

interface Asked {
  path: string;
  authorization: string | null;
  body: unknown;
}

/** The wire: answers by path, `null` for a server that is gone. Everything above it is the real page. */
let wire: Record<string, () => Response | null>;
let asked: Asked[];

const json = (body: unknown, status = 200) => Response.json(body, { status });

beforeEach(() => {
  asked = [];
  wire = {
    "/v1/releases": () => json({ releases: RELEASES }),
    "/v1/promoted": () => json({ promoted: PROMOTED }),
    "/v1/policy": () => json(POLICY),
    "/v1/diff": () => json(diff()),
  };
  vi.stubGlobal("fetch", async (request: Request) => {
    const path = new URL(request.url).pathname;
    const text = await request.text();
    asked.push({
      path,
      authorization: request.headers.get("Authorization"),
      body: text === "" ? null : JSON.parse(text),
    });
    const answer = wire[path]?.() ?? null;
    if (answer === null) throw new TypeError("Failed to fetch");
    return answer;
  });
});

function show(hash: string) {
  window.location.hash = hash;
  return render(
    <MantineProvider theme={theme}>
      <QueryClientProvider client={makeQueryClient()}>
        <App />
      </QueryClientProvider>
    </MantineProvider>,
  );
}

const verdict = () => screen.findByRole("region", { name: "Verdict" });

describe("a diff", () => {
  it("shows word, answer, reasons and runs before anything else", async () => {
    show(formatRoute(PAIR));
    const band = within(await verdict());
    expect(band.getByText("FAIL")).toBeTruthy();
    expect(band.getByText("Do not roll forward")).toBeTruthy();
    expect(band.getByRole("list", { name: "Reasons" }).textContent).toBe(
      "candidate error_rate 0.1167 exceeds max 0.0200",
    );
    expect(band.getByText("60 baseline, 60 candidate")).toBeTruthy();
    expect((await screen.findByRole("heading", { level: 1 })).textContent).toMatch(/Baseline.*live.*1\.4\.0/);
    expect(document.title).toBe("✕ FAIL · 1.4.0 → 1.5.0 · FlightDeck");
  });

  it("asks exactly what the address says", async () => {
    show(formatRoute({ ...PAIR, environment: "" }));
    await verdict();
    expect(asked.find((one) => one.path === "/v1/diff")?.body).toEqual({
      baseline_release_id: PAIR.baseline,
      candidate_release_id: PAIR.candidate,
      window: "7d",
      environment: null,
    });
  });

  it("another window is another address, and judged anew", async () => {
    show(formatRoute(PAIR));
    await verdict();
    const field = screen.getByRole("combobox", { name: "Window" });
    await userEvent.clear(field);
    await userEvent.type(field, "24h{Enter}");
    await waitFor(() => expect(window.location.hash).toContain("window=24h"));
    await waitFor(() => expect(asked.filter((one) => one.path === "/v1/diff")).toHaveLength(2));
  });

  it("without runs tells how to look further and how to send some", async () => {
    wire["/v1/diff"] = () => json(noData());
    show(formatRoute(PAIR));
    expect(within(await verdict()).getByText("NODATA")).toBeTruthy();
    const section = within(screen.getByRole("region", { name: "No runs" }));
    expect(section.getByText(/Neither release has a finished run/)).toBeTruthy();
    expect(section.getAllByRole("button", { name: /^Copy: flightdeck runs list rel_/ })).toHaveLength(2);
  });

  it("is shown without versions and limits when only the diff can be had", async () => {
    for (const path of ["/v1/releases", "/v1/promoted", "/v1/policy"]) wire[path] = () => json({ detail: "no" }, 503);
    show(formatRoute(PAIR));
    await verdict();
    expect(screen.getByRole("heading", { level: 1 }).textContent).toContain(PAIR.candidate);
    expect(screen.getAllByText("unknown")).toHaveLength(3);
  });

  it("that is judged again in vain stays, and says of when it is", async () => {
    show(formatRoute(PAIR));
    await verdict();
    wire["/v1/diff"] = () => null;
    await userEvent.click(screen.getByRole("button", { name: "Judge again" }));
    expect((await screen.findByRole("alert")).textContent).toContain("the answer of 2026-11-24 18:19:25 UTC");
    expect(within(await verdict()).getByText("FAIL")).toBeTruthy();
  });

  it("raw JSON is one click away", async () => {
    show(formatRoute(PAIR));
    await verdict();
    await userEvent.click(screen.getByRole("button", { name: "Show JSON" }));
    expect(screen.getByText(/"delta_cost_per_run_pct": 4.0000000000000036/)).toBeTruthy();
  });
});

describe("a server with a token", () => {
  const TOKEN = "right";

  beforeEach(() => {
    for (const [path, answer] of Object.entries(wire)) {
      wire[path] = () =>
        asked.at(-1)?.authorization === `Bearer ${TOKEN}`
          ? answer()
          : json({ detail: "Missing or invalid API token for read route." }, 401);
    }
  });

  it("is asked in, and then shows what the address named", async () => {
    show(formatRoute(PAIR));
    await userEvent.type(await screen.findByLabelText("API token"), `${TOKEN}{Enter}`);
    expect(within(await verdict()).getByText("FAIL")).toBeTruthy();
    expect(window.location.hash).toBe(formatRoute(PAIR));
  });

  it("that refuses a token says so, and asks again", async () => {
    show("#/");
    await userEvent.type(await screen.findByLabelText("API token"), "wrong{Enter}");
    expect(await screen.findByText(/The server refused this token/)).toBeTruthy();
    await userEvent.clear(screen.getByLabelText("API token"));
    await userEvent.type(screen.getByLabelText("API token"), `${TOKEN}{Enter}`);
    expect(await screen.findByRole("heading", { name: "Compare two releases" })).toBeTruthy();
  });

  it("is not sent what can't be a header", async () => {
    show("#/");
    await userEvent.type(await screen.findByLabelText("API token"), "naïve{Enter}");
    expect(await screen.findByText(/only ASCII characters/)).toBeTruthy();
    expect(asked.every((one) => one.authorization === null)).toBe(true);
  });

  it("is forgotten by signing out", async () => {
    sessionStorage.setItem("flightdeck-token", TOKEN);
    show(formatRoute(PAIR));
    await verdict();
    await userEvent.click(screen.getByRole("button", { name: "Sign out" }));
    expect(await screen.findByLabelText("API token")).toBeTruthy();
    expect(sessionStorage.length).toBe(0);
  });
});

describe("when something is wrong", () => {
  it("a server that is gone is found again by itself", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    try {
      const answer = wire["/v1/diff"];
      wire["/v1/diff"] = () => null;
      show(formatRoute(PAIR));
      expect(await screen.findByRole("heading", { name: "The server does not answer" })).toBeTruthy();
      if (answer !== undefined) wire["/v1/diff"] = answer;
      await act(() => vi.advanceTimersByTimeAsync(5_000));
      expect(within(await verdict()).getByText("FAIL")).toBeTruthy();
    } finally {
      vi.useRealTimers();
    }
  });

  it.each([
    ["Unknown release: rel_000000000003", 400, "rel_000000000003 is not registered here"],
    ["Invalid window: abc", 400, "This is no window"],
    ["Cross-agent diff is not allowed.", 400, "The server does not compare these"],
    ["The store does not answer.", 503, "The server can't answer now"],
    ["", 500, "The server failed"],
  ])("%j (%d): %s", async (detail, status, title) => {
    wire["/v1/diff"] = () => json({ detail }, status);
    show(formatRoute(PAIR));
    expect(await screen.findByRole("heading", { name: title })).toBeTruthy();
  });

  it("an answer that is no JSON is said to come from something else", async () => {
    wire["/v1/diff"] = () => new Response("<html>proxy</html>", { headers: { "Content-Type": "text/html" } });
    show(formatRoute(PAIR));
    expect(await screen.findByText(/something else than FlightDeck answers/)).toBeTruthy();
  });

  it("an address without a pair leads to the choice", async () => {
    show("#/diff?baseline=rel_000000000001");
    expect(await screen.findByRole("heading", { name: "A comparison needs two releases" })).toBeTruthy();
    expect(asked.some((one) => one.path === "/v1/diff")).toBe(false);
  });

  it("an address of nothing says so", async () => {
    show("#/settings");
    expect(await screen.findByRole("heading", { name: "There is nothing at this address" })).toBeTruthy();
  });
});

describe("the start", () => {
  it("offers the newest release against the live one, and compares them", async () => {
    show("#/");
    await screen.findByRole("heading", { name: "Compare two releases" });
    await userEvent.click(screen.getByRole("button", { name: "Compare" }));
    await waitFor(() => expect(window.location.hash).toBe(formatRoute(PAIR)));
  });

  it("without releases says how to register one", async () => {
    wire["/v1/releases"] = () => json({ releases: [] });
    show("#/");
    expect(await screen.findByRole("heading", { name: "No releases yet" })).toBeTruthy();
    expect(screen.getByRole("button", { name: "Copy: flightdeck release register ./my-release" })).toBeTruthy();
  });
});
