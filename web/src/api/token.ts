/** The API token: for this browser tab only, gone when it closes. */

const KEY = "flightdeck-token";
const listeners = new Set<() => void>();

export function token(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

export function keepToken(value: string): void {
  sessionStorage.setItem(KEY, value);
  for (const changed of listeners) changed();
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
  for (const changed of listeners) changed();
}

/** Calls back when the token was kept or forgotten; returns what ends that. */
export function onTokenChange(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

/** Why a text can't be a token, or null if it can: a header carries ASCII only. */
export function tokenProblem(text: string): string | null {
  if (text === "") return "Enter the token.";
  return /^[\x20-\x7e]+$/.test(text) ? null : "A token has only ASCII characters.";
}
