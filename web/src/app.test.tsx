import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { charts, diff, noData, POLICY, PRICE_TABLES, PROMOTED, RELEASES } from "../test/answers";
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
    "/v1/diff/charts": () => json(charts()),
    "/v1/pricing/versions": () => json(PRICE_TABLES),
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

describe("the charts of a diff", () => {
  const plain = (text: string | null) => (text ?? "").replaceAll("\u202f", " ");
  const overTime = () => screen.findByRole("slider", { name: "Stretch of time" });
  const readout = () => plain(screen.getByTestId("readout").textContent);

  it("are of the very runs that were judged, and are asked for after the verdict", async () => {
    show(formatRoute({ ...PAIR, pricing: "openai/2025-06" }));
    await overTime();
    const order = asked.map((one) => one.path).filter((path) => path.startsWith("/v1/diff"));
    expect(order).toEqual(["/v1/diff", "/v1/diff/charts"]);
    const { windows } = diff();
    expect(asked.find((one) => one.path === "/v1/diff/charts")?.body).toMatchObject({
      baseline_window: windows.baseline,
      candidate_window: windows.candidate,
      pricing: "openai/2025-06",
    });
  });

  it("read the newest hour, and others by the keys", async () => {
    show(formatRoute(PAIR));
    const slider = await overTime();
    expect(readout()).toContain("2026-11-24 17:00 to 18:00 UTC");
    expect(readout()).toContain("10.00 % (5.00 % to 15.00 %), n 60");
    slider.focus();
    await userEvent.keyboard("{ArrowLeft}");
    expect(readout()).toContain("2.50 % (0.50 % to 4.50 %), n 40");
    expect(readout()).toContain("no runs");
    expect(plain(slider.getAttribute("aria-valuetext"))).toBe(
      "2026-11-24 16:00 to 17:00 UTC: 1.4.0 2.50 % of 40 runs, 1.5.0 no runs",
    );
    await userEvent.keyboard("{End}{ArrowRight}");
    expect(slider.getAttribute("aria-valuenow")).toBe("2");
  });

  it("have their table, and say what the policy's line is", async () => {
    show(formatRoute(PAIR));
    const section = within(await screen.findByRole("region", { name: "Over time" }));
    await overTime();
    expect(section.getByText(/2\.00.%, the policy's limit on the candidate\./)).toBeTruthy();
    const rows = section.getAllByRole("row", { hidden: true }).map((row) => plain(row.textContent));
    expect(rows.slice(1)).toEqual([
      "2026-11-24 16:00 to 17:002.50 %0.50 % to 4.50 %40––0",
      "2026-11-24 17:00 to 18:005.00 %1.00 % to 9.00 %2010.00 %5.00 % to 15.00 %60",
    ]);
  });

  it("another metric is in the address and asks for nothing", async () => {
    show(formatRoute(PAIR));
    await overTime();
    const before = asked.length;
    await userEvent.click(screen.getByRole("radio", { name: "Latency" }));
    expect(await screen.findByText(/1,349.50.ms, the margin above the baseline's mean/)).toBeTruthy();
    expect(window.location.hash).toBe(formatRoute({ ...PAIR, metric: "latency_ms" }));
    expect(asked).toHaveLength(before);
  });

  it("without any price say so, and how to get some", async () => {
    show(formatRoute({ ...PAIR, metric: "cost_usd" }));
    expect(await screen.findAllByText(/No run of either side has a price/)).toHaveLength(2);
    expect(screen.getAllByRole("button", { name: "Copy: flightdeck pricing import prices.yaml" })).toHaveLength(2);
  });

  it("of a single hour are its numbers only", async () => {
    wire["/v1/diff/charts"] = () =>
      json(
        charts((answer) => {
          for (const one of answer.over_time) one.baseline = one.baseline.slice(1);
        }),
      );
    show(formatRoute(PAIR));
    expect(await screen.findByText(/All runs began within one hour: .* A longer window may have more/)).toBeTruthy();
    expect(screen.queryByRole("slider")).toBeNull();
    expect(readout()).toContain("n 60");
  });

  it("of a single wide stretch advise a shorter window", async () => {
    wire["/v1/diff/charts"] = () =>
      json(
        charts((answer) => {
          answer.width_h = 480;
          for (const one of answer.over_time) one.baseline = one.baseline.slice(1);
        }),
      );
    show(formatRoute(PAIR));
    expect(
      await screen.findByText(/one stretch of 480 hours: .* A shorter window has narrower stretches/),
    ).toBeTruthy();
    expect(screen.queryByText(/A longer window/)).toBeNull();
  });

  it("mark quantiles, and say which have no upper limit", async () => {
    show(formatRoute(PAIR));
    const table = await screen.findByRole("table", { name: "Quantiles: Latency" });
    expect(
      within(table)
        .getAllByRole("row")
        .map((row) => plain(row.textContent)),
    ).toEqual([
      "p50p95p99runs",
      "○ 1.4.01,200.00 ms2,400.00 ms3,600.00 ms60",
      "● 1.5.01,300.00 ms2,600.00 ms3,900.00 ms60",
    ]);
    expect(screen.getByText("candidate 1.5.0: too few runs for an upper limit of p95 and p99.")).toBeTruthy();
  });

  it("that can't be had leave the verdict as it is", async () => {
    wire["/v1/diff/charts"] = () => json({ detail: "The store does not answer." }, 503);
    show(formatRoute(PAIR));
    expect((await screen.findAllByRole("alert")).map((one) => one.textContent)).toEqual(
      Array(2).fill("The runs can't be drawn: The store does not answer."),
    );
    expect(within(await verdict()).getByText("FAIL")).toBeTruthy();
  });

  it("are not asked for where there are no runs", async () => {
    wire["/v1/diff"] = () => json(noData());
    show(formatRoute(PAIR));
    await verdict();
    expect(asked.some((one) => one.path === "/v1/diff/charts")).toBe(false);
  });
});

describe("other prices", () => {
  it("are another address, judged anew, and said in the band and the command", async () => {
    show(formatRoute(PAIR));
    await verdict();
    await screen.findByRole("option", { name: "openai/2025-06" });
    await userEvent.selectOptions(screen.getByRole("combobox", { name: "Re-price" }), "openai/2025-06");
    await waitFor(() => expect(window.location.hash).toBe(formatRoute({ ...PAIR, pricing: "openai/2025-06" })));
    expect(await screen.findByText(/by openai\/2025-06; promotions are judged by own prices/)).toBeTruthy();
    expect(asked.filter((one) => one.path === "/v1/diff").at(-1)?.body).toMatchObject({ pricing: "openai/2025-06" });
    expect(
      screen.getByRole("button", { name: /^Copy: flightdeck release diff .* --pricing openai\/2025-06$/ }),
    ).toBeTruthy();
  });

  it("that nobody imported say so, and leave the choice", async () => {
    wire["/v1/diff"] = () => json({ detail: "Missing pricing table for baseline openai/gone." }, 400);
    show(formatRoute({ ...PAIR, pricing: "openai/gone" }));
    expect(await screen.findByRole("heading", { name: "These prices are not here" })).toBeTruthy();
    expect(screen.getByRole<HTMLSelectElement>("combobox", { name: "Re-price" }).value).toBe("openai/gone");
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
