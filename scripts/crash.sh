#!/usr/bin/env bash
# `make crash`: kills the server and the database again and again while people type, then looks for every acknowledged edit.
#
#   scripts/crash.sh             100 kills on each store, 30 of the database, 30 of both, 100 of one of three servers on each bus
#   scripts/crash.sh --short     the few kills that `make test` makes
#   scripts/with-tls.sh scripts/crash.sh --short    over TLS
#   SERVERS=5 BUS=nats scripts/crash.sh    five servers on one Postgres behind a balancer, of which one is killed each time
#   STORE=postgres MODE=database KILLS=300 SEED=7 CLIENTS=20 ROOMS=5 scripts/crash.sh
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${TUTTI_BIN:-}" ]; then
  cargo build
  export TUTTI_BIN=${CARGO_TARGET_DIR:-$PWD/target}/debug/tutti
fi
# Reads the packs in the database, past the server.
cargo build --example unpack
export TUTTI_UNPACK=${CARGO_TARGET_DIR:-$PWD/target}/debug/examples/unpack
exec node tests/crash/crash.mjs "$@"
