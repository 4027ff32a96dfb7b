#!/bin/sh
# Sends one sample run to FlightDeck with curl; jq writes the JSON and reads the answer.
#
#   RELEASE_ID=rel_0123456789ab AGENT_ID=support sh emit_with_jq.sh
#
# Optional: BASE_URL, ENVIRONMENT, FLIGHTDECK_LOCAL_API_TOKEN.
set -eu
: "${RELEASE_ID:?set RELEASE_ID}" "${AGENT_ID:?set AGENT_ID}"

set -- --silent --show-error --fail-with-body --header 'content-type: application/json'
if [ -n "${FLIGHTDECK_LOCAL_API_TOKEN:-}" ]; then
  set -- "$@" --header "authorization: Bearer $FLIGHTDECK_LOCAL_API_TOKEN"
fi

answer=$(
  jq --null-input \
    --arg release "$RELEASE_ID" --arg agent "$AGENT_ID" --arg environment "${ENVIRONMENT:-local}" \
    --arg run "sample-$(date -u +%s)-$$" \
    '{events: [{
      timestamp: (now | todate), agent_id: $agent, release_id: $release, run_id: $run,
      tenant_id: "sample-tenant", task_id: "sample-task", environment: $environment,
      metrics: {latency_ms: 250, success: true},
      usage: {model: {provider: "openai", model: "gpt-4.1-mini", input_tokens: 400, output_tokens: 120}}
    }]}' |
    curl "$@" --data @- "${BASE_URL:-http://127.0.0.1:8765}/v1/events"
) || { echo "$answer" >&2; exit 1; }
echo "$answer" | jq --raw-output '"Inserted \(.inserted) event(s)."'
