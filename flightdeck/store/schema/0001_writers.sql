-- How far the spans of each writer (one process that lands spans) have become runs. The newest row of a writer counts:
-- everything it landed before `settled_us` is assembled for good. A writer whose `seen_us` stands still is dead, and
-- another one takes its rows over by writing itself into `keeper`.
CREATE TABLE IF NOT EXISTS writers
(
    writer     UInt64,
    keeper     UInt64,
    host       LowCardinality(String),
    pid        UInt32,
    settled_us Int64,
    seen_us    Int64,
    life       Enum8('alive' = 0, 'left' = 1, 'settled' = 2)
)
ENGINE = ReplacingMergeTree(seen_us)
ORDER BY writer
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
