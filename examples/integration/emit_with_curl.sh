#!/bin/sh
# Sends one sample run to FlightDeck with curl and nothing else.
#
#   RELEASE_ID=rel_0123456789ab AGENT_ID=support sh emit_with_curl.sh
#
# Optional: BASE_URL, ENVIRONMENT, FLIGHTDECK_LOCAL_API_TOKEN. The ids go into JSON as they are: no quotes in them.
set -eu
: "${RELEASE_ID:?set RELEASE_ID}" "${AGENT_ID:?set AGENT_ID}"

set -- --silent --show-error --fail-with-body --header 'content-type: application/json'
if [ -n "${FLIGHTDECK_LOCAL_API_TOKEN:-}" ]; then
  set -- "$@" --header "authorization: Bearer $FLIGHTDECK_LOCAL_API_TOKEN"
fi

curl "$@" --data @- "${BASE_URL:-http://127.0.0.1:8765}/v1/events" <<JSON
{
  "events": [
    {
      "timestamp": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
      "agent_id": "$AGENT_ID",
      "release_id": "$RELEASE_ID",
      "run_id": "sample-$(date -u +%s)-$$",
      "tenant_id": "sample-tenant",
      "task_id": "sample-task",
      "environment": "${ENVIRONMENT:-local}",
      "metrics": {"latency_ms": 250, "success": true},
      "usage": {"model": {"provider": "openai", "model": "gpt-4.1-mini", "input_tokens": 400, "output_tokens": 120}}
    }
  ]
}
JSON
echo
