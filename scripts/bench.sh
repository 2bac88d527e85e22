#!/usr/bin/env bash
# `make bench`: measures this server, and npm's y-websocket server and Hocuspocus where Node.js is there, with the same loads one
# after the other. Prints a table; writes it to target/bench/ as results.md, results.json and results.svg.
#
#   scripts/bench.sh                                    everything, about 25 minutes
#   BENCH_ROWS=room,readers BENCH_SECONDS=5 scripts/bench.sh
#   BENCH_SERVERS=tutti,tutti-postgres scripts/bench.sh
#   TUTTI_BEFORE_BIN=… BENCH_SERVERS=tutti,tutti-before scripts/bench.sh   beside an earlier build
#   BENCH_TRANSPORT=tls scripts/bench.sh                over TLS; `compressed` and `events` are for the rows of `make hostile`
#   BENCH_ROWS=hostile-all BENCH_WITHOUT=hostile-edits,hostile-rooms scripts/bench.sh   all hostile clients but those
#   BENCH_SCALE=0.1 BENCH_SECONDS=2 scripts/bench.sh    a look whether all works; the figures mean nothing
#
# Nothing else should run on the machine. docs/PERFORMANCE.md says what the rows are.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${TUTTI_BIN:-}" ]; then
  cargo build --release --features jemalloc
  export TUTTI_BIN=${CARGO_TARGET_DIR:-$PWD/target}/release/tutti
fi
# Its own target folder: it is a package of its own, built with other features than the server.
CARGO_TARGET_DIR=$PWD/target/load cargo build --release --manifest-path benches/load/Cargo.toml

export BENCH_OUT=${BENCH_OUT:-$PWD/target/bench}
export BENCH_PEERS=$PWD/benches/peers
if command -v npm >/dev/null; then
  make --no-print-directory benches/peers/node_modules/.package-lock.json
else
  echo 'Without Node.js and npm the peers are not measured.' >&2
fi

# A client is a file descriptor here and one in the server.
ulimit -n "$(ulimit -Hn)"

load=(target/load/release/tutti-load)
if scripts/with-postgres.sh --find >/dev/null; then
  exec scripts/with-postgres.sh "${load[@]}"
fi
exec "${load[@]}"
