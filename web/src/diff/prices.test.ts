import { describe, expect, it } from "vitest";
import { diff } from "../../test/answers";
import { priceChoices } from "./prices";

const TABLES = {
  versions: [
    { provider: "openai", pricing_version: "2026-11" },
    { provider: "anthropic", pricing_version: "2026-10" },
  ],
  default_version: "genai-prices-1.0",
};

describe("what a diff can be priced by", () => {
  it("own prices, the imported tables, and the defaults of the pair's provider", () => {
    expect(priceChoices(TABLES, diff(), "")).toEqual([
      ["", "own prices"],
      ["openai/2026-11", "openai/2026-11"],
      ["anthropic/2026-10", "anthropic/2026-10"],
      ["openai/genai-prices-1.0", "openai, default prices"],
    ]);
  });

  it("the catalog, where the workspace has one", () => {
    const answer = diff((change) => {
      change.pricing.catalog.enabled = true;
    });
    expect(priceChoices(TABLES, answer, "").at(-1)).toEqual(["catalog", "the catalog"]);
  });

  it("whatever the address names, known or not", () => {
    expect(priceChoices(undefined, undefined, "openai/gone")).toEqual([
      ["", "own prices"],
      ["openai/gone", "openai/gone"],
    ]);
  });
});
