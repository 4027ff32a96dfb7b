/** The API's words that the page speaks, under their short names. */

import type { components } from "./schema";

type Schemas = components["schemas"];

/** An answer as the server sends it: a key with a default is never left out, though the schema would allow it. */
type Whole<T> = T extends object ? { [Key in keyof T]-?: Whole<Exclude<T[Key], undefined>> } : T;

/** What a diff has only where there is something to say, or where it was asked for. */
type Sometimes = "warnings" | "explanation" | "evidence";

export type Diff = Whole<Omit<Schemas["Diff"], Sometimes>> & Pick<Schemas["Diff"], Sometimes>;
export type Explanation = Whole<Schemas["Explanation"]>;
export type Charts = Whole<Schemas["DiffCharts"]>;
export type PriceTable = Schemas["TableName"];
export type Policy = Schemas["Policy"];
export type DataQuality = Schemas["DataQuality"];
export type Status = Diff["verdict"]["status"];
export type Promoted = Schemas["Promoted"];
export type Release = Schemas["ReleaseLine"];
export type RunPage = Schemas["Runs"];
export type Run = Schemas["RunEvent"];
