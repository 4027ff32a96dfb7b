#!/bin/sh
# The gate, from any folder: WORKSPACE=/tmp/gate sh ledger-gate.sh
set -eu
exec "${PYTHON:-python3}" "$(dirname "$0")/ledger_gate.py" "$@"
