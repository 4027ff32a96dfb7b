/** What can go wrong between the page and the server, as a closed set: each kind has its own designed state. */

export type Failure =
  /** The server wants a token; `refused` if one was sent. */
  | { kind: "token"; refused: boolean }
  /** Nothing answers. */
  | { kind: "gone" }
  | { kind: "unknown-release"; release: string; message: string }
  | { kind: "window"; message: string }
  /** The prices that were asked for, or that a release refers to, are not there. */
  | { kind: "prices"; message: string }
  /** Anything else the server will not do with this input. */
  | { kind: "refused"; status: number; message: string }
  /** The server can't do it now. */
  | { kind: "unavailable"; status: number; message: string; retryAfter: number | null }
  /** The server failed, or something else answers in its place. */
  | { kind: "broken"; status: number; message: string; requestId: string | null };

export class ApiError extends Error {
  constructor(readonly failure: Failure) {
    super("message" in failure ? failure.message : failure.kind);
    this.name = "ApiError";
  }
}

/** The failure behind whatever was thrown: `fetch` throws a TypeError when nothing answers. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof ApiError) return thrown.failure;
  if (thrown instanceof TypeError) return { kind: "gone" };
  return { kind: "broken", status: 0, message: String(thrown), requestId: null };
}

/** The failure that an answer other than 2xx tells. `body` is its JSON, or its text where it is none. */
export function failureOfAnswer(response: Response, body: unknown, tokenSent: boolean): Failure {
  const { status, headers } = response;
  const message = detail(body);
  if (status === 401) return { kind: "token", refused: tokenSent };
  if (status === 502 || status === 504) return { kind: "gone" };
  if (status === 429 || status === 503) {
    const seconds = Number(headers.get("Retry-After") ?? "");
    const retryAfter = Number.isFinite(seconds) && seconds > 0 ? seconds : null;
    return { kind: "unavailable", status, message: message || "The server is busy.", retryAfter };
  }
  if (status >= 400 && status < 500) {
    const release = /^Unknown (?:baseline |candidate )?release:\s*(\S+)/.exec(message);
    if (release !== null) return { kind: "unknown-release", release: release[1] ?? "", message };
    if (/^Invalid window/.test(message)) return { kind: "window", message };
    if (/^(Missing pricing table|The catalog can't price|pricing .* names no table)/.test(message)) {
      return { kind: "prices", message };
    }
    return { kind: "refused", status, message: message || `The server answered ${status}.` };
  }
  return { kind: "broken", status, message: message.slice(0, 500), requestId: headers.get("X-Request-Id") };
}

/** `detail` of an error body: a text, an object with a message, or the list of a request that does not validate. */
function detail(body: unknown): string {
  if (typeof body === "string") return body.trim();
  if (typeof body !== "object" || body === null || !("detail" in body)) return "";
  const found = body.detail;
  if (typeof found === "string") return found;
  if (Array.isArray(found)) return found.map(validation).join("; ");
  if (typeof found === "object" && found !== null && "message" in found) return String(found.message);
  return "";
}

function validation(entry: unknown): string {
  if (typeof entry !== "object" || entry === null || !("msg" in entry)) return String(entry);
  const place = "loc" in entry && Array.isArray(entry.loc) ? `${entry.loc.slice(1).join(".")}: ` : "";
  return `${place}${String(entry.msg)}`;
}
