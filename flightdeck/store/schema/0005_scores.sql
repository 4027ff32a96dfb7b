-- Evaluations that came as log records. `subject` is the trace judged, else the provider's id of the response.
CREATE TABLE IF NOT EXISTS scores
(
    workspace UInt64,
    subject   String,
    span_id   String,
    name      LowCardinality(String),
    timestamp DateTime64(6, 'UTC'),
    value     Nullable(Float64),
    label     String
)
ENGINE = ReplacingMergeTree
ORDER BY (workspace, subject, span_id, name, timestamp)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
