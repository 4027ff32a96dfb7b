/**
 * Numbers as text, with the digits of the CLI: money 6, milliseconds 2, shares 4 (a percentage: 2).
 */

const MINUS = "\u2212";
/** Between a number and its unit: narrow, and never a line break. */
export const THIN = "\u202f";

/**
 * `x` with `digits` decimals, rounded as Python's `%.Nf` does: a tie goes to the even digit, where `toFixed` goes up.
 */
export function fixed(x: number, digits: number): string {
  const negative = x < 0 || Object.is(x, -0);
  const size = Math.abs(x);
  if (!Number.isFinite(size) || size >= 1e21) return String(x);
  const rounded = size.toFixed(digits);
  // Doubles this close to a tie are ties: 25 more digits are far below their spacing.
  const exact = size.toFixed(Math.min(100, digits + 25));
  const rest = exact.slice(exact.indexOf(".") + 1 + digits);
  const isTie = rest.startsWith("5") && /^50*$/.test(rest);
  const text = isTie ? evenTie(exact, digits) : rounded;
  return negative ? `-${text}` : text;
}

/** The neighbour of an exact tie whose last digit is even. */
function evenTie(exact: string, digits: number): string {
  const point = exact.indexOf(".");
  const kept = exact.slice(0, point) + exact.slice(point + 1, point + 1 + digits);
  const even = BigInt(kept) + (BigInt(kept) % 2n);
  const padded = even.toString().padStart(digits + 1, "0");
  return digits === 0 ? padded : `${padded.slice(0, -digits)}.${padded.slice(-digits)}`;
}

/** Thousands apart, and a real minus sign. */
function dressed(text: string): string {
  const [whole = "", decimals] = text.replace("-", "").split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return (text.startsWith("-") ? MINUS : "") + grouped + (decimals === undefined ? "" : `.${decimals}`);
}

/** The same with its sign always written, as changes are. */
function signed(text: string): string {
  return text.startsWith("-") ? dressed(text) : `+${dressed(text)}`;
}

/** A share as the digits of a percentage: `fixed` first, so that both forms round alike. */
function percentDigits(share: number): string {
  const text = fixed(share, 4);
  const negative = text.startsWith("-");
  const digits = text.replace(/[-.]/g, "");
  const whole = digits.slice(0, -2).replace(/^0+(?=\d)/, "");
  return `${negative ? "-" : ""}${whole}.${digits.slice(-2)}`;
}

/** A number without a unit. */
export function decimal(x: number, digits: number): string {
  return dressed(fixed(x, digits));
}

export function decimalChange(x: number, digits: number): string {
  return signed(fixed(x, digits));
}

export function count(n: number): string {
  return dressed(String(n));
}

export function usd(x: number): string {
  const text = dressed(fixed(x, 6));
  return text.startsWith(MINUS) ? `${MINUS}$${text.slice(1)}` : `$${text}`;
}

export function usdChange(x: number): string {
  const text = signed(fixed(x, 6));
  return `${text.slice(0, 1)}$${text.slice(1)}`;
}

export function ms(x: number): string {
  return `${dressed(fixed(x, 2))}${THIN}ms`;
}

export function msChange(x: number): string {
  return `${signed(fixed(x, 2))}${THIN}ms`;
}

export function share(x: number): string {
  return `${dressed(percentDigits(x))}${THIN}%`;
}

/** A change of a share, in percentage points: not to be read as a relative change. */
export function points(x: number): string {
  return `${signed(percentDigits(x))}${THIN}points`;
}

/** A relative change: 4 is +400.00 %. */
export function relative(x: number): string {
  return `${signed(fixed(x * 100, 2))}${THIN}%`;
}
