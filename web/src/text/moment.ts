/** Times as text: UTC always, because everyone who looks at a release must read the same hour. */

/** `2026-11-24 18:19 UTC`; what is no time comes back as it is. */
export function minute(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso : `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** The same to the second. */
export function second(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso : `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

const UNITS: Record<string, string> = { d: "day", h: "hour", m: "minute" };

/** `7d` as "last 7 days". */
export function windowWords(window: string): string {
  const parts = /^\s*(\d+)\s*([dhm])\s*$/i.exec(window);
  if (parts === null) return `last ${window}`;
  const [, size = "", unit = ""] = parts;
  const word = UNITS[unit.toLowerCase()] ?? unit;
  return Number(size) === 1 ? `last ${word}` : `last ${Number(size)} ${word}s`;
}
