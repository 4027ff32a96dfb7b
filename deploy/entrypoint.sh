#!/bin/sh
# Starts the server in /workspace; arguments are added to `flightdeck serve` ("serve" in front of them is accepted).
set -eu
[ "${1:-}" = serve ] && shift
[ -f flightdeck.yaml ] || flightdeck init
: "${FLIGHTDECK_RECEIVERS__OTLP__PROTOCOLS__GRPC__ENDPOINT:=0.0.0.0:4317}"
: "${FLIGHTDECK_RECEIVERS__OTLP__PROTOCOLS__HTTP__ENDPOINT:=0.0.0.0:4318}"
export FLIGHTDECK_RECEIVERS__OTLP__PROTOCOLS__GRPC__ENDPOINT FLIGHTDECK_RECEIVERS__OTLP__PROTOCOLS__HTTP__ENDPOINT
exec flightdeck serve --host 0.0.0.0 --port "${PORT:-8765}" "$@"
