-- What assembly found of a trace that is counted but is no run: one row per trace, replaced as a whole.
CREATE TABLE IF NOT EXISTS findings
(
    key                     UInt64,
    workspace               UInt64,
    trace_id                String,
    version                 UInt64,
    is_deleted              UInt8,
    `found.kind`            Array(Enum8('incomplete' = 0, 'agent_mismatch' = 1, 'unassigned' = 2)),
    `found.id`              Array(String),
    `found.release_id`      Array(LowCardinality(String)),
    `found.agent_id`        Array(LowCardinality(String)),
    `found.environment`     Array(LowCardinality(String)),
    `found.service_name`    Array(LowCardinality(String)),
    `found.service_version` Array(LowCardinality(String)),
    `found.timestamp_us`    Array(Int64)
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PRIMARY KEY key
ORDER BY (key, workspace, trace_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
