/** Round numbers for axes. */

const STEPS = [1, 2, 2.5, 5, 10];

/** At most about `count` multiples of 1, 2, 2.5 or 5 times a power of ten, from `low` to `high`. */
export function linearTicks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (STEPS.find((one) => one * power >= rough * 0.999) ?? 10);
  const found: number[] = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high * (1 + 1e-12); n++) {
    found.push(Number((n * step).toPrecision(12)));
  }
  return found;
}

/** The same for a logarithmic axis; over less than a decade its ticks are those of a linear one. */
export function logTicks(low: number, high: number, count: number): number[] {
  const decades = Math.log10(high / low);
  if (decades < 0.9) return linearTicks(low, high, count);
  const each = decades > count ? [1] : decades * 3 > count * 1.5 ? [1, 3] : [1, 2, 5];
  const every = Math.max(1, Math.ceil(decades / count));
  const found: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += every) {
    for (const one of each) {
      const tick = Number((one * 10 ** power).toPrecision(12));
      if (tick >= low && tick <= high) found.push(tick);
    }
  }
  return found;
}

/** A tick's number: as few digits as it has. */
export function tickText(x: number, unit: string): string {
  const number = Number((unit === "share" ? x * 100 : x).toPrecision(6));
  const text = number.toLocaleString("en-US", { maximumFractionDigits: 9 });
  return unit === "share" ? `${text}\u202f%` : unit === "USD" ? `$${text}` : `${text}\u202f${unit}`;
}

const HOUR_MS = 3_600_000;
const HOURS = [1, 2, 3, 6, 12, 24, 48, 72, 168, 336, 672];

/** At most `most` moments from `low` to `high` (ms), whole steps of UTC hours or days. */
export function timeTicks(low: number, high: number, most: number): Date[] {
  const hours = (high - low) / HOUR_MS;
  const step = (HOURS.find((one) => hours / one <= most) ?? Math.ceil(hours / most / 24) * 24) * HOUR_MS;
  const found: Date[] = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(new Date(n * step));
  return found;
}

/** The hour; at midnight the day. */
export function timeTickText(moment: Date): string {
  const iso = moment.toISOString();
  if (moment.getUTCHours() !== 0) return iso.slice(11, 16);
  return moment.toLocaleDateString("en-US", { month: "short", day: "numeric", timeZone: "UTC" });
}
