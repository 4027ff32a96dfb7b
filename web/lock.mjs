// Takes the funding links out of package-lock.json: they are addresses, and the lock has none (any mirror serves it).
// Run by `npm run lock`, which is how the lock is made anew.
import { readFileSync, writeFileSync } from "node:fs";

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
for (const entry of Object.values(lock.packages)) delete entry.funding;
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
