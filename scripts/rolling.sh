#!/usr/bin/env bash
# `make rolling`: replaces three servers behind HAProxy one after another while people are in rooms; says how long it takes until all
# are back, and looks for what was acknowledged, for people who were shown to leave and had not, and for errors in logs.
#
#   scripts/rolling.sh                5,000 people
#   PEOPLE=200 scripts/rolling.sh
#   BEFORE=v1.2.0 scripts/rolling.sh  servers of that commit are replaced by present ones; TUTTI_BEFORE_BIN: the same, built already
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${TUTTI_BIN:-}" ]; then
  cargo build
  export TUTTI_BIN=${CARGO_TARGET_DIR:-$PWD/target}/debug/tutti
fi
if [ -n "${BEFORE:-}" ]; then
  before=${CARGO_TARGET_DIR:-$PWD/target}/before
  rm -rf "$before/source"
  mkdir -p "$before/source"
  git archive "$BEFORE" | tar -x -C "$before/source"
  cargo build --manifest-path "$before/source/Cargo.toml" --target-dir "$before/target"
  export TUTTI_BEFORE_BIN=$before/target/debug/tutti
fi
# A person is a file here, two in HAProxy and one in a server.
ulimit -n "$(ulimit -Hn)"
exec scripts/with-postgres.sh node tests/rolling/rolling.mjs
