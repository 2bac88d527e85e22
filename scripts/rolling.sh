#!/usr/bin/env bash
# `make rolling`: replaces three servers behind HAProxy one after another while people are in rooms; says how long it takes until all
# are back, and looks for what was acknowledged and for people who were shown to leave and had not.
#
#   scripts/rolling.sh                5,000 people
#   PEOPLE=200 scripts/rolling.sh
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${TUTTI_BIN:-}" ]; then
  cargo build
  export TUTTI_BIN=${CARGO_TARGET_DIR:-$PWD/target}/debug/tutti
fi
# A person is a file here, two in HAProxy and one in a server.
ulimit -n "$(ulimit -Hn)"
exec scripts/with-postgres.sh node tests/rolling/rolling.mjs
