import { expect, it } from "vitest";
import { topOfEach } from "./moved";

it("shows the largest of each kind, tasks first, and none that moved nothing", () => {
  const driver = (kind: string, name: string, contribution: number) => ({ kind, name, contribution });
  const found = topOfEach([
    ...["a", "b", "c", "d", "e", "f"].map((name) => driver("error_type", name, 0.2)),
    driver("task", "faq", -0.01),
    driver("task", "refund", 0.1),
    driver("task", "other", 0.001),
    driver("tenant", "acme", 0),
  ]);
  expect(found.map((one) => one.name)).toEqual(["refund", "faq", "a", "b"]);
});
