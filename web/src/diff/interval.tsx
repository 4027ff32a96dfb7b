import type { Effect } from "./guardrails";
import classes from "./guardrails.module.css";

const WIDTH = 240;
const HEIGHT = 28;
const EDGE = 8;
/** From three margins better to three margins worse. */
const MOST = 3;

/** One effect: no change, the margin, the interval and the estimate; right is worse. */
export function Interval({ estimate, low, high }: Effect) {
  const x = (value: number) => {
    const within = Math.max(-MOST, Math.min(MOST, value));
    return EDGE + ((within + MOST) / (2 * MOST)) * (WIDTH - 2 * EDGE);
  };
  const middle = HEIGHT / 2;
  const known = low !== null || high !== null;
  const [left, right] = [x(low ?? -MOST), x(high ?? MOST)];
  const cap = (at: number, value: number | null) =>
    value !== null && Math.abs(value) <= MOST ? (
      <line x1={at} x2={at} y1={middle - 4} y2={middle + 4} className={classes["range"]} />
    ) : null;
  return (
    <svg
      className={classes["interval"]}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      aria-hidden="true"
    >
      <line x1={EDGE} x2={WIDTH - EDGE} y1={middle} y2={middle} className={classes["axis"]} />
      <line x1={x(0)} x2={x(0)} y1={4} y2={HEIGHT - 4} className={classes["zero"]} />
      <line x1={x(1)} x2={x(1)} y1={0} y2={HEIGHT} className={classes["margin"]} />
      {known && (
        <>
          <line x1={left} x2={right} y1={middle} y2={middle} className={classes["range"]} />
          {cap(left, low)}
          {cap(right, high)}
        </>
      )}
      {estimate !== null && <circle cx={x(estimate)} cy={middle} r={4.5} className={classes["estimate"]} />}
    </svg>
  );
}
