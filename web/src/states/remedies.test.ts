import { describe, expect, it } from "vitest";
import type { Failure } from "../api/failure";
import { remedyFor, remedyForEmpty, serveCommand } from "./remedies";

const ADDRESS = "http://127.0.0.1:8765";

describe("each failure says what to type", () => {
  const kinds: [Exclude<Failure, { kind: "token" }>, RegExp][] = [
    [{ kind: "gone" }, /^flightdeck serve$/],
    [{ kind: "unknown-release", release: "rel_x", message: "" }, /flightdeck release register/],
    [{ kind: "refused", status: 400, message: "Cross-agent diff" }, /flightdeck release list/],
    [{ kind: "refused", status: 403, message: "host" }, /FLIGHTDECK_LOCAL_API_TOKEN/],
    [{ kind: "unavailable", status: 503, message: "", retryAfter: null }, /flightdeck doctor/],
    [{ kind: "broken", status: 500, message: "", requestId: null }, /flightdeck doctor/],
  ];

  it.each(kinds)("%j", (failure, expected) => {
    const commands = remedyFor(failure, ADDRESS).steps.map((step) => step.run ?? "");
    expect(commands.some((run) => expected.test(run))).toBe(true);
  });

  it("a bad window shows right ones", () => {
    const remedy = remedyFor({ kind: "window", message: "Invalid window unit: 7x" }, ADDRESS);
    expect(remedy.cause).toContain("Invalid window unit: 7x");
    expect(remedy.cause).toContain("24h");
  });

  it("a release id from the address bar can't smuggle a command in", () => {
    const remedy = remedyFor({ kind: "unknown-release", release: "$(reboot)", message: "" }, ADDRESS);
    expect(remedy.steps.at(-1)?.run).toContain("'$(reboot)'");
  });
});

describe("the command that starts the server again", () => {
  it.each([
    ["http://127.0.0.1:8765", "flightdeck serve"],
    ["http://localhost:9000", "flightdeck serve --port 9000"],
    ["http://10.0.0.5:8765", "flightdeck serve --host 10.0.0.5"],
    ["http://[::1]:8765", "flightdeck serve --host ::1"],
    ["https://flightdeck.example.com", "flightdeck serve"],
  ])("%s: %s", (address, expected) => {
    expect(serveCommand(address)).toBe(expected);
  });
});

describe("a side without runs", () => {
  it("is told to look further back, then to send runs", () => {
    const steps = remedyForEmpty({ releases: ["rel_a"], window: "7d", environment: "production" });
    expect(steps[0]?.run).toBe("flightdeck runs list rel_a --window 30d --env production");
    expect(steps.some((step) => step.run?.startsWith("FLIGHTDECK_RELEASE_ID=rel_a opentelemetry-instrument"))).toBe(
      true,
    );
  });

  it("looks beyond 30 days when that was the window", () => {
    expect(remedyForEmpty({ releases: ["r"], window: "30d", environment: "e" })[0]?.run).toContain("90d");
  });
});
