/** What moved a metric, for the page. */

const KINDS = ["task", "model", "tenant", "error_type"] as const;
/** Of each kind: the answer has more. */
const SHOWN = 2;

/**
 * The largest of each kind. Kinds are not ranked against each other: each tells of the same difference in its own way, so
 * that the only type of errors would stand before the task in which they are.
 */
export function topOfEach<Of extends { kind: string; contribution: number }>(drivers: Of[]): Of[] {
  return KINDS.flatMap((kind) =>
    drivers
      .filter((driver) => driver.kind === kind && driver.contribution !== 0)
      .sort((one, other) => Math.abs(other.contribution) - Math.abs(one.contribution))
      .slice(0, SHOWN),
  );
}
