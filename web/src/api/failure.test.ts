import { describe, expect, it } from "vitest";
import { ApiError, type Failure, failureOf, failureOfAnswer } from "./failure";

const answered = (status: number, detail: unknown, headers: Record<string, string> = {}, tokenSent = false): Failure =>
  failureOfAnswer(new Response(null, { status, headers }), { detail }, tokenSent);

describe("each failure has its kind", () => {
  it("401 asks for a token, and says whether one was refused", () => {
    expect(answered(401, "Missing or invalid API token for read route.")).toEqual({ kind: "token", refused: false });
    expect(answered(401, "Missing or invalid API token for read route.", {}, true)).toMatchObject({ refused: true });
  });

  it("an unknown release is named, also when a hint follows", () => {
    expect(answered(400, "Unknown release: rel_x Register it first.")).toMatchObject({
      kind: "unknown-release",
      release: "rel_x",
    });
    expect(answered(400, "Unknown candidate release: rel_x")).toMatchObject({ release: "rel_x" });
    expect(answered(404, "Unknown release: rel_x")).toMatchObject({ kind: "unknown-release" });
  });

  it.each(["Invalid window: abc", "Invalid window unit: 7x"])("%s is a bad window", (detail) => {
    expect(answered(400, detail).kind).toBe("window");
  });

  it("other refusals keep the server's words", () => {
    const detail = "Cross-agent diff is not allowed.";
    expect(answered(400, detail)).toEqual({ kind: "refused", status: 400, message: detail });
    expect(answered(422, [{ loc: ["body", "window"], msg: "Field required" }])).toMatchObject({
      message: "window: Field required",
    });
    expect(answered(409, { message: "Blocked", outcome: {} })).toMatchObject({ message: "Blocked" });
    expect(answered(418, undefined)).toMatchObject({ message: "The server answered 418." });
  });

  it("busy and unavailable say when to come back", () => {
    expect(answered(503, "ClickHouse does not answer", { "Retry-After": "5" })).toEqual({
      kind: "unavailable",
      status: 503,
      message: "ClickHouse does not answer",
      retryAfter: 5,
    });
    expect(answered(429, "", { "Retry-After": "soon" })).toMatchObject({ retryAfter: null });
  });

  it("a gateway without a server behind it is a server that is gone", () => {
    expect(answered(502, "").kind).toBe("gone");
    expect(failureOf(new TypeError("Failed to fetch"))).toEqual({ kind: "gone" });
  });

  it("a server that fails is named by its request", () => {
    const failure = failureOfAnswer(
      new Response(null, { status: 500, headers: { "X-Request-Id": "abc" } }),
      "Internal Server Error",
      false,
    );
    expect(failure).toEqual({ kind: "broken", status: 500, message: "Internal Server Error", requestId: "abc" });
    expect(failureOf(new ApiError(failure))).toBe(failure);
    expect(failureOf("odd")).toMatchObject({ kind: "broken", message: "odd" });
  });
});
