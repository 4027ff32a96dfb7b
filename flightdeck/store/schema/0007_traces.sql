-- Since when spans of a trace have landed, so that assembly looks for them in the parts that may hold some, and not in
-- all of the days that spans are kept (store/traces.py). The hour is enough for that and takes one byte; so are the last
-- eight bytes of the trace id: of traces that share them each is looked for from the earliest's hour on.
-- A table made here knows nothing of spans that were there before it; its comment says when it does.
CREATE TABLE IF NOT EXISTS traces
(
    key   UInt64 CODEC(NONE),
    first SimpleAggregateFunction(min, DateTime('UTC')) CODEC(ZSTD)
)
ENGINE = AggregatingMergeTree
ORDER BY key
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    index_granularity = 256, max_compress_block_size = 16384, min_compress_block_size = 8192;
