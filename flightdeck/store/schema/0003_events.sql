-- RunEvents enter as validated JSON, a line each, and become rows of `run_rows`. `event` names the keys that are read;
-- whether and with which version an event is written is decided before (store/events.py).
CREATE TABLE IF NOT EXISTS event_rows
(
    workspace  UInt64,
    run_key    UInt64,
    version    UInt64,
    content    String,
    original   String,
    event      Tuple(
        type         Enum8('run_end' = 0, 'run_start' = 1),
        timestamp    DateTime64(6, 'UTC'),
        workspace_id String,
        agent_id     String,
        release_id   String,
        run_id       String,
        tenant_id    String,
        task_id      String,
        environment  String,
        request      Tuple(session_id String, trace_id String, span_id String),
        metrics      Tuple(latency_ms Nullable(UInt64), success Bool, error_type String),
        usage        Tuple(
            model Tuple(
                provider String, model String, input_tokens UInt64, output_tokens UInt64, cached_input_tokens UInt64
            ),
            tools Array(Tuple(tool_name String, invocations UInt64, cost_units Float64)),
            models Array(Tuple(
                provider String, model String, input_tier UInt8, calls UInt64, input_tokens UInt64,
                cached_input_tokens UInt64, cache_creation_input_tokens UInt64, output_tokens UInt64,
                reasoning_tokens UInt64
            )),
            calls_without_usage UInt64
        ),
        labels       Map(String, String),
        run_kind     Enum8('agent' = 0, 'chain' = 1, 'request' = 2, 'llm_call' = 3),
        scores       Array(Tuple(name String, value Nullable(Float64), label Nullable(String)))
    )
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS event_rows_to_run_rows TO run_rows AS
SELECT
    workspace,
    event.agent_id AS agent_id,
    event.release_id AS release_id,
    event.environment AS environment,
    toUnixTimestamp64Micro(event.timestamp) AS timestamp_us,
    run_key,
    run_key AS trace_key,
    event.run_id AS run_id,
    version,
    toFixedString(unhex(content), 16) AS content,
    'native' AS source,
    event.type AS type,
    event.run_kind AS run_kind,
    event.workspace_id AS workspace_id,
    event.tenant_id AS tenant_id,
    event.task_id AS task_id,
    event.request.session_id AS session_id,
    event.request.trace_id AS trace_id,
    event.request.span_id AS span_id,
    event.metrics.latency_ms AS latency_ms,
    event.metrics.success AS success,
    event.metrics.error_type AS error_type,
    event.usage.model.provider AS provider,
    event.usage.model.model AS model,
    event.usage.model.input_tokens AS input_tokens,
    event.usage.model.output_tokens AS output_tokens,
    event.usage.model.cached_input_tokens AS cached_input_tokens,
    event.usage.models.provider AS `models.provider`,
    event.usage.models.model AS `models.model`,
    event.usage.models.input_tier AS `models.input_tier`,
    event.usage.models.calls AS `models.calls`,
    event.usage.models.input_tokens AS `models.input`,
    event.usage.models.cached_input_tokens AS `models.cached`,
    event.usage.models.cache_creation_input_tokens AS `models.creation`,
    event.usage.models.output_tokens AS `models.output`,
    event.usage.models.reasoning_tokens AS `models.reasoning`,
    event.usage.tools.tool_name AS `tools.name`,
    event.usage.tools.invocations AS `tools.invocations`,
    event.usage.tools.cost_units AS `tools.cost_units`,
    event.usage.calls_without_usage AS calls_without_usage,
    event.scores.name AS `scores.name`,
    event.scores.value AS `scores.value`,
    event.scores.label AS `scores.label`,
    event.labels AS labels,
    arrayExists(
        (input, cached, creation) -> cached + creation > input, `models.input`, `models.cached`, `models.creation`
    ) AS cached_exceeds_input,
    original
FROM event_rows;
