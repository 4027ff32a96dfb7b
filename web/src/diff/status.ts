/** The verdict's word, icon and colour: the same three wherever a status stands. Colour is never alone. */

import type { Status } from "../api/types";

export const ICON: Record<Status, string> = { PASS: "✓", FAIL: "✕", INCONCLUSIVE: "◔", NODATA: "∅" };

/** What the person at the gate does with it. */
export const ANSWER: Record<Status, string> = {
  PASS: "Roll forward",
  FAIL: "Do not roll forward",
  INCONCLUSIVE: "Not decided",
  NODATA: "Nothing to judge: a side has no finished run",
};
