-- Runs: one row per run, whether it came as spans or as a RunEvent.
--
-- A run stands in `runs`, in the narrow `run_index` that answers by id, and its release in `releases_seen` (store/runs.py,
-- store/events.py). A row with is_deleted = 1 takes the row with the same sorting key back, if its version is the higher
-- one (store/precedence.py says which row of a run counts).

-- A day is a partition; days before 2020 and after 2049 share one per year, so that odd clocks can't make too many.
-- Queries with FINAL must tell parts apart by `hour`, which is in the sorting key, never by `timestamp` alone: of two rows
-- of one place in two parts, the newer could else be left out and the older count.
-- latency_ms, tokens and counts are bounded where they enter (store/eventrows.py), so that sums of squares fit Int256;
-- `original` is the event's own JSON where the columns do not hold all of it, else empty. Trace and span id are empty
-- where the run's id is made of them (`named_by_span`): random hex digits are most of a run's size on disk. For the same
-- reason blocks are small: with the usual megabyte for each of so many columns, a few inserts fill the engine's memory.
-- T64 keeps small numbers smaller than ZSTD does, and a diff reads them in two thirds of the time.
CREATE TABLE IF NOT EXISTS runs
(
    workspace             UInt64,
    agent_id              LowCardinality(String),
    release_id            LowCardinality(String),
    environment           LowCardinality(String),
    hour                  DateTime('UTC') CODEC(Delta, ZSTD),
    timestamp             DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    run_key               UInt64 CODEC(ZSTD),
    run_id                String CODEC(ZSTD),
    named_by_span         Bool,
    version               UInt64 CODEC(ZSTD),
    is_deleted            UInt8,
    source                Enum8('native' = 0, 'otlp' = 1),
    type                  Enum8('run_end' = 0, 'run_start' = 1),
    run_kind              Enum8('agent' = 0, 'chain' = 1, 'request' = 2, 'llm_call' = 3),
    workspace_id          LowCardinality(String),
    tenant_id             LowCardinality(String),
    task_id               LowCardinality(String),
    session_id            String CODEC(ZSTD),
    trace_id              String CODEC(ZSTD),
    span_id               String CODEC(ZSTD),
    latency_ms            Nullable(UInt64) CODEC(T64, LZ4),
    success               Bool,
    error_type            LowCardinality(String),
    provider              LowCardinality(String),
    model                 LowCardinality(String),
    input_tokens          UInt64 CODEC(T64, LZ4),
    output_tokens         UInt64 CODEC(T64, LZ4),
    cached_input_tokens   UInt64 CODEC(T64, LZ4),
    creation_tokens       UInt64 CODEC(T64, LZ4),
    reasoning_tokens      UInt64 CODEC(T64, LZ4),
    `models.provider`     Array(LowCardinality(String)),
    `models.model`        Array(LowCardinality(String)),
    `models.input_tier`   Array(UInt8),
    `models.calls`        Array(UInt64) CODEC(T64, LZ4),
    `models.input`        Array(UInt64) CODEC(T64, LZ4),
    `models.cached`       Array(UInt64) CODEC(T64, LZ4),
    `models.creation`     Array(UInt64) CODEC(T64, LZ4),
    `models.output`       Array(UInt64) CODEC(T64, LZ4),
    `models.reasoning`    Array(UInt64) CODEC(T64, LZ4),
    `tools.name`          Array(LowCardinality(String)),
    `tools.invocations`   Array(UInt64) CODEC(T64, LZ4),
    `tools.cost_units`    Array(Float64) CODEC(ZSTD),
    tool_invocations      UInt64 CODEC(T64, LZ4),
    calls_without_usage   UInt64 CODEC(T64, LZ4),
    `scores.name`         Array(LowCardinality(String)),
    `scores.value`        Array(Nullable(Float64)),
    `scores.label`        Array(Nullable(String)),
    labels                Map(LowCardinality(String), String),
    bad_time              Bool,
    cached_exceeds_input  Bool,
    truncated             Bool,
    original              String CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY if(toYear(hour) BETWEEN 2020 AND 2049, toYYYYMMDD(hour), toYear(hour))
PRIMARY KEY (workspace, agent_id, release_id, environment, hour)
ORDER BY (workspace, agent_id, release_id, environment, hour, run_key, run_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 600, min_age_to_force_merge_on_partition_only = 1,
    max_compress_block_size = 131072;

-- Found by `key`: of the run's id and, for a run made of spans, of its trace. Both are the same for ids of the form
-- <trace>-<span>, where `trace_id` is empty. Read without FINAL, row by row: it costs the granules of the keys asked for.
CREATE TABLE IF NOT EXISTS run_index
(
    key         UInt64,
    workspace   UInt64,
    agent_id    LowCardinality(String),
    release_id  LowCardinality(String),
    environment LowCardinality(String),
    hour        DateTime('UTC'),
    run_id      String CODEC(ZSTD),
    trace_id    String CODEC(ZSTD),
    version     UInt64 CODEC(ZSTD),
    is_deleted  UInt8,
    source      Enum8('native' = 0, 'otlp' = 1),
    type        Enum8('run_end' = 0, 'run_start' = 1),
    content     FixedString(16)
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PRIMARY KEY key
ORDER BY (key, workspace, agent_id, release_id, environment, hour, run_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    index_granularity = 256, max_compress_block_size = 16384, min_compress_block_size = 8192;

-- Which releases have runs, registered or not. A row stays when its runs are gone.
CREATE TABLE IF NOT EXISTS releases_seen
(
    workspace   UInt64,
    release_id  String,
    agent_id    String,
    environment String,
    first_us    SimpleAggregateFunction(min, Int64)
)
ENGINE = AggregatingMergeTree
ORDER BY (workspace, release_id, agent_id, environment);
