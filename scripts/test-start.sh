#!/usr/bin/env bash
# Fails if `make run` takes longer than it should until the demo is ready, the first time on this machine.
#
#   scripts/test-start.sh SECONDS [COMMAND…]      default: make run
set -euo pipefail
cd "$(dirname "$0")/.."

limit=$1
shift
[ $# -gt 0 ] || set -- make run
port=${PORT:-8080}

set -m # The command gets a process group of its own, so that all of it can be ended.
"$@" &
started=$!
trap 'kill -- -$started 2>/dev/null || true' EXIT
until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/readyz"; do
  kill -0 $started 2>/dev/null || { echo "It ended before it was ready" >&2; exit 1; }
  [ $SECONDS -lt "$limit" ] || { echo "Not ready after $SECONDS s" >&2; exit 1; }
  sleep 0.2
done
echo "Ready after $SECONDS s, of $limit s at most"
