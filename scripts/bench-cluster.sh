#!/usr/bin/env bash
# `make bench-cluster`: what several servers on one Postgres cost, and how fast one shows what another has saved, as a Markdown table.
# Rows compare within one run; nothing else should run on the machine. docs/PERFORMANCE.md says what they are.
#
#   scripts/bench-cluster.sh                            everything, about 14 minutes
#   BENCH_ROWS=notify,nats,durable,third,away,order,frozen,cursors,steps,cost BENCH_SECONDS=4 BENCH_ORDER_SECONDS=60 BENCH_CURSORS=500 scripts/bench-cluster.sh
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${TUTTI_BIN:-}" ]; then
  cargo build --release --features jemalloc
  export TUTTI_BIN=${CARGO_TARGET_DIR:-$PWD/target}/release/tutti
fi
# The network that fails, between a server and the bus.
cargo build --example network
export TUTTI_NETWORK=${CARGO_TARGET_DIR:-$PWD/target}/debug/examples/network
exec scripts/with-postgres.sh node benches/cluster/cluster.mjs
