/** What both sides of a diff may be priced by. */

import type { Diff, PriceTable } from "../api/types";

interface Tables {
  versions: PriceTable[];
  default_version: string;
}

/** Values of the address with their words: own prices, the imported tables, the defaults, and the catalog if there is one. */
export function priceChoices(tables: Tables | undefined, diff: Diff | undefined, chosen: string): [string, string][] {
  const found = new Map<string, string>([["", "own prices"]]);
  for (const { provider, pricing_version } of tables?.versions ?? []) {
    const name = `${provider}/${pricing_version}`;
    found.set(name, name);
  }
  if (tables !== undefined && diff !== undefined) {
    for (const provider of [diff.pricing.baseline_provider, diff.pricing.candidate_provider]) {
      const name = `${provider}/${tables.default_version}`;
      if (!found.has(name)) found.set(name, `${provider}, default prices`);
    }
  }
  if (diff?.pricing.catalog.enabled) found.set("catalog", "the catalog");
  // What the address names is shown as it is, whether it is known or not.
  if (!found.has(chosen)) found.set(chosen, chosen);
  return [...found];
}
