#!/bin/sh
# A promotion that somebody else confirms. The workspace needs promotion_requires_approval: true.
#
#   RELEASE_ID=rel_... REASON="new prompt" sh promote_with_approval.sh request      # prints request_id=prq_...
#   REQUEST_ID=prq_... APPROVAL_REASON="diff looked at" sh promote_with_approval.sh confirm
#
# ENVIRONMENT (production), WINDOW (7d); run it in the workspace's folder, or with FLIGHTDECK_URL set to its server.
set -eu

usage() {
  echo "usage: promote_with_approval.sh request|confirm" >&2
  exit 2
}

need() { # NAME VALUE
  [ -n "$2" ] || { echo "set $1" >&2; exit 2; }
}

[ $# -eq 1 ] || usage
case "$1" in
  request)
    need RELEASE_ID "${RELEASE_ID:-}"
    need REASON "${REASON:-}"
    printf '%s' "$RELEASE_ID" | grep -qxE 'rel_[0-9a-f]{12}' || { echo "$RELEASE_ID is no release id" >&2; exit 2; }
    exec flightdeck release promote-request "$RELEASE_ID" \
      --env "${ENVIRONMENT:-production}" --window "${WINDOW:-7d}" --reason "$REASON"
    ;;
  confirm)
    need REQUEST_ID "${REQUEST_ID:-}"
    need APPROVAL_REASON "${APPROVAL_REASON:-}"
    exec flightdeck release promote-confirm "$REQUEST_ID" --approval-reason "$APPROVAL_REASON"
    ;;
  *) usage ;;
esac
